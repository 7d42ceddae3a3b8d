"""What every journal promises the ledger, shown on the fake and on the real store."""

from __future__ import annotations

import asyncio

import pytest

from chronos.domain.chart import AccountKind
from tests.builders import attempt, open_account, transfer
from tests.journals import code, document


@pytest.fixture
async def funded(journal):
    """The journal with two accounts; alice may go below zero, bob may not."""
    await journal.submit(attempt(open_account("alice", kind=AccountKind.SETTLEMENT), "open-1"))
    await journal.submit(attempt(open_account("bob"), "open-2"))
    return journal


async def test_a_transfer_moves_money_between_both_accounts(funded):
    receipt = await funded.submit(attempt(transfer("alice", "bob", 250)))

    assert receipt.status == 201
    accounts = document(receipt)["accounts"]
    assert accounts["alice"] == {"version": 2, "booked": -250, "held": 0, "available": -250}
    assert accounts["bob"] == {"version": 2, "booked": 250, "held": 0, "available": 250}


async def test_a_retry_gets_the_first_receipt_and_moves_nothing(funded):
    first = await funded.submit(attempt(transfer("alice", "bob", 250)))

    again = await funded.submit(attempt(transfer("alice", "bob", 250)))

    assert (again.status, again.body, again.location) == (
        first.status,
        first.body,
        first.location,
    )
    assert (first.replayed, again.replayed) == (False, True)


async def test_a_refusal_is_kept_even_when_it_would_be_granted_now(funded):
    refused = await funded.submit(attempt(transfer("bob", "alice", 100), "poor"))
    await funded.submit(attempt(transfer("alice", "bob", 500, transfer_id="trf_2"), "funds"))

    again = await funded.submit(attempt(transfer("bob", "alice", 100), "poor"))

    assert code(refused) == code(again) == "insufficient_funds"
    assert again.replayed


async def test_a_key_used_for_another_request_is_refused(funded):
    await funded.submit(attempt(transfer("alice", "bob", 250)))

    other = await funded.submit(attempt(transfer("alice", "bob", 251)))

    assert code(other) == "idempotency_key_reused"


async def test_the_key_of_another_principal_is_another_key(funded):
    await funded.submit(attempt(transfer("alice", "bob", 250)))

    other = attempt(transfer("alice", "bob", 250, transfer_id="trf_2"), principal="else")
    receipt = await funded.submit(other)

    assert (receipt.status, receipt.replayed) == (201, False)


async def test_a_transfer_id_is_taken_once(funded):
    await funded.submit(attempt(transfer("alice", "bob", 250), "first"))

    second = await funded.submit(attempt(transfer("alice", "bob", 250), "second"))

    assert code(second) == "transfer_exists"


async def test_an_account_id_is_taken_once(funded):
    second = await funded.submit(attempt(open_account("bob"), "second"))

    assert code(second) == "account_exists"


async def test_an_external_id_is_taken_once(funded):
    await funded.submit(attempt(open_account("carol", external_id="c-1"), "first"))

    second = await funded.submit(attempt(open_account("dave", external_id="c-1"), "second"))

    assert code(second) == "external_id_exists"


async def test_an_unknown_account_is_refused(funded):
    receipt = await funded.submit(attempt(transfer("alice", "nobody")))

    assert code(receipt) == "account_not_found"


async def test_a_preview_tells_the_outcome_and_changes_nothing(funded):
    previewed = await funded.preview(attempt(transfer("alice", "bob", 250)))
    booked = await funded.submit(attempt(transfer("alice", "bob", 250)))

    assert document(previewed)["accounts"] == document(booked)["accounts"]
    assert not booked.replayed


async def test_many_at_once_give_every_version_to_one_transfer(funded):
    receipts = await asyncio.gather(
        *(
            funded.submit(attempt(transfer("alice", "bob", 1, transfer_id=f"trf_{n}"), f"k{n}"))
            for n in range(40)
        )
    )

    versions = sorted(document(r)["accounts"]["bob"]["version"] for r in receipts)
    assert versions == list(range(2, 42))


async def test_the_same_attempt_many_times_at_once_is_booked_once(funded):
    same = attempt(transfer("alice", "bob", 250))

    receipts = await asyncio.gather(*(funded.submit(same) for _ in range(20)))

    assert len({r.body for r in receipts}) == 1
    assert sum(not r.replayed for r in receipts) == 1
