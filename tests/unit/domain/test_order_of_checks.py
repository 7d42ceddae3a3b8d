"""Which refusal comes first when several things are wrong: it is part of the contract.

Each row is wrong in its own way and in all the ways of the rows below it.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from chronos.domain.account import AccountStatus
from chronos.domain.decide import decide
from chronos.domain.money import AMOUNT_MAX
from chronos.domain.rejections import RejectionCode as Code
from tests.builders import NOW, TODAY, account, states, transfer
from tests.commands import (
    capture,
    close,
    entries,
    hold_state,
    journal_entry,
    place,
    reverse,
)

EARLY = TODAY - timedelta(days=1)
CLOSED, FROZEN = AccountStatus.CLOSED, AccountStatus.FROZEN_ALL
POOR, FULL = account(), account("bob", booked=AMOUNT_MAX)
WRONG = {"value_date": EARLY, "expected_versions": {"alice": 9}}


def world(alice=POOR, bob=FULL, **changes):
    return states(alice, bob, **{"transfers": {"trf_1", "ent_1", "cap_1", "rev_1"}, **changes})


FRESH = world(transfers=frozenset())
STEPS = [
    (world(), transfer("alice", "alice", currency="USD", **WRONG), Code.SAME_ACCOUNT),
    (world(), transfer("alice", "nobody", currency="USD", **WRONG), Code.ACCOUNT_NOT_FOUND),
    (world(), transfer(currency="USD", **WRONG), Code.CURRENCY_MISMATCH),
    (world(), transfer(**WRONG), Code.DATE_INVALID),
    (world(), transfer(expected_versions={"alice": 9}), Code.TRANSFER_EXISTS),
    (
        world(replace(POOR, status=CLOSED), transfers=frozenset()),
        transfer(expected_versions={"alice": 9}),
        Code.VERSION_CONFLICT,
    ),
    (
        world(replace(POOR, status=CLOSED), transfers=frozenset()),
        transfer(),
        Code.ACCOUNT_CLOSED,
    ),
    (
        world(bob=replace(FULL, status=FROZEN), transfers=frozenset()),
        transfer(),
        Code.ACCOUNT_FROZEN,
    ),
    (FRESH, transfer(), Code.INSUFFICIENT_FUNDS),
    (world(account(booked=100), transfers=frozenset()), transfer(), Code.BALANCE_LIMIT),
]


@pytest.mark.parametrize(("found", "command", "code"), STEPS, ids=[s[2].value for s in STEPS])
def test_what_is_wrong_with_the_request_comes_before_the_present_state(found, command, code):
    assert decide(found, command).code is code


def test_a_sum_comes_before_an_account_named_twice_and_that_before_its_existence():
    unbalanced = entries(("nobody", 1), ("nobody", 1))
    twice = entries(("nobody", 1), ("nobody", -1))
    assert decide(world(), unbalanced).code is Code.UNBALANCED
    assert decide(world(), twice).code is Code.SAME_ACCOUNT


def test_the_hold_comes_before_the_amount_and_that_before_the_payee():
    alice = account(held=100, open_holds=1)
    over = world(alice, holds={"hld_1": hold_state(expires_at=NOW)})
    still = world(alice, holds={"hld_1": hold_state()})
    assert decide(over, capture(amount=101)).code is Code.HOLD_NOT_OPEN
    assert (
        decide(still, capture("hld_1", "alice", amount=101)).code is Code.CAPTURE_EXCEEDS_HOLD
    )
    assert decide(still, capture("hld_1", "alice")).code is Code.SAME_ACCOUNT
    assert decide(still, capture("hld_1", "nobody")).code is Code.ACCOUNT_NOT_FOUND


def test_a_hold_that_is_wrong_in_every_way_is_refused_for_its_currency_first():
    wrong = {"expires_at": NOW, "expected_versions": {"alice": 9}}
    taken = world(replace(POOR, status=FROZEN), holds={"hld_1": hold_state()})
    free = world(replace(POOR, status=FROZEN))
    assert decide(taken, place(currency="USD", **wrong)).code is Code.CURRENCY_MISMATCH
    assert decide(taken, place(**wrong)).code is Code.DATE_INVALID
    assert decide(taken, place(expected_versions={"alice": 9})).code is Code.HOLD_EXISTS
    assert decide(free, place(expected_versions={"alice": 9})).code is Code.VERSION_CONFLICT
    assert decide(free, place()).code is Code.ACCOUNT_FROZEN


def test_whether_an_entry_may_be_reversed_comes_before_what_its_reversal_needs():
    postings = ("alice", 100), ("bob", -100)
    once = journal_entry(*postings, reversed_by="rev_0")
    itself = journal_entry(*postings, reverses="trf_0")
    plain = journal_entry(*postings)
    for entry, code in (
        (once, Code.ALREADY_REVERSED),
        (itself, Code.NOT_REVERSIBLE),
        (plain, Code.DATE_INVALID),
    ):
        assert decide(world(entries={"trf_1": entry}), reverse(**WRONG)).code is code


def test_a_version_comes_before_the_status_and_holds_before_the_balance():
    shut = states(account(status=CLOSED))
    burdened = states(account(booked=5, held=1, open_holds=1))
    assert decide(shut, close(expected_version=9)).code is Code.VERSION_CONFLICT
    assert decide(shut, close()).code is Code.ACCOUNT_CLOSED
    assert decide(burdened, close()).code is Code.HOLDS_OPEN
