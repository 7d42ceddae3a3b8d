"""Transfers, decided on values."""

from datetime import date

import pytest

from chronos.domain.account import AccountStatus
from chronos.domain.chart import AccountKind
from chronos.domain.decide import decide
from chronos.domain.money import AMOUNT_MAX
from chronos.domain.rejections import Rejected, RejectionCode
from chronos.domain.states import Accepted
from tests.builders import TODAY, account, states, transfer


def refusal(*accounts, command, **changes):
    outcome = decide(states(*accounts, **changes), command)
    assert isinstance(outcome, Rejected)
    return outcome.code


def test_a_transfer_withdraws_and_deposits_the_same_amount():
    world = states(account("alice", booked=500, version=3), account("bob", booked=7))

    outcome = decide(world, transfer(amount=120))

    assert isinstance(outcome, Accepted)
    withdrawn, deposited = outcome.events
    assert (withdrawn.account_id, withdrawn.amount, withdrawn.booked_after) == (
        "alice",
        -120,
        380,
    )
    assert (deposited.account_id, deposited.amount, deposited.booked_after) == ("bob", 120, 127)
    assert (withdrawn.version, deposited.version) == (4, 2)
    assert (withdrawn.counterparty, deposited.counterparty) == ("bob", "alice")


def test_the_last_minor_unit_may_be_spent():
    assert isinstance(decide(states(account(booked=100), account("bob")), transfer()), Accepted)


def test_one_minor_unit_too_much_is_refused():
    accounts = account(booked=99), account("bob")
    assert refusal(*accounts, command=transfer()) is RejectionCode.INSUFFICIENT_FUNDS


def test_held_money_cannot_be_spent():
    accounts = account(booked=150, held=51), account("bob")
    assert refusal(*accounts, command=transfer()) is RejectionCode.INSUFFICIENT_FUNDS


def test_an_overdraft_limit_can_be_used_up_but_not_passed():
    bob = account("bob")
    at_limit = states(account(overdraft_limit=100), bob)

    assert isinstance(decide(at_limit, transfer()), Accepted)
    past = account(overdraft_limit=99)
    assert refusal(past, bob, command=transfer()) is RejectionCode.INSUFFICIENT_FUNDS


def test_a_settlement_account_may_go_below_zero():
    bank = account("bank", kind=AccountKind.SETTLEMENT, overdraft_limit=None)
    outcome = decide(states(bank, account("bob")), transfer("bank", "bob"))
    assert isinstance(outcome, Accepted)
    assert outcome.events[0].booked_after == -100


@pytest.mark.parametrize("status", [AccountStatus.FROZEN_ALL, AccountStatus.FROZEN_DEBITS])
def test_a_frozen_account_cannot_pay(status):
    accounts = account(booked=500, status=status), account("bob")
    assert refusal(*accounts, command=transfer()) is RejectionCode.ACCOUNT_FROZEN


def test_an_account_frozen_for_debits_can_be_paid():
    world = states(account(booked=500), account("bob", status=AccountStatus.FROZEN_DEBITS))
    assert isinstance(decide(world, transfer()), Accepted)


def test_an_account_frozen_for_all_cannot_be_paid():
    accounts = account(booked=500), account("bob", status=AccountStatus.FROZEN_ALL)
    assert refusal(*accounts, command=transfer()) is RejectionCode.ACCOUNT_FROZEN


def test_a_closed_account_neither_pays_nor_is_paid():
    closed = account(booked=0, status=AccountStatus.CLOSED)
    other = account("bob", booked=500)
    assert refusal(closed, other, command=transfer()) is RejectionCode.ACCOUNT_CLOSED
    back = transfer("bob", "alice")
    assert refusal(closed, other, command=back) is RejectionCode.ACCOUNT_CLOSED


def test_a_balance_never_passes_the_greatest_amount():
    accounts = account(booked=500), account("bob", booked=AMOUNT_MAX - 99)
    assert refusal(*accounts, command=transfer()) is RejectionCode.BALANCE_LIMIT


def test_an_unbounded_account_never_passes_the_lowest_balance():
    bank = account(
        "bank", kind=AccountKind.SETTLEMENT, overdraft_limit=None, booked=-AMOUNT_MAX + 99
    )
    command = transfer("bank", "bob")
    assert refusal(bank, account("bob"), command=command) is RejectionCode.BALANCE_LIMIT


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (transfer("alice", "alice"), RejectionCode.SAME_ACCOUNT),
        (transfer("nobody", "bob"), RejectionCode.ACCOUNT_NOT_FOUND),
        (transfer("alice", "nobody"), RejectionCode.ACCOUNT_NOT_FOUND),
        (transfer(currency="USD"), RejectionCode.CURRENCY_MISMATCH),
        (transfer(value_date=date(2026, 3, 1)), RejectionCode.DATE_INVALID),
        (transfer(value_date=date(2027, 3, 4)), RejectionCode.DATE_INVALID),
        (transfer(expected_versions={"alice": 2}), RejectionCode.VERSION_CONFLICT),
        (transfer(expected_versions={"bob": 0}), RejectionCode.VERSION_CONFLICT),
    ],
)
def test_a_transfer_that_breaks_a_rule_is_refused(command, code):
    assert refusal(account(booked=500), account("bob"), command=command) is code


def test_a_known_transfer_id_is_refused():
    accounts = account(booked=500), account("bob")
    code = refusal(*accounts, command=transfer(), transfers=frozenset({"trf_1"}))
    assert code is RejectionCode.TRANSFER_EXISTS


def test_expected_versions_that_fit_are_granted():
    world = states(account(booked=500, version=9), account("bob", version=4))
    command = transfer(expected_versions={"alice": 9, "bob": 4}, value_date=TODAY)
    assert isinstance(decide(world, command), Accepted)
