"""The checkers' own fold finds what a row, its body and its predecessors disagree about."""

import json
import uuid

import pytest

from chronos.chaos.readers.facts import Journal
from chronos.chaos.readers.fold import FLAWS_MAX, Folder
from tests.unit.chaos.town import row, small_town


@pytest.fixture
def rows():
    found = small_town().rows
    return [row(one) for one in sorted(found, key=lambda one: (one.account_id, one.version))]


def folded(rows) -> Journal:
    journal = Journal()
    folder = Folder(journal)
    for one in rows:
        folder.take(one)
    return journal


def find(rows, kind):
    return next(one for one in rows if one["type"] == kind)


def rewritten(one, **changes):
    """The row with another body, its columns as they were."""
    body = json.dumps(json.loads(one["body"]) | changes, separators=(",", ":"), sort_keys=True)
    one["body"] = body.encode()


def test_a_true_journal_has_no_flaws_and_the_sums_of_its_events(rows):
    journal = folded(rows)

    assert journal.flaws == []
    assert journal.events_count == len(rows) == 15
    last = {name: events[-1] for name, events in journal.accounts.items()}
    assert {n: (e.booked, e.held, e.available) for n, e in last.items()} == {
        "alice": (52 - 5 + 5 - 5, 0, 47),
        "bank": (-50, 0, -50),
        "bob": (3, 0, 13),
    }


def test_the_hash_is_reckoned_from_the_bodies_alone(rows):
    rewritten(find(rows, "MoneyDeposited"), description="not what it was")

    journal = folded(rows)

    assert journal.flaws_count >= 1
    assert all("hash does not continue" in flaw for flaw in journal.flaws)


def test_a_column_that_contradicts_the_body_is_a_flaw(rows):
    find(rows, "MoneyDeposited")["amount"] = 51

    assert folded(rows).flaws == [
        "alice version 2 (MoneyDeposited): amount is 51, in the body 50"
    ]


def test_an_id_that_contradicts_the_body_is_a_flaw(rows):
    find(rows, "MoneyDeposited")["event_id"] = uuid.UUID(int=7)

    (only,) = folded(rows).flaws
    assert "event_id is 00000000-0000-0000-0000-000000000007, in the body" in only


def test_a_hold_that_is_placed_twice_or_of_nothing_is_a_flaw(rows):
    once, again = [one for one in rows if one["type"] == "HoldPlaced"]
    rewritten(again, hold_id="h1")
    again["hold_id"] = "h1"
    rewritten(once, hold_amount=0)

    found = folded(rows).flaws
    assert any("places hold h1 of 2, open or not positive" in flaw for flaw in found)
    assert any("places hold h1 of 0, open or not positive" in flaw for flaw in found)


@pytest.mark.parametrize("member", ["booked_after", "held_after", "available_after"])
def test_a_sum_that_does_not_follow_is_a_flaw(rows, member):
    one = find(rows, "MoneyDeposited")
    rewritten(one, **{member: 1})

    assert any("by its events" in flaw for flaw in folded(rows).flaws)


def test_a_body_with_a_float_cannot_be_read(rows):
    rewritten(find(rows, "MoneyDeposited"), amount=50.0)

    assert any("its body cannot be read" in flaw for flaw in folded(rows).flaws)


def test_an_event_of_another_kind_than_its_sign_is_a_flaw(rows):
    one = find(rows, "MoneyDeposited")
    rewritten(one, amount=-50)

    assert any("moves -50" in flaw for flaw in folded(rows).flaws)


def test_a_hold_that_ends_without_being_open_is_a_flaw(rows):
    one = find(rows, "HoldVoided")
    rewritten(one, hold_id="h1")
    one["hold_id"] = "h1"

    assert any("ends hold h1, which is not open" in flaw for flaw in folded(rows).flaws)


def test_a_capture_of_more_than_the_hold_is_a_flaw(rows):
    rewritten(find(rows, "HoldCaptured"), captured_amount=5)

    assert any("captures 5 of a hold of 4" in flaw for flaw in folded(rows).flaws)


def test_a_hold_that_expires_without_a_time_is_a_flaw(rows):
    one = find(rows, "HoldVoided")
    rewritten(one, type="HoldExpired")
    one["type"] = "HoldExpired"

    assert any("expires hold h2, which ends at None" in flaw for flaw in folded(rows).flaws)


def test_time_that_goes_back_for_an_account_is_a_flaw(rows):
    rewritten(rows[1], recorded_at="2020-01-01T00:00:00.000000Z")

    assert any("recorded_at goes back" in flaw for flaw in folded(rows).flaws)


def test_an_unknown_type_is_a_flaw(rows):
    one = find(rows, "HoldVoided")
    rewritten(one, type="HoldForgotten")
    one["type"] = "HoldForgotten"

    assert any("is no type of event" in flaw for flaw in folded(rows).flaws)


def test_of_many_flaws_all_are_counted_and_the_first_are_kept(rows):
    for one in rows:
        one["hash"] = b"\0" * 32
    many = [dict(one) for _ in range(30) for one in rows]

    journal = folded(many)

    assert journal.flaws_count >= len(many)
    assert len(journal.flaws) == FLAWS_MAX
