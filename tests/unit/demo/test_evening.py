"""The verdict of the evening: one model that differs is enough to say no."""

from dataclasses import replace

import pytest

from chronos.audit.copies import Shown
from chronos.audit.report import Finding, Report
from chronos.client.answers import TrialBalance
from chronos.demo.evening import MODELS, Evening, Row
from chronos.demo.following import Following

ALICE = Shown("alice", 7, "EUR", 500, 0, 500, None)


def row(**changed):
    shown = dict.fromkeys(MODELS, ALICE)
    return Row(
        account_id="alice", shown=shown | {k.replace("_", " "): v for k, v in changed.items()}
    )


def evening(**changed) -> Evening:
    clean = Evening(
        rows=(row(),),
        following=Following(),
        reconciled=Report("reconcile"),
        verified=Report("verify"),
        trial_balance=TrialBalance(at="", balanced=True, totals={"EUR": 0}, lines=()),
        arithmetic=(),
    )
    return replace(clean, **changed)


def dirty(name: str) -> Report:
    report = Report(name)
    report.add(Finding(check="redis", detail="differs"))
    return report


def test_all_models_equal_is_clean():
    assert evening().is_clean


@pytest.mark.parametrize(
    "shown",
    [None, ALICE._replace(booked=501), ALICE._replace(version=6), ALICE._replace(held=1)],
)
def test_a_model_that_shows_another_state_disagrees(shown):
    assert not row(Redis=shown).agrees
    assert not evening(rows=(row(Redis=shown),)).is_clean


@pytest.mark.parametrize(
    "changed",
    [
        {"reconciled": dirty("reconcile")},
        {"verified": dirty("verify")},
        {"arithmetic": ("alice has 1, the script says 2",)},
        {"trial_balance": TrialBalance(at="", balanced=False, totals={"EUR": 1}, lines=())},
    ],
)
def test_any_failed_proof_is_not_clean(changed):
    assert not evening(**changed).is_clean
