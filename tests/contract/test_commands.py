"""Every command on the fake and on the real journal: alone, in batches, and many at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from chronos.domain.account import FreezeScope
from chronos.domain.chart import AccountKind
from tests.builders import NOW, attempt, open_account, transfer
from tests.commands import (
    annotate,
    batch,
    capture,
    close,
    entries,
    exchange,
    expire,
    freeze,
    place,
    reverse,
    set_limit,
    unfreeze,
    void,
)
from tests.journals import code, document

POSITION = AccountKind.POSITION
FAR = NOW + timedelta(days=40_000)
"""Later than any clock on which these tests run."""


@pytest.fixture
async def bank(ledger):
    """Alice has 1000, bob nothing; yuki keeps yen; the bank has two positions in euros."""
    for command in (
        open_account("vault", kind=AccountKind.SETTLEMENT),
        open_account("alice"),
        open_account("bob"),
        open_account("yuki", currency="JPY"),
        open_account("pos-e", kind=POSITION),
        open_account("pos-a", kind=POSITION),
        open_account("pos-j", kind=POSITION, currency="JPY"),
        transfer("vault", "alice", 1000, transfer_id="in"),
    ):
        receipt = await ledger.execute(attempt(command, f"first-{command}"[:200]))
        assert receipt.status == 201
    return Sender(ledger)


class Sender:
    """Sends each command under a key of its own."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.count = 0

    async def __call__(self, command, **changes):
        self.count += 1
        return await self.ledger.execute(attempt(command, f"key-{self.count}", **changes))

    async def balances(self, name):
        """What an account has, as a receipt says it."""
        receipt = await self(annotate(name, metadata={}))
        return document(receipt)["accounts"][name]


def item(command, number, of="batch-1"):
    return attempt(command, f"{of} {number}", has_own_key=False)


async def test_an_entry_moves_money_between_three(bank):
    receipt = await bank(entries(("alice", -120), ("bob", 70), ("vault", 50)))

    body = document(receipt)
    assert (receipt.status, receipt.location) == (201, "/v1/transfers/ent_1")
    assert [p["amount"] for p in body["postings"]] == [-120, 70, 50]
    assert body["from"] is body["to"] is body["amount"] is None
    assert body["accounts"]["alice"]["booked"] == 880


async def test_an_exchange_goes_through_the_oldest_position_of_each_currency(bank):
    receipt = await bank(exchange(sell=100, buy=16000))

    accounts = document(receipt)["accounts"]
    assert {n: a["booked"] for n, a in accounts.items()} == {
        "alice": 900,
        "pos-e": 100,
        "pos-j": -16000,
        "yuki": 16000,
    }


async def test_an_exchange_into_a_currency_without_a_position_is_refused(bank):
    await bank(open_account("abby", currency="USD"))
    refused = await bank(exchange(destination="abby"))
    assert code(refused) == "position_account_missing"


async def test_a_transfer_is_reversed_once_and_its_reversal_never(bank):
    await bank(transfer())
    reversal = await bank(reverse())
    again = await bank(reverse(transfer_id="rev_2"))
    further = await bank(reverse("rev_1", transfer_id="rev_3"))

    assert (reversal.status, document(reversal)["reverses"]) == (201, "trf_1")
    assert document(reversal)["accounts"]["alice"]["booked"] == 1000
    assert (code(again), code(further)) == ("already_reversed", "not_reversible")


async def test_an_exchange_and_a_capture_are_reversed_like_any_entry(bank):
    await bank(exchange())
    await bank(place(amount=80))
    await bank(capture(amount=30))

    exchanged = await bank(reverse("exc_1"))
    captured = await bank(reverse("cap_1", transfer_id="rev_2"))

    assert {a["booked"] for a in document(exchanged)["accounts"].values()} == {0, 970}
    assert document(captured)["accounts"]["alice"] == {
        "version": 8, "booked": 1000, "held": 0, "available": 1000,
    }  # fmt: skip


async def test_a_reversal_waits_for_the_money_of_the_payee(bank):
    await bank(transfer())
    await bank(place("bob", 1))
    assert code(await bank(reverse())) == "insufficient_funds"
    await bank(void())
    assert (await bank(reverse(transfer_id="rev_2"))).status == 201


async def test_a_hold_lives_and_ends(bank):
    placed = await bank(place(amount=300, expires_at=FAR, metadata={"card": "1"}))
    spent = await bank(transfer(amount=701))
    captured = await bank(capture(amount=120, description="fuel"))
    voided = await bank(void())

    assert (placed.status, placed.location) == (201, "/v1/holds/hld_1")
    assert document(placed)["accounts"]["alice"]["available"] == 700
    assert code(spent) == "insufficient_funds"
    body = document(captured)
    assert (captured.status, body["status"], body["captured_amount"]) == (200, "captured", 120)
    assert body["accounts"] == {
        "alice": {"version": 5, "booked": 880, "held": 0, "available": 880},
        "bob": {"version": 2, "booked": 120, "held": 0, "available": 120},
    }
    assert code(voided) == "hold_not_open"


