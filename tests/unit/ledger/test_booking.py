"""Booking attempts that share a transaction: order, replay, conflicts of keys, time."""

import json
from dataclasses import replace
from datetime import timedelta

from tests.builders import NOW, MemoryBank, attempt, open_account, transfer
from tests.commands import batch, reverse


def bank_with_accounts():
    bank = MemoryBank.empty()
    bank.book(
        [
            attempt(open_account("alice", overdraft_limit=1000), "o1"),
            attempt(open_account("bob"), "o2"),
        ]
    )
    return bank


def test_a_transfer_gets_a_receipt_with_the_state_after_it():
    (receipt,) = bank_with_accounts().book([attempt(transfer())]).receipts

    body = json.loads(receipt.body)

    assert (receipt.status, receipt.location) == (201, "/v1/transfers/trf_1")
    assert body["accounts"]["alice"] == {
        "version": 2, "booked": -100, "held": 0, "available": 900,
    }  # fmt: skip
    assert body["accounts"]["bob"]["booked"] == 100
    assert (body["from"], body["to"], body["status"]) == ("alice", "bob", "booked")


def test_a_later_attempt_sees_what_an_earlier_one_of_its_batch_did():
    batch = [
        attempt(transfer(amount=900, transfer_id="t1"), "1"),
        attempt(transfer(amount=900, transfer_id="t2"), "2"),
    ]
    booked = bank_with_accounts().book(batch)
    assert [r.status for r in booked.receipts] == [201, 409]
    assert len(booked.event_rows) == 2
    assert len(booked.receipt_rows) == 2


def test_a_retry_gets_the_same_bytes():
    bank = bank_with_accounts()
    (first,) = bank.book([attempt(transfer())]).receipts
    again = bank.book([attempt(transfer(), request_id="req_2")])
    assert again.receipts[0] == replace(first, replayed=True)
    assert (again.event_rows, again.receipt_rows) == ((), ())


def test_a_refusal_is_replayed_too():
    bank = bank_with_accounts()
    poor = attempt(transfer(amount=5000), "poor")
    (first,) = bank.book([poor]).receipts
    bank.book([attempt(transfer("bob", "alice", amount=1, transfer_id="x"), "other")])
    (again,) = bank.book([poor]).receipts
    assert (again.status, again.body, again.replayed) == (409, first.body, True)


def test_the_same_key_twice_in_a_batch_is_decided_once():
    booked = bank_with_accounts().book([attempt(transfer()), attempt(transfer())])
    first, second = booked.receipts
    assert (second.body, second.replayed) == (first.body, True)
    assert len(booked.event_rows) == 2


def test_a_key_with_another_meaning_is_refused_and_not_stored():
    bank = bank_with_accounts()
    bank.book([attempt(transfer())])
    booked = bank.book([attempt(transfer(amount=101))])
    assert booked.receipts[0].status == 422
    assert json.loads(booked.receipts[0].body)["code"] == "idempotency_key_reused"
    assert booked.receipt_rows == ()


def test_a_key_that_another_process_works_on_is_told_to_wait():
    bank = bank_with_accounts()
    bank.state = replace(bank.state, busy_keys=frozenset({("tester", "key-1")}))
    booked = bank.book([attempt(transfer())])
    assert (booked.receipts[0].status, booked.receipts[0].retry_after_s) == (409, 1)
    assert booked.event_rows == ()


def test_time_never_goes_back_for_an_account():
    bank = bank_with_accounts()
    bank.state = replace(bank.state, now=NOW - timedelta(hours=1))
    booked = bank.book([attempt(transfer())])
    assert {row.recorded_at for row in booked.event_rows} == {NOW}


def test_every_journal_entry_sums_to_zero():
    booked = bank_with_accounts().book([attempt(transfer())])
    assert sum(row.amount for row in booked.event_rows) == 0


def test_a_reversal_that_was_looked_up_before_its_entry_was_booked_finds_nothing():
    """Its neighbour books the entry in the same transaction; no position was drawn for it."""
    bank = bank_with_accounts()
    booked = bank.commit([attempt(transfer(), "t"), attempt(reverse(), "r")])
    assert [r.status for r in booked.receipts] == [201, 404]
    again = attempt(reverse(transfer_id="rev_2"), "r2", also=("alice", "bob"))
    assert bank.commit([again]).receipts[0].status == 201


def test_no_attempt_uses_more_positions_than_it_said():
    bank = bank_with_accounts()
    refused = attempt(transfer(amount=5000, transfer_id="t2"), "2")
    sent = batch(attempt(transfer(), "1"), refused, attempt(transfer(), "3"))
    atomic = replace(sent, is_atomic=True, idempotency_key="atomic")
    booked = bank.commit([atomic, sent, refused, attempt(transfer(), "4")])
    assert [r.status for r in booked.receipts] == [409, 200, 409, 409]
