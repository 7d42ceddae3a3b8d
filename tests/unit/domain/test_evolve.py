"""The fold of every event, and what every reader of history checks of it."""

from dataclasses import replace
from typing import get_args

import pytest

from chronos.domain import events
from chronos.domain.account import AccountStatus, FreezeScope
from chronos.domain.decide import decide
from chronos.domain.evolve import evolve
from chronos.domain.invariants import violation
from chronos.domain.money import AMOUNT_MAX
from tests.builders import NOW, account, open_account, states, transfer
from tests.commands import (
    annotate,
    capture,
    close,
    expire,
    freeze,
    hold_state,
    place,
    set_limit,
    unfreeze,
    void,
)

BEFORE = account(booked=500, held=100, open_holds=1, overdraft_limit=50, version=4)
FROZEN = replace(BEFORE, status=AccountStatus.FROZEN_ALL)
EMPTY = account(version=4)
BOB = account("bob", booked=900)


def made(before, command, **hold):
    """The first event of a command on an account."""
    world = states(before, BOB, holds={"hld_1": hold_state(expires_at=NOW, **hold)})
    return decide(world, command).events[0]


HISTORY = {
    "MoneyWithdrawn": (BEFORE, made(BEFORE, transfer()), {"booked": 400}),
    "MoneyDeposited": (
        BEFORE,
        decide(states(BEFORE, BOB), transfer("bob", "alice")).events[1],
        {"booked": 600},
    ),
    "HoldPlaced": (
        BEFORE,
        made(BEFORE, place(hold_id="hld_2")),
        {"held": 200, "open_holds": 2},
    ),
    "HoldCaptured": (
        BEFORE,
        decide(states(BEFORE, BOB, holds={"hld_1": hold_state()}), capture()).events[0],
        {"held": 0, "open_holds": 0},
    ),
    "HoldVoided": (BEFORE, made(BEFORE, void()), {"held": 0, "open_holds": 0}),
    "HoldExpired": (BEFORE, made(BEFORE, expire()), {"held": 0, "open_holds": 0}),
    "OverdraftLimitSet": (
        BEFORE,
        made(BEFORE, set_limit(limit=7)),
        {"overdraft_limit": 7},
    ),
    "AccountFrozen": (
        BEFORE,
        made(BEFORE, freeze(scope=FreezeScope.DEBITS)),
        {"status": AccountStatus.FROZEN_DEBITS},
    ),
    "AccountUnfrozen": (FROZEN, made(FROZEN, unfreeze()), {"status": AccountStatus.OPEN}),
    "AccountClosed": (EMPTY, made(EMPTY, close()), {"status": AccountStatus.CLOSED}),
    "AccountAnnotated": (BEFORE, made(BEFORE, annotate()), {}),
}
each = pytest.mark.parametrize("kind", HISTORY)


def test_every_event_but_the_first_is_here():
    kinds = {kind.__name__ for kind in get_args(events.Event)}
    assert kinds == {*HISTORY, "AccountOpened"}
    assert all(type(event).__name__ == kind for kind, (_, event, _) in HISTORY.items())


@each
def test_an_event_changes_what_it_says_and_nothing_else(kind):
    before, event, changes = HISTORY[kind]
    assert evolve(before, event) == replace(before, version=5, **changes)


@each
def test_an_event_says_the_state_after_it(kind):
    before, event, _ = HISTORY[kind]
    after = evolve(before, event)

    assert (event.booked_after, event.held_after) == (after.booked, after.held)
    assert event.available_after == after.available
    assert (event.overdraft_limit_after, event.status_after) == (
        after.overdraft_limit,
        after.status,
    )
    assert violation(before, event) is None


@each
@pytest.mark.parametrize(
    "member", ["version", "booked_after", "held_after", "available_after", "status_after"]
)
def test_an_event_that_says_something_else_is_found(kind, member):
    before, event, _ = HISTORY[kind]
    said = getattr(event, member)
    forged = AccountStatus((said + 1) % 4) if member == "status_after" else said + 1
    assert violation(before, replace(event, **{member: forged})) is not None


@each
def test_an_event_before_the_account_was_opened_is_found(kind):
    assert violation(None, replace(HISTORY[kind][1], version=1)) is not None


@pytest.mark.parametrize("kind", ["HoldPlaced", "HoldCaptured", "HoldVoided", "HoldExpired"])
def test_a_wrong_number_of_open_holds_is_found(kind):
    before, event, _ = HISTORY[kind]
    forged = replace(event, open_holds_after=event.open_holds_after + 1)
    assert "open holds" in violation(before, forged)


@pytest.mark.parametrize("kind", ["HoldCaptured", "HoldVoided", "HoldExpired"])
def test_the_end_of_a_hold_that_was_never_placed_is_found(kind):
    _, event, _ = HISTORY[kind]
    nothing_held = replace(BEFORE, held=0, open_holds=0)
    forged = replace(event, held_after=-100, available_after=650, open_holds_after=-1)
    assert "held in -1 holds" in violation(nothing_held, forged)


def test_a_hold_of_more_than_is_available_is_found():
    _, event, _ = HISTORY["HoldPlaced"]
    poor = replace(BEFORE, booked=149)
    forged = replace(event, booked_after=149, available_after=-1)
    assert "below zero after HoldPlaced" in violation(poor, forged)


def test_a_limit_that_does_not_cover_the_debt_is_found():
    owing = replace(BEFORE, booked=60)
    (event,) = decide(states(owing), set_limit(limit=40)).events
    forged = replace(event, overdraft_limit_after=39, available_after=-1)
    assert "below zero after OverdraftLimitSet" in violation(owing, forged)


@pytest.mark.parametrize("kind", ["MoneyDeposited", "HoldVoided", "AccountAnnotated"])
def test_what_takes_nothing_may_leave_an_account_below_zero(kind):
    """So that an account can be led out of it; no event of ours leads there."""
    before, event, _ = HISTORY[kind]
    deep = replace(before, booked=-900)
    change = evolve(deep, event)
    honest = replace(event, booked_after=change.booked, available_after=change.available)
    assert violation(deep, honest) is None


def test_a_balance_that_cannot_be_counted_is_found():
    _, event, _ = HISTORY["MoneyDeposited"]
    full = replace(BEFORE, booked=AMOUNT_MAX)
    forged = replace(event, booked_after=AMOUNT_MAX + 100, available_after=full.available + 100)
    assert "beyond the greatest" in violation(full, forged)


def test_an_opening_folds_to_an_empty_account():
    (opened,) = decide(states(), open_account(overdraft_limit=70)).events
    state = evolve(None, opened)
    assert (state.open_holds, state.held, state.available) == (0, 0, 70)
    assert (state.status, state.opened_on) == (AccountStatus.OPEN, opened.value_date)