async def test_a_hold_that_is_not_due_is_not_expired(bank):
    await bank(place(expires_at=FAR))
    assert code(await bank(expire())) == "date_invalid"
    assert (await bank(void())).status == 200


async def test_a_hold_id_is_taken_for_ever(bank):
    await bank(place())
    await bank(void())
    assert code(await bank(place())) == "hold_exists"


async def test_a_hold_placed_twice_at_once_on_two_accounts_is_placed_once(bank):
    receipts = await asyncio.gather(bank(place("alice", 1)), bank(place("vault", 1)))
    assert sorted(r.status for r in receipts) == [201, 409]
    assert {code(r) for r in receipts if r.status == 409} == {"hold_exists"}


async def test_of_twenty_captures_at_once_one_gets_the_hold(bank):
    await bank(place(amount=400))

    receipts = await asyncio.gather(
        *(bank(capture(transfer_id=f"cap_{n}", amount=100 + n)) for n in range(20))
    )

    granted = [document(r) for r in receipts if r.status == 200]
    assert len(granted) == 1
    assert {code(r) for r in receipts if r.status != 200} == {"hold_not_open"}
    alice = await bank.balances("alice")
    assert (alice["booked"], alice["held"]) == (1000 - granted[0]["captured_amount"], 0)


async def test_a_capture_a_void_and_another_capture_at_once_make_one_end(bank):
    await bank(place(amount=400))
    receipts = await asyncio.gather(
        bank(capture()), bank(void()), bank(capture(transfer_id="cap_2"))
    )
    assert sorted(r.status for r in receipts) == [200, 409, 409]


async def test_of_two_reversals_at_once_one_is_booked(bank):
    await bank(transfer())
    receipts = await asyncio.gather(*(bank(reverse(transfer_id=f"r{n}")) for n in range(8)))
    assert sorted(r.status for r in receipts) == [201] + [409] * 7
    assert {code(r) for r in receipts if r.status == 409} == {"already_reversed"}


@pytest.mark.parametrize(
    ("made", "early", "refusal"),
    [
        (place(), capture(), "hold_not_found"),
        (place(), void(), "hold_not_found"),
        (transfer(), reverse(), "transfer_not_found"),
    ],
)
async def test_what_was_looked_up_before_it_was_there_is_not_found(
    bank, journal, made, early, refusal
):
    """The answer is kept: the sender was faster than what it refers to."""
    await bank(made)
    unlooked = attempt(early, "early")

    first = await journal.submit(unlooked)
    retried = await bank.ledger.execute(unlooked)

    assert (first.status, code(first)) == (404, refusal)
    assert (retried.body, retried.replayed) == (first.body, True)
    assert (await bank(early)).status < 300


async def test_a_limit_a_freeze_and_its_end_say_how_the_account_is_now(bank):
    limited = await bank(set_limit("bob", 50))
    frozen = await bank(freeze("bob", FreezeScope.DEBITS))
    refused = await bank(transfer("bob", "alice", 10))
    received = await bank(transfer(amount=10, transfer_id="t2"))
    thawed = await bank(unfreeze("bob"))
    paid = await bank(transfer("bob", "alice", 60, transfer_id="t3"))

    assert document(limited)["accounts"]["bob"]["available"] == 50
    assert (limited.status, document(limited)["overdraft_limit"]) == (200, 50)
    assert document(frozen)["status"] == "frozen_debits"
    assert code(refused) == "account_frozen"
    assert (received.status, document(thawed)["status"]) == (201, "open")
    assert document(paid)["accounts"]["bob"] == {
        "version": 6, "booked": -50, "held": 0, "available": 0,
    }  # fmt: skip


async def test_an_account_is_closed_once_it_is_empty(bank):
    await bank(place("alice", 1))
    held = await bank(close())
    await bank(void())
    full = await bank(close())
    await bank(transfer(amount=1000))
    closed = await bank(close())
    late = await bank(transfer("bob", "alice", 1, transfer_id="t2"))

    assert [code(r) for r in (held, full, late)] == [
        "holds_open",
        "balance_not_zero",
        "account_closed",
    ]
    assert document(closed)["status"] == "closed"


