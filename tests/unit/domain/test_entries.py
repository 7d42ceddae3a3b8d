"""Journal entries of many postings, and their reversals, decided on values."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chronos.domain.account import AccountStatus
from chronos.domain.decide import decide
from chronos.domain.rejections import RejectionCode
from tests.builders import TODAY, account, states
from tests.commands import entries, journal_entry, reverse

DAY = timedelta(days=1)


def three(**alice):
    return states(account(**{"booked": 500, **alice}), account("bob"), account("carol"))


def moved(**changes):
    """A transfer of 100 from alice to bob was booked; bob has the money."""
    entry = journal_entry(("alice", -100), ("bob", 100))
    world = {"entries": {"trf_1": entry}, **changes}
    return states(account("alice", version=3), account("bob", booked=100, version=2), **world)


def test_an_entry_books_each_posting_in_its_order():
    command = entries(("alice", -120), ("bob", 70), ("carol", 50), metadata={"run": "7"})

    events = decide(three(), command).events

    assert [(e.account_id, e.amount, e.leg, e.legs) for e in events] == [
        ("alice", -120, 0, 3),
        ("bob", 70, 1, 3),
        ("carol", 50, 2, 3),
    ]
    assert {e.counterparty for e in events} == {None}
    assert {e.transfer_id for e in events} == {"ent_1"}
    assert {e.metadata["run"] for e in events} == {"7"}


def test_the_two_sides_of_an_entry_of_two_postings_name_each_other():
    deposited, withdrawn = decide(three(), entries(("bob", 9), ("alice", -9))).events
    assert (deposited.counterparty, withdrawn.counterparty) == ("alice", "bob")


@pytest.mark.parametrize("excess", [-1, 1])
def test_postings_that_do_not_sum_to_zero_are_refused(excess):
    outcome = decide(three(), entries(("alice", -100), ("bob", 100 + excess)))
    assert (outcome.code, outcome.pointer) == (RejectionCode.UNBALANCED, "/postings")
    assert f"sum to {excess} minor" in outcome.detail


def test_an_account_is_named_once_even_when_its_postings_cancel_out():
    outcome = decide(three(), entries(("bob", 5), ("alice", -5), ("bob", -5), ("carol", 5)))
    assert (outcome.code, outcome.pointer) == (
        RejectionCode.SAME_ACCOUNT,
        "/postings/2/account",
    )


def test_a_posting_that_cannot_be_booked_is_named():
    unknown = decide(three(), entries(("alice", -5), ("nobody", 5)))
    assert (unknown.code, unknown.pointer) == (
        RejectionCode.ACCOUNT_NOT_FOUND,
        "/postings/1/account",
    )
    poor = decide(three(), entries(("carol", 6), ("bob", -1), ("alice", -5)))
    assert (poor.code, poor.pointer) == (RejectionCode.INSUFFICIENT_FUNDS, "/postings/1/amount")


def test_each_payer_of_an_entry_must_have_its_share():
    world = states(account(booked=10), account("bob", booked=9), account("carol"))
    outcome = decide(world, entries(("alice", -10), ("bob", -10), ("carol", 20)))
    assert outcome.code is RejectionCode.INSUFFICIENT_FUNDS


def test_a_payment_frozen_account_still_receives_its_posting():
    world = states(account(booked=9), account("bob", status=AccountStatus.FROZEN_DEBITS))
    assert decide(world, entries(("alice", -9), ("bob", 9))).events
    outcome = decide(world, entries(("alice", 9), ("bob", -9)))
    assert outcome.code is RejectionCode.ACCOUNT_FROZEN


def test_an_entry_may_be_dated_back_to_the_day_on_which_its_last_account_was_opened():
    world = states(
        account(booked=9, opened_on=TODAY - 9 * DAY), account("bob", opened_on=TODAY - 4 * DAY)
    )
    at = entries(("alice", -9), ("bob", 9), value_date=TODAY - 4 * DAY)
    before = entries(("alice", -9), ("bob", 9), value_date=TODAY - 5 * DAY)

    assert {e.value_date for e in decide(world, at).events} == {TODAY - 4 * DAY}
    assert decide(world, before).code is RejectionCode.DATE_INVALID


@pytest.mark.parametrize(("days", "is_granted"), [(366, True), (367, False)])
def test_an_entry_may_be_dated_a_year_ahead(days, is_granted):
    dated = entries(("alice", -9), ("bob", 9), value_date=TODAY + days * DAY)
    assert hasattr(decide(three(), dated), "events") is is_granted


@pytest.mark.parametrize(("days", "is_granted"), [(3653, True), (3654, False)])
def test_an_entry_may_be_dated_ten_years_back(days, is_granted):
    old = TODAY - 9999 * DAY
    world = states(account(booked=9, opened_on=old), account("bob", opened_on=old))
    dated = entries(("alice", -9), ("bob", 9), value_date=TODAY - days * DAY)
    assert hasattr(decide(world, dated), "events") is is_granted


def test_expected_versions_of_a_stranger_are_refused():
    world = states(account(booked=9), account("bob"), account("carol"))
    command = entries(("alice", -9), ("bob", 9), expected_versions={"carol": 1})
    assert decide(world, command).code is RejectionCode.VERSION_CONFLICT


def test_a_reversal_books_the_entry_with_its_sides_swapped():
    first, second = decide(moved(), reverse(description="wrong payee")).events

    assert (first.account_id, first.amount, first.counterparty) == ("alice", 100, "bob")
    assert (second.account_id, second.amount, second.counterparty) == ("bob", -100, "alice")
    assert {e.reverses_transfer_id for e in (first, second)} == {"trf_1"}
    assert {e.transfer_id for e in (first, second)} == {"rev_1"}
    assert first.value_date == TODAY


def test_a_reversal_of_an_exchange_goes_back_in_each_currency():
    euros = journal_entry(("alice", -9), ("pos-e", 9)).postings
    yen = journal_entry(("pos-j", -80), ("yuki", 80), currency="JPY").postings
    world = states(
        account(),
        account("pos-e", booked=9),
        account("pos-j", currency="JPY"),
        account("yuki", currency="JPY", booked=80),
        entries={"trf_1": replace(journal_entry(), postings=euros + yen)},
    )

    events = decide(world, reverse()).events

    assert [(e.account_id, e.amount, e.currency) for e in events] == [
        ("alice", 9, "EUR"),
        ("pos-e", -9, "EUR"),
        ("pos-j", 80, "JPY"),
        ("yuki", -80, "JPY"),
    ]


def test_an_entry_is_reversed_once():
    again = {"trf_1": journal_entry(("alice", -1), ("bob", 1), reversed_by="rev_0")}
    outcome = decide(moved(entries=again), reverse())
    assert outcome.code is RejectionCode.ALREADY_REVERSED
    assert "rev_0" in outcome.detail


def test_a_reversal_is_not_reversed():
    itself = {"trf_1": journal_entry(("alice", 1), ("bob", -1), reverses="trf_0")}
    assert decide(moved(entries=itself), reverse()).code is RejectionCode.NOT_REVERSIBLE


def test_an_unknown_entry_is_not_reversed():
    outcome = decide(moved(), reverse("nothing"))
    assert (outcome.code, outcome.in_path) == (RejectionCode.TRANSFER_NOT_FOUND, True)


def test_an_entry_whose_accounts_were_not_locked_counts_as_newer_than_the_command():
    world = states(account(), entries=moved().entries)
    assert decide(world, reverse()).code is RejectionCode.TRANSFER_NOT_FOUND


@pytest.mark.parametrize(
    ("bob", "code"),
    [
        ({"booked": 99}, RejectionCode.INSUFFICIENT_FUNDS),
        ({"booked": 100, "held": 1}, RejectionCode.INSUFFICIENT_FUNDS),
        ({"status": AccountStatus.CLOSED}, RejectionCode.ACCOUNT_CLOSED),
        ({"status": AccountStatus.FROZEN_DEBITS}, RejectionCode.ACCOUNT_FROZEN),
    ],
)
def test_a_reversal_obeys_funds_freeze_and_close(bob, code):
    world = states(account(), account("bob", **bob), entries=moved().entries)
    assert decide(world, reverse()).code is code


def test_a_payee_below_zero_can_be_made_to_pay_back_from_its_overdraft():
    bob = account("bob", booked=-50, overdraft_limit=150)
    world = states(account(), bob, entries=moved().entries)
    assert decide(world, reverse()).events[1].available_after == 0


def test_the_id_of_a_reversal_is_refused_under_the_name_that_its_request_has():
    outcome = decide(moved(transfers={"rev_1"}), reverse())
    assert (outcome.code, outcome.pointer) == (RejectionCode.TRANSFER_EXISTS, "/transfer_id")
