"""The proof of the journal: clean on what the core books, and wrong on every planted change."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chronos.audit.proof import JournalProof
from chronos.wire.booking import EventRow
from chronos.wire.codec import decode_event, encode_event, event_hash
from tests import builders


def rows() -> list[EventRow]:
    bank = builders.MemoryBank.empty()
    commands = [
        builders.open_account("alice", overdraft_limit=50),
        builders.open_account("bob"),
        builders.transfer("alice", "bob", 40),
        builders.transfer("bob", "alice", 15, transfer_id="trf_2"),
        builders.transfer("alice", "bob", 5, transfer_id="trf_3"),
    ]
    booked = bank.book([builders.attempt(c, f"k{n}") for n, c in enumerate(commands)])
    assert {receipt.status for receipt in booked.receipts} == {201}
    return sorted(booked.event_rows, key=lambda row: (row.account_id, row.version))


def checks(some: list[EventRow]) -> list[str]:
    proof = JournalProof()
    return [finding.check for row in some for finding in proof.take(row)]


def rehashed(some: list[EventRow], account_id: str) -> list[EventRow]:
    """Makes the chain of an account true again after its rows were changed."""
    previous, fixed = None, []
    for row in some:
        if row.account_id == account_id:
            previous = event_hash(previous, row.body)
            row = row._replace(hash=previous)  # noqa: PLW2901 - the changed row takes its place
        fixed.append(row)
    return fixed


def with_event(row: EventRow, **changes: object) -> EventRow:
    recorded = decode_event(row.body)
    event = replace(recorded.event, **changes)  # type: ignore[arg-type]  # the test names fields
    return row._replace(body=encode_event(recorded._replace(event=event)))


def test_what_the_core_books_is_proved_clean_and_sums_to_zero():
    proof = JournalProof()

    findings = [finding for row in rows() for finding in proof.take(row)]

    assert findings == []
    assert proof.accounts == 2
    assert dict(proof.totals) == {"EUR": 0}


def test_one_flipped_byte_in_a_body_is_one_broken_link_at_that_version():
    some = rows()
    body = bytearray(some[1].body)
    at = body.index(b"tester")
    body[at] ^= 1
    some[1] = some[1]._replace(body=bytes(body))

    proof = JournalProof()
    found = [finding for row in some for finding in proof.take(row)]

    assert [
        (f.account_id, f.version, f.position) for f in found if f.check == "hash_chain"
    ] == [("alice", 2, some[1].position)]


def test_a_missing_version_is_found():
    some = rows()
    del some[2]

    assert "gapless" in checks(some)


def test_a_history_that_does_not_begin_with_its_first_event_is_found():
    assert "gapless" in checks(rows()[1:])


def test_a_changed_amount_is_found_even_when_the_chain_was_made_anew():
    some = rows()
    some[1] = with_event(some[1], amount=-41)._replace(amount=-41)

    assert "fold" in checks(rehashed(some, "alice"))


def test_an_overdraft_is_found_even_when_all_sums_agree():
    bank = builders.MemoryBank.empty()
    opened = bank.book(
        [
            builders.attempt(builders.open_account("alice", overdraft_limit=50), "k1"),
            builders.attempt(builders.open_account("bob"), "k2"),
            builders.attempt(builders.transfer("alice", "bob", 50), "k3"),
        ]
    ).event_rows
    some = [row for row in opened if row.account_id == "alice"]
    some[0] = with_event(some[0], overdraft_limit=49)._replace(overdraft_limit_after=49)
    some[1] = with_event(some[1], overdraft_limit_after=49, available_after=-1)._replace(
        overdraft_limit_after=49
    )

    assert checks(rehashed(some, "alice")) == ["fold"]


@pytest.mark.parametrize(
    "change",
    [
        {"amount": -39},
        {"booked_after": -39},
        {"transfer_id": "trf_other"},
        {"leg": 1},
        {"principal": "mallory"},
        {"event_id": "00000000-0000-7000-8000-ffffffffffff"},
        {"type": "MoneyDeposited"},
        {"currency": "USD"},
        {"status_after": 1},
        {"overdraft_limit_after": 51},
        {"held_after": 1},
    ],
)
def test_a_column_that_says_other_than_the_body_is_found(change):
    some = rows()
    some[1] = some[1]._replace(**change)

    assert "columns" in checks(some)


def test_time_that_goes_back_is_found():
    some = rows()
    some[1] = some[1]._replace(recorded_at=some[0].recorded_at - timedelta(seconds=1))

    assert "order" in checks(some)


def test_a_position_that_does_not_grow_is_found():
    some = rows()
    some[1] = some[1]._replace(position=some[0].position)

    assert "order" in checks(some)


def test_a_body_that_is_no_event_is_found_and_the_rest_is_still_judged():
    some = rows()
    some[1] = some[1]._replace(body=b"\x00")

    assert sorted(set(checks(some))) == ["body", "hash_chain"]
    assert len(checks(some)) == 2