async def test_an_annotation_replaces_the_metadata_and_a_stale_version_is_refused(bank):
    done = await bank(annotate("alice", metadata={"b": "2"}, expected_version=2))
    stale = await bank(annotate("alice", metadata={"c": "3"}, expected_version=2))
    assert document(done)["metadata"] == {"b": "2"}
    assert (stale.status, code(stale)) == (412, "version_conflict")


async def test_entries_are_dated_back_to_the_day_from_which_their_accounts_were_open(bank):
    since = NOW.date()
    await bank(open_account("till", kind=AccountKind.SETTLEMENT, opened_on=since))
    opened = await bank(open_account("carl", opened_on=since))
    late = await bank(transfer("till", "carl", 5, value_date=since))
    early = transfer("till", "carl", 5, value_date=since - timedelta(days=1), transfer_id="t2")

    assert document(opened)["opened_on"] == since.isoformat()
    assert (late.status, document(late)["value_date"]) == (201, since.isoformat())
    assert code(await bank(early)) == "date_invalid"


async def test_a_batch_uses_what_it_makes(bank):
    sent = batch(
        item(open_account("carol"), 0),
        item(place("alice", 70), 1),
        item(capture(destination="carol"), 2),
        item(reverse("cap_1"), 3),
        item(close("carol"), 4),
        is_atomic=True,
    )
    receipt = await bank.ledger.execute(sent)

    assert receipt.status == 200
    assert [r["status"] for r in document(receipt)["results"]] == [201, 201, 200, 201, 200]
    assert document(receipt)["accounts"]["alice"]["booked"] == 1000


async def test_a_batch_exchanges_for_an_account_that_it_opens(bank):
    sent = batch(
        item(open_account("hana", currency="JPY"), 0), item(exchange("alice", "hana"), 1)
    )
    receipt = await bank.ledger.execute(sent)
    assert [r["status"] for r in document(receipt)["results"]] == [201, 201]
    assert document(receipt)["accounts"]["pos-j"]["booked"] == -16000


async def test_an_atomic_batch_of_a_thousand_transfers_is_all_or_nothing(bank):
    good = [item(transfer(amount=1, transfer_id=f"t{n}"), n) for n in range(1000)]
    poor = [*good[:-1], item(transfer(amount=2, transfer_id="last"), 999)]

    refused = await bank.ledger.execute(batch(*poor, is_atomic=True, key="poor"))
    granted = await bank.ledger.execute(batch(*good, is_atomic=True, key="good"))

    assert (code(refused), document(refused)["index"]) == ("batch_rejected", 999)
    assert granted.status == 200
    assert document(granted)["accounts"]["bob"] == {
        "version": 1001, "booked": 1000, "held": 0, "available": 1000,
    }  # fmt: skip


async def test_the_same_batch_many_times_at_once_is_done_once(bank):
    sent = batch(*(item(transfer(amount=1, transfer_id=f"t{n}"), n) for n in range(5)))

    receipts = await asyncio.gather(*(bank.ledger.execute(sent) for _ in range(12)))

    assert {r.status for r in receipts} == {200}
    assert len({r.body for r in receipts}) == 1
    assert sum(not r.replayed for r in receipts) == 1
    assert (await bank.balances("bob"))["booked"] == 5


async def test_two_batches_at_once_do_their_common_item_once(bank):
    common = attempt(transfer(amount=1), "mine")
    receipts = await asyncio.gather(
        *(bank.ledger.execute(batch(common, key=f"b{n}")) for n in range(6))
    )
    replayed = [document(r)["results"][0]["replayed"] for r in receipts]
    assert sorted(replayed) == [False] + [True] * 5
    assert (await bank.balances("bob"))["booked"] == 1


async def test_a_retried_batch_is_answered_with_its_first_receipt(bank):
    sent = batch(item(transfer(amount=600, transfer_id="a"), 0), item(transfer(amount=600), 1))
    first = await bank.ledger.execute(sent)
    await bank(transfer("vault", "alice", 5000, transfer_id="t2"))
    again = await bank.ledger.execute(sent)
    assert [r["status"] for r in document(first)["results"]] == [201, 409]
    assert (again.body, again.replayed) == (first.body, True)


@pytest.mark.parametrize(
    "command",
    [
        entries(("alice", -1), ("bob", 1)),
        exchange(),
        place(),
        set_limit("alice", 5),
        freeze(),
        annotate(),
    ],
    ids=lambda command: type(command).__name__,
)
async def test_a_preview_of_any_command_changes_nothing(bank, command):
    previewed = await bank.ledger.preview(attempt(command, "p"))
    done = await bank.ledger.execute(attempt(command, "p"))
    assert previewed.status == 200
    assert document(previewed)["accounts"] == document(done)["accounts"]
    assert not done.replayed
