"""Batches: many attempts under one key, in turn, all or each for itself."""

import json
from dataclasses import replace

import pytest

from chronos.domain.chart import AccountKind
from chronos.wire.booking import Attempt
from chronos.wire.codec import event_hash
from chronos.wire.receipt import Receipt
from tests.builders import MemoryBank, attempt, open_account, transfer
from tests.commands import (
    batch,
    capture,
    close,
    exchange,
    place,
    reverse,
    void,
)


@pytest.fixture
def bank():
    bank = MemoryBank.empty()
    bank.book(
        [
            attempt(open_account("alice", overdraft_limit=1000), "o1"),
            attempt(open_account("bob"), "o2"),
        ]
    )
    return bank


def item(command, key=None, number=0, of="batch-1") -> Attempt:
    """An item as the doors make it: without a key of its own its name has a space."""
    return attempt(command, key or f"{of} {number}", has_own_key=key is not None)


def moves(*amounts, **changes):
    """Transfers from alice to bob, as items without keys."""
    return [
        item(transfer(amount=amount, transfer_id=f"t{n}", **changes), number=n)
        for n, amount in enumerate(amounts)
    ]


def results(receipt: Receipt):
    return json.loads(receipt.body)["results"]


def codes(receipt: Receipt):
    return [result["body"].get("code") for result in results(receipt)]


def balances(bank):
    return {name: head.state.booked for name, head in bank.state.heads.items()}


def test_each_item_is_decided_on_what_the_ones_before_it_left(bank):
    (receipt,) = bank.book([batch(*moves(600, 600, 400))]).receipts

    assert (receipt.status, receipt.location) == (200, None)
    assert [result["status"] for result in results(receipt)] == [201, 409, 201]
    assert codes(receipt) == [None, "insufficient_funds", None]
    assert balances(bank) == {"alice": -1000, "bob": 1000}


def test_the_receipt_of_a_batch_has_that_of_each_item_and_the_state_after_all(bank):
    booked = bank.book([batch(*moves(1, 2))])

    document = json.loads(booked.receipts[0].body)

    first, second = document["results"]
    assert (first["location"], first["replayed"]) == ("/v1/transfers/t0", False)
    assert second["body"]["accounts"]["bob"]["booked"] == 3
    assert document["accounts"]["bob"] == {
        "version": 3, "booked": 3, "held": 0, "available": 3,
    }  # fmt: skip
    assert (document["atomic"], document["position"]) == (False, booked.event_rows[-1].position)


def test_an_atomic_batch_is_granted_as_a_whole(bank):
    (receipt,) = bank.book([batch(*moves(600, 400), is_atomic=True)]).receipts
    assert (receipt.status, json.loads(receipt.body)["atomic"]) == (200, True)
    assert balances(bank) == {"alice": -1000, "bob": 1000}


def test_an_atomic_batch_with_a_refusal_leaves_its_receipt_and_the_record_of_it(bank):
    booked = bank.book([batch(*moves(600, 600, 1), is_atomic=True)])

    (receipt,) = booked.receipts
    (row,) = booked.receipt_rows
    (record,) = booked.outbox_rows
    document = json.loads(receipt.body)
    assert (receipt.status, document["code"], document["index"]) == (409, "batch_rejected", 1)
    assert document["refusal"]["code"] == "insufficient_funds"
    assert document["errors"][0]["pointer"] == "/commands/1"
    assert (row.idempotency_key, row.command, row.body) == ("batch-1", "Batch", receipt.body)
    assert (row.account_id, record.key, record.topic) == (
        "alice",
        b"alice",
        "chronos.rejections.v1",
    )
    assert (booked.event_rows, booked.account_rows) == ((), ())
    assert balances(bank) == {"alice": 0, "bob": 0}


def test_after_an_undone_batch_the_next_attempt_finds_the_world_as_it_was(bank):
    """In the same transaction: ids are free again, holds were never placed, chains go on."""
    undone = batch(
        item(open_account("carol", external_id="crm-1"), "carol"),
        item(place(amount=10), number=1),
        item(transfer(amount=1), number=2),
        item(reverse("trf_1", transfer_id="rev_0"), number=3),
        item(transfer("bob", "alice", 9_999, transfer_id="t9"), number=4),
        is_atomic=True,
    )
    after = [
        attempt(void(), "v", also=("alice",)),
        attempt(reverse("trf_1"), "r", also=("alice", "bob")),
        attempt(transfer(amount=7), "t"),
        attempt(place(amount=20), "p"),
        attempt(open_account("carol", external_id="crm-1"), "carol"),
    ]
    heads = dict(bank.state.heads)

    booked = bank.book([undone, *after])

    receipts = booked.receipts
    for row in booked.event_rows[:2]:
        assert row.hash == event_hash(heads[row.account_id].hash, row.body)
    assert [r.status for r in receipts] == [409, 404, 404, 201, 201, 201]
    assert not any(r.replayed for r in receipts)
    assert balances(bank) == {"alice": -7, "bob": 7, "carol": 0}
    assert [bank.state.heads[name].state.version for name in ("alice", "bob")] == [3, 2]
    assert bank.state.heads["alice"].state.held == 20


