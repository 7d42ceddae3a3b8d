"""Refusals as records of their topic: which, where, in which order, and from what."""

import json

import pytest

from chronos.wire.headers import decode_headers
from chronos.wire.rejection import rejection_record
from chronos.wire.topics import partition_of, shard_of
from tests.builders import (
    TRACEPARENT,
    MemoryBank,
    attempt,
    bookkeeper,
    found,
    open_account,
    transfer,
)
from tests.commands import batch, capture, close, freeze, place, reverse, void


@pytest.fixture
def bank():
    bank = MemoryBank.empty()
    bank.book(
        [
            attempt(open_account("alice", overdraft_limit=100), "o1"),
            attempt(open_account("bob"), "o2"),
        ]
    )
    return bank


def records(booked):
    return [row for row in booked.outbox_rows if row.topic == "chronos.rejections.v1"]


def test_a_refusal_is_published_under_the_account_that_was_to_pay(bank):
    booked = bank.book([attempt(transfer(amount=101), "poor")])

    (row,) = records(booked)
    (receipt,) = booked.receipt_rows
    said = json.loads(row.value)
    assert said == {
        "type": "CommandRejected",
        "schema_version": 1,
        "rejection_id": f"rejection-{receipt.position}",
        "account_id": "alice",
        "command": "TransferFunds",
        "code": "insufficient_funds",
        "detail": json.loads(receipt.body)["detail"],
        "status": 409,
        "errors": json.loads(receipt.body)["errors"],
        "principal": "tester",
        "idempotency_key": "poor",
        "correlation_id": "req_1",
        "position": receipt.position,
        "recorded_at": "2026-03-02T12:00:00.124456Z",
    }


def test_its_headers_say_what_it_is_and_which_request_led_to_it(bank):
    (row,) = records(bank.book([attempt(transfer(amount=101), "poor")]))
    headers = dict(decode_headers(row.headers))
    assert headers["ce_type"] == b"CommandRejected"
    assert headers["ce_id"] == json.loads(row.value)["rejection_id"].encode()
    assert headers["ce_subject"] == b"alice"
    assert headers["traceparent"] == TRACEPARENT.encode()
    assert "ce_version" not in headers


def test_the_record_can_be_made_again_from_the_receipt_alone(bank):
    booked = bank.book([attempt(transfer(amount=101), "poor"), attempt(close("bob"), "c")])
    refused = [row for row in booked.receipt_rows if row.status >= 400]

    for receipt, row in zip(refused, records(booked), strict=True):
        headers, value = rejection_record(receipt, receipt.account_id)
        assert value == row.value
        traceparent = ("traceparent", TRACEPARENT.encode())
        assert [*headers, traceparent] == decode_headers(row.headers)


def test_it_goes_where_the_events_of_its_account_go():
    bank = MemoryBank(keeper=bookkeeper(partitions=64, shards=4), state=found())
    names = [f"acc-{number}" for number in range(20)]
    bank.book([attempt(open_account(name), name) for name in names])
    booked = bank.book([attempt(transfer(name, "acc-0", 5), f"k{name}") for name in names[1:]])

    assert len(records(booked)) == 19
    for row in records(booked):
        partition = partition_of(row.key, 64)
        assert (row.partition, row.shard) == (partition, shard_of(partition, 4))


def test_it_has_its_place_among_the_events_of_its_account(bank):
    booked = bank.book(
        [
            attempt(transfer(amount=60, transfer_id="t1"), "1"),
            attempt(transfer(amount=60, transfer_id="t2"), "2"),
            attempt(transfer(amount=40, transfer_id="t3"), "3"),
            attempt(transfer(amount=40, transfer_id="t4"), "4"),
        ]
    )
    alice = [row for row in booked.outbox_rows if row.key == b"alice"]
    assert [row.topic.split(".")[1] for row in alice] == [
        "events",
        "rejections",
        "events",
        "rejections",
    ]
    positions = [row.position for row in booked.outbox_rows]
    assert positions == sorted(set(positions))


@pytest.mark.parametrize(
    "command",
    [transfer("nobody", "alice"), close("nobody"), place("nobody"), void(), reverse("nothing")],
    ids=lambda command: type(command).__name__,
)
def test_a_refusal_about_no_account_of_the_bank_is_kept_and_not_published(bank, command):
    booked = bank.book([attempt(command, "k")])
    assert [row.idempotency_key for row in booked.receipt_rows] == ["k"]
    assert booked.outbox_rows == ()


def test_a_refusal_to_open_is_published_only_when_the_account_is_there(bank):
    bank.book([attempt(open_account("carol", external_id="crm"), "c")])
    again = bank.book([attempt(open_account("carol"), "c2")])
    other = bank.book([attempt(open_account("dave", external_id="crm"), "d")])
    assert [row.key for row in records(again)] == [b"carol"]
    assert records(other) == []


def test_the_refused_end_of_a_hold_is_published_under_the_account_of_the_hold(bank):
    bank.book([attempt(place(amount=50), "p")])
    refused = attempt(capture(amount=51), "c", also=("alice",))
    assert [row.key for row in records(bank.book([refused]))] == [b"alice"]


def test_the_refused_reversal_is_published_under_the_first_account_of_the_entry(bank):
    bank.book([attempt(transfer(), "t"), attempt(freeze("bob"), "f")])
    refused = attempt(reverse(), "r", also=("alice", "bob"))
    assert [row.key for row in records(bank.book([refused]))] == [b"alice"]


def test_a_replayed_refusal_is_not_published_again(bank):
    poor = attempt(transfer(amount=101), "poor")
    bank.book([poor])
    assert bank.book([poor]).outbox_rows == ()


def test_what_is_not_kept_is_not_published(bank):
    bank.book([attempt(transfer(amount=1), "k")])
    booked = bank.book([attempt(transfer(amount=2), "k")])
    assert booked.receipts[0].status == 422
    assert (booked.receipt_rows, booked.outbox_rows) == ((), ())


def test_a_refused_item_is_published_as_itself_unless_its_batch_was_undone(bank):
    poor = attempt(transfer(amount=101), "b 0", has_own_key=False)
    each = bank.book([batch(poor, key="b")])
    undone = bank.book([batch(poor, key="b2", is_atomic=True)])

    assert [json.loads(r.value)["command"] for r in records(each)] == ["TransferFunds"]
    assert [json.loads(r.value)["command"] for r in records(undone)] == ["Batch"]
    assert json.loads(records(undone)[0].value)["code"] == "batch_rejected"
