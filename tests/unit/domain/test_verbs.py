"""What is done to one account: limit, freeze, unfreeze, close, annotate; decided on values."""

from datetime import timedelta

import pytest

from chronos.domain.account import AccountStatus, FreezeScope
from chronos.domain.chart import AccountKind
from chronos.domain.decide import decide
from chronos.domain.evolve import evolve
from chronos.domain.money import AMOUNT_MAX
from chronos.domain.rejections import RejectionCode
from tests.builders import TODAY, account, open_account, states
from tests.commands import annotate, close, freeze, set_limit, unfreeze

VERBS = [set_limit(), freeze(), unfreeze(), close(), annotate()]


def only(outcome):
    (event,) = outcome.events
    return event


def test_a_new_limit_changes_what_is_available_at_once():
    before = account(booked=-30, held=20, open_holds=1, overdraft_limit=50, version=8)

    event = only(decide(states(before), set_limit(limit=200, description="raised")))

    assert (event.version, event.overdraft_limit_after, event.available_after) == (9, 200, 150)
    assert (event.booked_after, event.held_after, event.description) == (-30, 20, "raised")
    assert evolve(before, event).available == 150


def test_a_limit_covers_what_is_owed_and_what_is_held():
    before = account(booked=-30, held=20, open_holds=1, overdraft_limit=80)
    assert only(decide(states(before), set_limit(limit=50))).available_after == 0
    outcome = decide(states(before), set_limit(limit=49))
    assert (outcome.code, outcome.pointer) == (
        RejectionCode.INSUFFICIENT_FUNDS,
        "/overdraft_limit",
    )


def test_without_a_number_the_limit_is_that_of_the_kind():
    customer = account(booked=5, overdraft_limit=50)
    bank = account(kind=AccountKind.SUSPENSE, booked=-5, overdraft_limit=50)
    assert only(decide(states(customer), set_limit(limit=None))).overdraft_limit_after == 0
    assert only(decide(states(bank), set_limit(limit=None))).overdraft_limit_after is None


def test_an_unbounded_account_in_debt_gets_no_limit_below_its_debt():
    bank = account(kind=AccountKind.SUSPENSE, booked=-500, overdraft_limit=None)
    assert decide(states(bank), set_limit(limit=499)).code is RejectionCode.INSUFFICIENT_FUNDS
    assert only(decide(states(bank), set_limit(limit=500))).available_after == 0


@pytest.mark.parametrize(("held", "open_holds"), [(0, 0), (7, 1)])
def test_a_limit_never_makes_more_available_than_can_be_counted(held, open_holds):
    """The held part comes back some day, and the end of a hold is not refused."""
    before = account(booked=10, held=held, open_holds=open_holds)
    assert only(decide(states(before), set_limit(limit=AMOUNT_MAX - 10)))
    outcome = decide(states(before), set_limit(limit=AMOUNT_MAX - 9))
    assert outcome.code is RejectionCode.BALANCE_LIMIT


def test_a_limit_is_not_taken_away_from_an_account_that_owes_more_than_can_be_counted():
    bank = account(
        kind=AccountKind.SUSPENSE, booked=-AMOUNT_MAX, held=1, overdraft_limit=AMOUNT_MAX
    )
    outcome = decide(states(bank), set_limit(limit=None))
    assert outcome.code is RejectionCode.BALANCE_LIMIT


@pytest.mark.parametrize("scope", FreezeScope)
def test_a_frozen_account_says_for_what_it_is_frozen(scope):
    event = only(decide(states(account()), freeze(scope=scope)))
    assert (event.scope, event.status_after) == (scope, scope.status)
    assert evolve(account(), event).status is scope.status


@pytest.mark.parametrize("scope", FreezeScope)
def test_a_frozen_account_can_be_frozen_otherwise_and_not_once_more(scope):
    frozen = states(account(status=scope.status))
    other = next(s for s in FreezeScope if s is not scope)
    assert decide(frozen, freeze(scope=scope)).code is RejectionCode.ACCOUNT_FROZEN
    assert only(decide(frozen, freeze(scope=other))).status_after is other.status


def test_only_a_frozen_account_is_unfrozen():
    assert decide(states(account()), unfreeze()).code is RejectionCode.ACCOUNT_NOT_FROZEN
    for scope in FreezeScope:
        event = only(decide(states(account(status=scope.status)), unfreeze()))
        assert event.status_after is AccountStatus.OPEN


def test_an_account_closes_only_when_it_is_empty_and_nothing_is_held():
    assert only(decide(states(account()), close())).status_after is AccountStatus.CLOSED
    owing = account(booked=-1, overdraft_limit=5)
    assert decide(states(owing), close()).code is RejectionCode.BALANCE_NOT_ZERO
    assert decide(states(account(booked=1)), close()).code is RejectionCode.BALANCE_NOT_ZERO
    held = account(held=5, open_holds=1, overdraft_limit=5)
    assert decide(states(held), close()).code is RejectionCode.HOLDS_OPEN


def test_a_frozen_account_can_be_closed_annotated_and_given_a_limit():
    frozen = states(account(status=AccountStatus.FROZEN_ALL))
    for command in (close(), annotate(), set_limit(limit=5)):
        assert len(decide(frozen, command).events) == 1


def test_metadata_is_replaced_as_a_whole():
    event = only(decide(states(account(booked=5)), annotate(metadata={"b": "2"})))
    assert (event.metadata, event.booked_after, event.available_after) == ({"b": "2"}, 5, 5)


@pytest.mark.parametrize("command", VERBS)
def test_nothing_happens_to_a_closed_account_any_more(command):
    outcome = decide(states(account(status=AccountStatus.CLOSED)), command)
    assert outcome.code is RejectionCode.ACCOUNT_CLOSED


@pytest.mark.parametrize("command", VERBS)
def test_an_account_that_the_path_names_must_be_there(command):
    outcome = decide(states(), command)
    assert (outcome.code, outcome.in_path) == (RejectionCode.ACCOUNT_NOT_FOUND, True)


@pytest.mark.parametrize(
    "verb", [set_limit, freeze, close, annotate], ids=lambda verb: verb.__name__
)
def test_a_verb_believes_the_version_of_its_account(verb):
    world = states(account(version=7))
    assert len(decide(world, verb(expected_version=7)).events) == 1
    outcome = decide(world, verb(expected_version=6))
    assert (outcome.code, outcome.pointer) == (RejectionCode.VERSION_CONFLICT, None)


@pytest.mark.parametrize("days", [0, 1, 3653])
def test_an_account_may_count_as_open_for_ten_years_already(days):
    day = TODAY - timedelta(days=days)
    event = only(decide(states(), open_account(opened_on=day)))
    assert event.value_date == day
    assert evolve(None, event).opened_on == day


@pytest.mark.parametrize("days", [-1, 3654])
def test_an_account_opens_neither_tomorrow_nor_before_those_ten_years(days):
    outcome = decide(states(), open_account(opened_on=TODAY - timedelta(days=days)))
    assert (outcome.code, outcome.pointer) == (RejectionCode.DATE_INVALID, "/opened_on")
