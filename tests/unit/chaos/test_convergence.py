"""C7: the copies in the end, and what was shown of them on the way."""

import dataclasses

import msgspec
import pytest

from chronos.chaos.checkers.convergence import convergence
from chronos.chaos.history import Kind
from chronos.chaos.readers.facts import Amounts, Copies, Copy, Entries
from tests.unit.chaos.town import Town, answer_with, of_kind, small_town


@pytest.fixture
def town() -> Town:
    return small_town()


def found(town, *copies, entries=None):
    return convergence(
        town.journal(), town.history, copies or [town.copies()], entries or town.entries()
    )


def spoilt(copies: Copies, account: str, **changes) -> Copies:
    changed = msgspec.structs.replace(copies.accounts[account], **changes)
    return dataclasses.replace(copies, accounts=copies.accounts | {account: changed})


def test_equal_copies_pass(town):
    judged = found(town, town.copies("Redis"), town.copies("Elasticsearch"))

    assert (judged.violations, judged.looked_at) == ((), 7)


def test_a_view_that_shows_no_hash_is_compared_by_its_amounts(town):
    copies = town.copies("the view")
    bare = {n: Copy(amounts=c.amounts, source="table") for n, c in copies.accounts.items()}

    assert found(town, dataclasses.replace(copies, accounts=bare)).violations == ()


def test_a_view_that_stands_in_for_the_table_in_the_end_is_found(town):
    redis = spoilt(town.copies("the view"), "alice", source="redis")

    assert found(town, redis).violations == (
        "the view: alice (from redis) is not shown from the table, though everything is whole",
    )


def test_an_old_balance_in_one_copy_is_found(town):
    old = spoilt(town.copies(), "alice", amounts=Amounts(2, 50, 0, 50), source="table")

    (only,) = found(town, old).violations
    assert only == (
        "Redis: alice (from table) is at version 2: booked 50, held 0, available 50; the "
        "journal at version 9: booked 47, held 0, available 47"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hash": b"\1" * 32}, "Redis: alice has hash"),
        ({"event_id": b"\1" * 16}, "Redis: alice ends with event"),
    ],
)
def test_the_right_amounts_of_another_event_are_found(town, changes, words):
    (only,) = found(town, spoilt(town.copies(), "alice", **changes)).violations
    assert only.startswith(words)


def test_an_account_that_is_absent_or_too_many_is_found(town):
    copies = town.copies()
    copies.accounts["carol"] = copies.accounts.pop("bob")

    assert found(town, copies).violations == (
        "Redis: bob is absent",
        "Redis: carol is not in the journal",
    )


def test_what_could_not_be_read_of_a_copy_is_told(town):
    broken = dataclasses.replace(town.copies(), flaws=("the hash of alice cannot be read",))

    assert found(town, broken).violations == ("Redis: the hash of alice cannot be read",)


def test_a_history_index_that_lacks_an_event_is_found(town):
    ids = sorted(town.entries().event_ids)
    lacking = Entries(counted=14, event_ids=frozenset(ids[1:]))

    assert found(town, entries=lacking).violations == (
        "Elasticsearch counts 14 events, there are 15",
        "Elasticsearch has no entry of bank version 1",
    )


def test_a_history_index_with_an_event_too_many_is_found(town):
    more = Entries(counted=15, event_ids=town.entries().event_ids | {b"\7" * 16})

    (only,) = found(town, entries=more).violations
    assert only == f"Elasticsearch has an entry of event {'07' * 16}, which is not there"


def test_a_read_below_its_min_version_is_found(town):
    read = of_kind(town, Kind.PROJECTED)
    read.path = "/v1/accounts/alice/balance?min_version=10"

    (only,) = found(town).violations
    assert only.endswith("asked alice for version 10, was shown 9")


def test_a_balance_that_never_was_is_found(town):
    town.projected("bob", booked=4)

    (only,) = found(town).violations
    assert "bob is told at version 4: booked 4, held 0, available 13" in only
    assert only.endswith("(table)")


def test_a_version_that_never_was_is_found(town):
    town.projected("bob", version=5, source="redis")

    (only,) = found(town).violations
    assert only.endswith("bob is told at version 5, which the journal has not (redis)")


def test_a_client_never_sees_an_account_go_back(town):
    town.projected("alice", version=8, booked=42, available=42)
    first = {"version": 2, "booked": 50, "held": 0, "available": 50}
    town.projected("alice", process=2, **first)

    violations = found(town).violations
    assert [v for v in violations if "went back to version 8 of alice" in v]
    assert not [v for v in violations if "of client 2" in v]


def test_a_read_that_is_no_balance_is_found(town):
    answer_with(of_kind(town, Kind.PROJECTED), reply='{"account":"alice"}')

    (only,) = found(town).violations
    assert "cannot be read" in only
