"""Holds, decided on values: placed once, ended once."""

from datetime import timedelta

import pytest

from chronos.domain.account import HOLDS_MAX, AccountStatus
from chronos.domain.chart import AccountKind
from chronos.domain.decide import decide
from chronos.domain.evolve import evolve
from chronos.domain.money import AMOUNT_MAX
from chronos.domain.rejections import RejectionCode
from chronos.domain.states import HoldStatus
from tests.builders import NOW, TODAY, account, states, transfer
from tests.commands import capture, expire, hold_state, place, void

SECOND = timedelta(seconds=1)


def holder(**changes):
    """An account with 500 booked, 100 of it held in one hold."""
    return account(booked=500, held=100, open_holds=1, version=4, **changes)


def world(payer=None, payee=None, **hold):
    payer = holder() if payer is None else payer
    payee = account("bob", booked=7) if payee is None else payee
    return states(payer, payee, holds={"hld_1": hold_state(**hold)})


def test_a_placed_hold_is_not_available_any_more():
    before = account(booked=500, held=50, open_holds=1, version=3)
    command = place(amount=120, expires_at=NOW + SECOND, metadata={"card": "1"})

    (placed,) = decide(states(before), command).events

    assert (placed.version, placed.hold_amount, placed.expires_at) == (4, 120, NOW + SECOND)
    assert (placed.booked_after, placed.held_after, placed.available_after) == (500, 170, 330)
    assert (placed.open_holds_after, placed.metadata) == (2, {"card": "1"})
    assert evolve(before, placed).available == 330


def test_all_that_is_available_can_be_held_and_not_one_unit_more():
    before = account(booked=40, overdraft_limit=60)
    assert decide(states(before), place(amount=100)).events[0].available_after == 0
    too_much = decide(states(before), place(amount=101))
    assert too_much.code is RejectionCode.INSUFFICIENT_FUNDS


def test_an_unbounded_account_holds_more_than_it_has():
    bank = account(kind=AccountKind.SETTLEMENT, overdraft_limit=None)
    assert decide(states(bank), place(amount=100)).events[0].available_after == -100


@pytest.mark.parametrize("status", [AccountStatus.FROZEN_DEBITS, AccountStatus.FROZEN_ALL])
def test_nothing_is_reserved_on_a_frozen_account(status):
    outcome = decide(states(account(booked=500, status=status)), place())
    assert outcome.code is RejectionCode.ACCOUNT_FROZEN


def test_a_hold_that_would_be_over_already_is_refused():
    outcome = decide(states(account(booked=500)), place(expires_at=NOW))
    assert (outcome.code, outcome.pointer) == (RejectionCode.DATE_INVALID, "/expires_at")


def test_a_hold_id_is_given_once_even_when_its_hold_has_ended():
    ended = {"hld_1": hold_state(status=HoldStatus.VOIDED)}
    outcome = decide(states(account(booked=500), holds=ended), place())
    assert outcome.code is RejectionCode.HOLD_EXISTS


def test_the_last_hold_that_an_account_may_have_is_placed():
    almost = account(booked=500, held=499, open_holds=HOLDS_MAX - 1)
    (placed,) = decide(states(almost), place(amount=1)).events
    full = evolve(almost, placed)

    outcome = decide(states(full), place(amount=1, hold_id="hld_2"))

    assert full.open_holds == HOLDS_MAX
    assert outcome.code is RejectionCode.TOO_MANY_HOLDS


def test_held_is_never_more_than_the_greatest_amount():
    full = account(
        kind=AccountKind.SETTLEMENT, overdraft_limit=None, booked=10, held=AMOUNT_MAX
    )
    assert decide(states(full), place(amount=1)).code is RejectionCode.BALANCE_LIMIT


def test_a_capture_frees_the_hold_and_moves_its_whole_amount():
    captured, withdrawn, deposited = decide(world(), capture(description="fuel")).events

    assert (captured.version, captured.held_after, captured.available_after) == (5, 0, 500)
    assert (captured.captured_amount, captured.hold_amount) == (100, 100)
    assert (captured.transfer_id, captured.destination) == ("cap_1", "bob")
    assert (withdrawn.version, withdrawn.amount, withdrawn.available_after) == (6, -100, 400)
    assert (deposited.version, deposited.amount, deposited.booked_after) == (2, 100, 107)
    assert {e.description for e in (captured, withdrawn, deposited)} == {"fuel"}


def test_what_a_partial_capture_leaves_is_available_again():
    captured, withdrawn, _ = decide(world(), capture(amount=30)).events

    assert (captured.captured_amount, captured.hold_amount) == (30, 100)
    assert (withdrawn.booked_after, withdrawn.held_after) == (470, 0)
    assert withdrawn.available_after == 470


def test_a_capture_needs_no_more_than_what_was_held():
    poor = account(booked=100, held=100, open_holds=1)
    assert decide(world(poor), capture()).events[1].available_after == 0


