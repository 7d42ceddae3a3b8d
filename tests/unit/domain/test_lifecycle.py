"""Opening accounts, and what every reader of history checks."""

from dataclasses import replace

import pytest

from chronos.domain.chart import CHART, AccountKind
from chronos.domain.decide import decide
from chronos.domain.evolve import evolve
from chronos.domain.invariants import violation
from chronos.domain.rejections import RejectionCode
from tests.builders import account, open_account, states, transfer


def test_a_customer_account_opens_with_no_money_and_no_overdraft():
    (opened,) = decide(states(), open_account()).events

    state = evolve(None, opened)

    assert (state.version, state.booked, state.held, state.overdraft_limit) == (1, 0, 0, 0)


def test_an_account_of_the_bank_opens_without_bound():
    command = open_account(kind=AccountKind.SETTLEMENT)
    (opened,) = decide(states(), command).events
    assert opened.overdraft_limit is None


def test_a_limit_binds_an_account_of_the_bank_too():
    command = open_account(kind=AccountKind.SUSPENSE, overdraft_limit=0)
    (opened,) = decide(states(), command).events
    assert opened.overdraft_limit == 0


def test_an_account_id_is_given_once():
    assert decide(states(account()), open_account()).code is RejectionCode.ACCOUNT_EXISTS


def test_an_external_id_is_given_once():
    world = states(external_ids={"crm-1": "bob"})
    outcome = decide(world, open_account(external_id="crm-1"))
    assert outcome.code is RejectionCode.EXTERNAL_ID_EXISTS


def test_every_kind_of_account_stands_in_the_chart():
    assert set(CHART) == set(AccountKind)


def test_an_event_that_fits_its_state_breaks_no_rule():
    alice, bob = account(booked=500), account("bob")
    withdrawn, deposited = decide(states(alice, bob), transfer()).events
    assert violation(alice, withdrawn) is None
    assert violation(bob, deposited) is None


@pytest.mark.parametrize(
    "change",
    [
        {"version": 3},
        {"version": 1},
        {"booked_after": 401},
        {"held_after": 1},
        {"available_after": 399},
        {"overdraft_limit_after": 5},
        {"amount": -99},
    ],
)
def test_an_event_that_does_not_fit_its_state_is_found(change):
    alice = account(booked=500)
    withdrawn, _ = decide(states(alice, account("bob")), transfer()).events
    assert violation(alice, replace(withdrawn, **change)) is not None


def test_a_debit_below_the_limit_is_found():
    before = account(booked=500)
    withdrawn, _ = decide(states(before, account("bob")), transfer()).events
    poor = account(booked=50)
    forged = replace(withdrawn, booked_after=-50, available_after=-50)
    assert "below zero" in violation(poor, forged)


def test_an_account_does_not_open_twice():
    (opened,) = decide(states(), open_account()).events
    assert violation(account(version=1), replace(opened, version=2)) is not None
