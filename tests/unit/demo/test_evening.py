"""The verdict of the evening: one model that differs is enough to say no."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from chronos.audit.copies import Shown
from chronos.audit.report import Finding, Report
from chronos.client.answers import TrialBalance
from chronos.clock import SystemClock
from chronos.demo import evening as room
from chronos.demo.evening import ELASTICSEARCH, FAUST, MODELS, REDIS, Evening, Row
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


class Follows:
    """A copy that shows one state after another, then the last for ever."""

    def __init__(self, *states):
        self._states = list(states)

    async def read_many(self, _account_ids):
        return [self._states.pop(0) if len(self._states) > 1 else self._states[0]]


class Journal:
    """Stands for the client and its accounts: always the newest state."""

    def __init__(self):
        self.accounts = self

    async def balance(self, account_id):
        return SimpleNamespace(account=account_id, **ALICE._asdict())


async def settled(*redis):
    copies = {FAUST: Follows(ALICE), REDIS: Follows(*redis), ELASTICSEARCH: Follows(ALICE)}
    models = room._Models(copies=copies, elasticsearch=None)
    return await room._settled_rows(Journal(), models, ["alice"], clock=SystemClock())


async def test_rows_are_shown_once_the_slowest_model_has_followed():
    (shown,) = await settled(ALICE._replace(version=6), ALICE._replace(version=6), ALICE)

    assert shown.agrees


async def test_a_model_that_never_follows_is_shown_as_it_is(monkeypatch):
    monkeypatch.setattr(room, "SETTLE_S", 0.02)

    (shown,) = await settled(ALICE._replace(version=6))

    assert not shown.agrees
