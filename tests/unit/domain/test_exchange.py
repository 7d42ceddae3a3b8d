"""Exchanges through the bank's position accounts, decided on values."""

from dataclasses import replace

import pytest

from chronos.domain.account import AccountStatus
from chronos.domain.chart import AccountKind
from chronos.domain.decide import decide
from chronos.domain.rejections import RejectionCode
from tests.builders import account, states
from tests.commands import exchange

THROUGH = {"sell_positions": ("pos-e",), "buy_positions": ("pos-j",)}


def position(name, currency, **changes):
    kind = AccountKind.POSITION
    return account(name, kind=kind, currency=currency, overdraft_limit=None, **changes)


ALICE = account("alice", booked=500)
YUKI = account("yuki", currency="JPY")
EURO, YEN = position("pos-e", "EUR"), position("pos-j", "JPY")
BANK = states(ALICE, YUKI, EURO, YEN)


def test_each_currency_sums_to_zero_through_the_position_of_the_bank():
    events = decide(BANK, exchange(sell=100, buy=16000, **THROUGH)).events

    assert [(e.account_id, e.amount, e.currency, e.counterparty) for e in events] == [
        ("alice", -100, "EUR", "yuki"),
        ("pos-e", 100, "EUR", "alice"),
        ("pos-j", -16000, "JPY", "yuki"),
        ("yuki", 16000, "JPY", "alice"),
    ]
    assert {e.legs for e in events} == {4}


def test_the_position_of_the_bank_may_go_below_zero():
    assert decide(BANK, exchange(**THROUGH)).events[2].booked_after == -16000


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"source": "nobody"}, RejectionCode.ACCOUNT_NOT_FOUND, "/from"),
        ({"destination": "nobody"}, RejectionCode.ACCOUNT_NOT_FOUND, "/to"),
        ({"destination": "alice"}, RejectionCode.SAME_ACCOUNT, "/to"),
        ({"sell_currency": "USD"}, RejectionCode.CURRENCY_MISMATCH, "/sell_currency"),
        ({"buy_currency": "USD"}, RejectionCode.CURRENCY_MISMATCH, "/buy_currency"),
        ({"destination": "bob"}, RejectionCode.CURRENCY_MISMATCH, "/to"),
        ({"source": "pos-e"}, RejectionCode.SAME_ACCOUNT, "/from"),
        ({"destination": "pos-j"}, RejectionCode.SAME_ACCOUNT, "/to"),
        ({"sell_amount": 501}, RejectionCode.INSUFFICIENT_FUNDS, "/sell_amount"),
    ],
)
def test_an_exchange_that_breaks_a_rule_is_refused(changes, code, pointer):
    world = states(ALICE, YUKI, EURO, YEN, account("bob"))
    outcome = decide(world, replace(exchange(**THROUGH), **changes))
    assert (outcome.code, outcome.pointer) == (code, pointer)


@pytest.mark.parametrize(
    ("positions", "missing"),
    [
        ({"sell_positions": (), "buy_positions": ()}, "EUR"),
        ({"sell_positions": ("pos-e",), "buy_positions": ()}, "JPY"),
        ({"sell_positions": ("unknown",), "buy_positions": ("pos-j",)}, "EUR"),
        ({"sell_positions": ("pos-j",), "buy_positions": ("pos-e",)}, "EUR"),
        ({"sell_positions": ("pos-e",), "buy_positions": ("yuki",)}, "JPY"),
    ],
)
def test_a_position_account_that_is_none_in_that_currency_is_missing(positions, missing):
    outcome = decide(BANK, exchange(**positions))
    assert outcome.code is RejectionCode.POSITION_ACCOUNT_MISSING
    assert f"in {missing};" in outcome.detail


def test_a_believed_currency_that_is_right_is_granted():
    command = exchange(sell_currency="EUR", buy_currency="JPY", **THROUGH)
    assert len(decide(BANK, command).events) == 4


def test_a_frozen_position_account_stops_exchanges():
    frozen = states(
        ALICE, YUKI, EURO, position("pos-j", "JPY", status=AccountStatus.FROZEN_ALL)
    )
    assert decide(frozen, exchange(**THROUGH)).code is RejectionCode.ACCOUNT_FROZEN


def test_a_position_account_with_a_limit_pays_no_more_than_that():
    bounded = replace(YEN, overdraft_limit=15999)
    outcome = decide(states(ALICE, YUKI, EURO, bounded), exchange(**THROUGH))
    assert (outcome.code, outcome.pointer) == (
        RejectionCode.INSUFFICIENT_FUNDS,
        "/buy_amount",
    )
