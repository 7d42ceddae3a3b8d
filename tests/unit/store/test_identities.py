"""Who accounts are is read once, within a bound, and forgotten with the connection."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from chronos.domain.chart import AccountKind
from chronos.store import identities
from chronos.store.identities import Identities, Identity

NEW_YEAR = datetime(2025, 12, 31, 23, 30, tzinfo=UTC)


@pytest.fixture
def known():
    return Identities(ZoneInfo("Europe/Berlin"))


def row(name, opened_on=None):
    return name, "EUR", "customer", NEW_YEAR, opened_on


def test_whoever_was_met_is_not_asked_for_again(known):
    assert known.unmet(["a", "b"]) == ["a", "b"]

    known.meet([row("a")])

    assert known.unmet(["a", "b"]) == ["b"]


def test_an_account_without_a_day_of_its_own_opened_on_the_banks_day(known):
    known.meet([row("a"), row("b", date(2020, 2, 29))])

    assert known["a"] == Identity("EUR", AccountKind.CUSTOMER, date(2026, 1, 1))
    assert known["b"].opened_on == date(2020, 2, 29)


def test_beyond_the_bound_all_are_asked_for_again(known, monkeypatch):
    monkeypatch.setattr(identities, "IDENTITIES_MAX", 2)
    known.meet([row("a"), row("b"), row("c")])

    assert known["a"].currency == "EUR"
    assert known.unmet(["a", "b"]) == ["a", "b"]


def test_another_server_knows_nobody(known):
    known.meet([row("a")])
    known.forget()

    assert known.unmet(["a"]) == ["a"]