def test_a_capture_of_one_unit_more_than_the_hold_is_refused():
    outcome = decide(world(), capture(amount=101))
    assert (outcome.code, outcome.pointer) == (RejectionCode.CAPTURE_EXCEEDS_HOLD, "/amount")


@pytest.mark.parametrize("status", [s for s in HoldStatus if s is not HoldStatus.OPEN])
@pytest.mark.parametrize("command", [capture(), void(), expire()])
def test_a_hold_that_has_ended_does_not_end_again(status, command):
    outcome = decide(world(status=status), command)
    assert outcome.code is RejectionCode.HOLD_NOT_OPEN
    assert status.value in outcome.detail


@pytest.mark.parametrize("command", [capture("other"), void("other"), expire("other")])
def test_a_hold_that_was_never_placed_is_not_found(command):
    outcome = decide(world(), command)
    assert (outcome.code, outcome.in_path) == (RejectionCode.HOLD_NOT_FOUND, True)


def test_a_hold_whose_account_was_not_locked_counts_as_newer_than_the_command():
    unlocked = states(account("bob"), holds={"hld_1": hold_state()})
    assert decide(unlocked, capture()).code is RejectionCode.HOLD_NOT_FOUND


def test_a_hold_can_be_captured_until_the_instant_at_which_it_expires():
    assert len(decide(world(expires_at=NOW + SECOND), capture()).events) == 3
    outcome = decide(world(expires_at=NOW), capture())
    assert outcome.code is RejectionCode.HOLD_NOT_OPEN


def test_a_hold_expires_at_its_instant_and_not_before():
    outcome = decide(world(expires_at=NOW + SECOND), expire())
    (expired,) = decide(world(expires_at=NOW), expire()).events

    assert outcome.code is RejectionCode.DATE_INVALID
    assert (expired.held_after, expired.available_after, expired.open_holds_after) == (
        0,
        500,
        0,
    )


def test_a_hold_without_an_expiry_never_expires():
    assert decide(world(), expire()).code is RejectionCode.DATE_INVALID


def test_a_hold_that_nobody_ended_in_time_can_still_be_voided():
    (voided,) = decide(world(expires_at=NOW - SECOND), void()).events
    assert (voided.held_after, voided.available_after, voided.value_date) == (0, 500, TODAY)


@pytest.mark.parametrize("status", [AccountStatus.FROZEN_DEBITS, AccountStatus.FROZEN_ALL])
def test_the_holds_of_a_frozen_account_end_only_without_a_payment(status):
    frozen = world(holder(status=status), expires_at=NOW + SECOND)
    assert decide(frozen, capture()).code is RejectionCode.ACCOUNT_FROZEN
    assert len(decide(frozen, void()).events) == 1
    assert len(decide(world(holder(status=status), expires_at=NOW), expire()).events) == 1


def test_a_capture_does_not_pay_the_payer():
    outcome = decide(world(), capture(destination="alice"))
    assert (outcome.code, outcome.pointer) == (RejectionCode.SAME_ACCOUNT, "/to")


@pytest.mark.parametrize(
    ("payee", "code"),
    [
        (account("other"), RejectionCode.ACCOUNT_NOT_FOUND),
        (account("bob", currency="JPY"), RejectionCode.CURRENCY_MISMATCH),
        (account("bob", status=AccountStatus.CLOSED), RejectionCode.ACCOUNT_CLOSED),
        (account("bob", booked=AMOUNT_MAX), RejectionCode.BALANCE_LIMIT),
    ],
)
def test_a_capture_obeys_the_rules_of_a_transfer_on_the_other_side(payee, code):
    assert decide(world(payee=payee), capture()).code is code


def test_a_taken_transfer_id_is_refused_under_the_name_that_the_capture_gives_it():
    taken = states(holder(), account("bob"), holds={"hld_1": hold_state()}, transfers={"cap_1"})
    outcome = decide(taken, capture())
    assert (outcome.code, outcome.pointer) == (RejectionCode.TRANSFER_EXISTS, "/transfer_id")


@pytest.mark.parametrize("command", [capture, void])
def test_the_end_of_a_hold_believes_the_version_before_it(command):
    assert decide(world(), command(expected_versions={"alice": 4})).events
    stale = decide(world(), command(expected_versions={"alice": 5}))
    assert stale.code is RejectionCode.VERSION_CONFLICT


def test_the_end_of_a_hold_never_makes_more_available_than_can_be_counted():
    """What arrives counts as if no hold were open: nothing may stand in the way of its end."""
    rich = account(booked=AMOUNT_MAX - 10, held=100, open_holds=1)
    payer = account("bob", booked=500)
    world = states(rich, payer, holds={"hld_1": hold_state()})

    refused = decide(world, transfer("bob", "alice", 11))
    (voided,) = decide(world, void()).events

    assert refused.code is RejectionCode.BALANCE_LIMIT
    assert voided.available_after <= AMOUNT_MAX