def test_the_positions_that_an_undone_batch_drew_are_gaps(bank):
    first = bank.state.positions[0]
    booked = bank.book(
        [batch(*moves(1, 1, 9999), is_atomic=True), attempt(transfer(amount=1), "next")]
    )
    assert booked.receipt_rows[0].position == first + 5
    assert [row.position for row in booked.event_rows] == [first + 6, first + 7]


def test_positions_ascend_for_each_account_over_events_and_refusals(bank):
    booked = bank.book([batch(*moves(600, 600, 400, 5)), attempt(transfer(amount=9999), "k")])
    for key in (b"alice", b"bob"):
        positions = [row.position for row in booked.outbox_rows if row.key == key]
        assert positions == sorted(set(positions))
    assert len(booked.outbox_rows) == len(booked.event_rows) + 3


def test_an_item_without_a_key_leaves_a_receipt_only_when_it_is_refused(bank):
    booked = bank.book([batch(*moves(600, 600))])
    assert [row.idempotency_key for row in booked.receipt_rows] == ["batch-1 1", "batch-1"]
    assert [row.status for row in booked.receipt_rows] == [409, 200]


def test_an_item_with_a_key_has_a_receipt_of_its_own(bank):
    booked = bank.book([batch(item(transfer(), "mine"))])
    (own, whole) = booked.receipt_rows
    assert (own.idempotency_key, own.command, own.account_id) == (
        "mine",
        "TransferFunds",
        "alice",
    )
    assert json.loads(own.body) == results(booked.receipts[0])[0]["body"]
    assert whole.idempotency_key == "batch-1"


def test_the_same_item_twice_in_a_batch_is_done_once(bank):
    same = item(transfer(), "mine")
    booked = bank.book([batch(same, same, is_atomic=True)])
    first, second = results(booked.receipts[0])
    assert (second["body"], second["replayed"]) == (first["body"], True)
    assert second["location"] == first["location"] == "/v1/transfers/trf_1"
    assert len(booked.event_rows) == 2
    assert [row.idempotency_key for row in booked.receipt_rows] == ["mine", "batch-1"]


def test_an_item_that_an_earlier_batch_did_is_replayed_in_a_later_one(bank):
    bank.book([batch(item(transfer(), "mine"))])
    booked = bank.book([batch(item(transfer(), "mine"), *moves(5), key="batch-2")])

    first, second = results(booked.receipts[0])
    assert (first["replayed"], second["replayed"]) == (True, False)
    assert balances(bank) == {"alice": -105, "bob": 105}
    assert json.loads(booked.receipts[0].body)["accounts"]["bob"]["booked"] == 105


def test_a_batch_of_nothing_but_replays_has_a_place_of_its_own(bank):
    bank.book([batch(item(transfer(), "mine"))])
    booked = bank.book([batch(item(transfer(), "mine"), key="batch-2")])
    document = json.loads(booked.receipts[0].body)
    assert (document["accounts"], booked.event_rows) == ({}, ())
    assert document["position"] == booked.receipt_rows[0].position


def test_an_item_key_with_another_meaning_is_refused_and_not_stored(bank):
    bank.book([batch(item(transfer(), "mine"))])
    other = item(transfer(amount=5, transfer_id="t5"), "mine")

    booked = bank.book([batch(other, *moves(1), key="batch-2")])

    assert codes(booked.receipts[0]) == ["idempotency_key_reused", None]
    assert [row.idempotency_key for row in booked.receipt_rows] == ["batch-2"]


def test_an_item_key_with_another_meaning_ends_an_atomic_batch(bank):
    bank.book([batch(item(transfer(), "mine"))])
    other = item(transfer(amount=5, transfer_id="t5"), "mine")

    booked = bank.book([batch(*moves(1), other, key="batch-2", is_atomic=True)])

    document = json.loads(booked.receipts[0].body)
    assert (document["code"], document["index"]) == ("batch_rejected", 1)
    assert document["refusal"]["code"] == "idempotency_key_reused"
    assert booked.event_rows == ()


