"""The script of a bank's day: repeatable, exact in number, and true in its own arithmetic."""

from collections import Counter

import pytest

from chronos.demo.script import SETTLEMENT, Phase, write_day


@pytest.mark.parametrize("transfers", [60, 500, 20_000])
def test_the_day_books_exactly_as_many_transfers_as_asked(transfers):
    assert write_day(seed=1, transfers=transfers).transfers == transfers


def test_the_same_seed_writes_the_same_day_and_another_seed_another():
    assert write_day(seed=1, transfers=200) == write_day(seed=1, transfers=200)
    assert write_day(seed=1, transfers=200) != write_day(seed=2, transfers=200)


def test_nobody_but_the_settlement_account_ever_goes_below_zero():
    day = write_day(seed=3, transfers=5_000)
    balances: Counter[str] = Counter()

    for phase, part in day.payments.items():
        for payment in part:
            if phase == Phase.OVERDRAFT:
                assert payment.amount > balances[payment.source]
                continue
            balances[payment.source] -= payment.amount
            balances[payment.destination] += payment.amount
            assert payment.source == SETTLEMENT or balances[payment.source] >= 0

    assert {name: balances[name] for name in day.expected} == day.expected
    assert sum(day.expected.values()) == 0


def test_every_key_is_used_once_and_every_account_is_opened_once():
    day = write_day(seed=4, transfers=800)
    keys = [payment.key for part in day.payments.values() for payment in part]
    names = [opening.account_id for opening in day.openings]

    assert len(set(keys)) == len(keys)
    assert len(set(names)) == len(names)
    for part in day.payments.values():
        assert all({p.source, p.destination} <= set(names) for p in part)


def test_a_suffix_makes_a_second_day_of_its_own():
    first = write_day(seed=1, transfers=60)
    second = write_day(seed=1, transfers=60, suffix=".b")

    assert not set(first.expected) & set(second.expected)


def test_retried_payments_are_booked_payments():
    day = write_day(seed=5, transfers=300)

    assert set(day.retries) <= set(day.payments[Phase.PURCHASE])