def test_a_stored_refusal_of_an_item_ends_an_atomic_batch_too(bank):
    bank.book([batch(item(transfer(amount=5000), "mine"))])
    again = batch(item(transfer(amount=5000), "mine"), key="batch-2", is_atomic=True)
    (receipt,) = bank.book([again]).receipts
    assert json.loads(receipt.body)["refusal"]["code"] == "insufficient_funds"


def test_an_undone_item_was_never_done_under_its_key(bank):
    poor = item(transfer(amount=5000, transfer_id="t5"), number=1)
    bank.book([batch(item(transfer(), "mine"), poor, is_atomic=True)])
    booked = bank.book([batch(item(transfer(), "mine"), key="batch-2")])
    assert [result["replayed"] for result in results(booked.receipts[0])] == [False]
    assert len(booked.event_rows) == 2


@pytest.mark.parametrize("is_atomic", [True, False])
def test_a_retried_batch_gets_the_same_bytes(bank, is_atomic):
    sent = batch(*moves(600, 600), is_atomic=is_atomic)
    (first,) = bank.book([sent]).receipts
    again = bank.book([replace(sent, request_id="req_2")])
    assert again.receipts == (replace(first, replayed=True),)
    assert (again.event_rows, again.receipt_rows, again.outbox_rows) == ((), (), ())


def test_the_key_of_a_batch_with_another_meaning_is_refused(bank):
    bank.book([batch(*moves(1))])
    booked = bank.book([batch(*moves(2)), attempt(transfer(), "batch-1")])
    assert [json.loads(r.body)["code"] for r in booked.receipts] == [
        "idempotency_key_reused"
    ] * 2
    assert booked.receipt_rows == ()


@pytest.mark.parametrize("busy", ["batch-1", "mine"])
def test_a_batch_waits_as_a_whole_for_a_key_in_other_hands(bank, busy):
    bank.state = replace(bank.state, busy_keys=frozenset({("tester", busy)}))
    booked = bank.book([batch(*moves(1), item(transfer(), "mine"))])
    (receipt,) = booked.receipts
    assert (receipt.status, receipt.retry_after_s) == (409, 1)
    assert (booked.event_rows, booked.receipt_rows, booked.outbox_rows) == ((), (), ())


def test_later_items_use_what_earlier_ones_made(bank):
    booked = bank.book(
        [
            batch(
                item(open_account("carol"), number=0),
                item(place(amount=70), number=1),
                item(capture(destination="carol"), number=2),
                replace(item(reverse("cap_1"), number=3), also=("alice", "carol")),
                item(close("carol"), number=4),
                is_atomic=True,
            )
        ]
    )
    assert codes(booked.receipts[0]) == [None] * 5
    assert balances(bank) == {"alice": 0, "bob": 0, "carol": 0}


def test_a_reversal_in_a_batch_is_done_once(bank):
    both = ("alice", "bob")
    booked = bank.book(
        [
            batch(
                item(transfer(amount=9), number=0),
                replace(item(reverse("trf_1"), number=1), also=both),
                replace(item(reverse("trf_1", transfer_id="rev_2"), number=2), also=both),
                replace(item(reverse("rev_1", transfer_id="rev_3"), number=3), also=both),
            )
        ]
    )
    assert codes(booked.receipts[0]) == [None, None, "already_reversed", "not_reversible"]


def test_an_exchange_goes_through_accounts_that_its_own_batch_opened(bank):
    kind = AccountKind.POSITION
    through = {"sell_positions": ("pos-e",), "buy_positions": ("pos-j",)}
    booked = bank.book(
        [
            batch(
                item(open_account("pos-e", kind=kind), number=0),
                item(open_account("pos-j", kind=kind, currency="JPY"), number=1),
                item(open_account("yuki", currency="JPY"), number=2),
                item(exchange(**through), number=3),
                is_atomic=True,
            )
        ]
    )
    assert booked.receipts[0].status == 200
    assert balances(bank)["yuki"] == 16000


def test_a_refused_batch_about_an_account_that_it_was_to_open_leaves_no_record(bank):
    sent = batch(
        item(open_account("carol"), number=0),
        item(transfer("carol", "bob", 1), number=1),
        is_atomic=True,
    )
    booked = bank.book([sent])
    assert booked.receipts[0].status == 409
    assert (len(booked.receipt_rows), booked.outbox_rows) == (1, ())
