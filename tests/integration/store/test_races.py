"""Two processes after one hold, one transfer, one batch; and a rival that knows no locks."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from chronos.domain.chart import AccountKind
from chronos.ledger.service import Ledger
from chronos.store.event_store import Conflict, EventStore
from tests.builders import attempt, open_account, transfer
from tests.commands import batch, capture, hold_state, journal_entry, place, reverse, void
from tests.integration.store.rivals import Rival, until_someone_waits
from tests.journals import SIZES, code, document, store_on

COUNT = "SELECT count(*) FROM events WHERE type = $1"
REVERSALS = (
    "SELECT count(DISTINCT transfer_id) FROM events WHERE reverses_transfer_id = 'trf_1'"
)


@pytest.fixture
async def ledgers(stores):
    """The ledgers of two processes on a bank with unbounded accounts a to f."""
    made = [Ledger(store.journal, store.references) for store in stores]
    for name in "abcdef":
        opening = open_account(name, kind=AccountKind.SETTLEMENT)
        await made[0].execute(attempt(opening, f"open-{name}"))
    return made


async def both(ledgers, attempts):
    """Sends attempts by turns through both processes, all at once."""
    return await asyncio.gather(
        *(ledgers[number % 2].execute(one) for number, one in enumerate(attempts))
    )


async def test_of_two_captures_in_two_processes_one_gets_the_hold(ledgers, owner):
    for number in range(10):
        hold_id = f"hld_{number}"
        await ledgers[0].execute(attempt(place("a", 100, hold_id=hold_id), hold_id))
        receipts = await both(
            ledgers,
            [
                attempt(
                    capture(hold_id, payee, transfer_id=f"{hold_id}-{payee}"),
                    f"{hold_id}{payee}",
                )
                for payee in "bc"
            ],
        )
        assert sorted(r.status for r in receipts) == [200, 409]
        assert [code(r) for r in receipts if r.status == 409] == ["hold_not_open"]

    assert await owner.fetchval(COUNT, "HoldCaptured") == 10
    assert await owner.fetchval(COUNT, "MoneyDeposited") == 10


async def test_of_many_ends_in_two_processes_one_happens(ledgers, owner):
    await ledgers[0].execute(attempt(place("a", 100), "p"))
    ends = [attempt(capture(destination="b", transfer_id=f"c{n}"), f"c{n}") for n in range(10)]
    ends += [attempt(void(), f"v{n}") for n in range(10)]

    receipts = await both(ledgers, ends)

    assert sorted(r.status for r in receipts) == [200] + [409] * 19
    ended = "SELECT count(*) FROM events WHERE hold_id = 'hld_1' AND type <> 'HoldPlaced'"
    assert await owner.fetchval(ended) == 1
    assert await owner.fetchval("SELECT sum(amount) FROM events") in (0, None)


async def test_of_two_reversals_in_two_processes_one_is_booked(ledgers, owner):
    await ledgers[0].execute(attempt(transfer("a", "b"), "t"))
    receipts = await both(
        ledgers, [attempt(reverse(transfer_id=f"r{n}"), f"r{n}") for n in range(10)]
    )
    assert sorted(r.status for r in receipts) == [201] + [409] * 9
    assert {code(r) for r in receipts if r.status == 409} == {"already_reversed"}
    assert await owner.fetchval(REVERSALS) == 1


async def test_one_hold_id_on_disjoint_accounts_in_two_processes_is_placed_once(ledgers, owner):
    receipts = await both(ledgers, [attempt(place(n, 5), f"p{n}") for n in "abcdef"])
    assert sorted(r.status for r in receipts) == [201] + [409] * 5
    assert {code(r) for r in receipts if r.status == 409} == {"hold_exists"}
    assert await owner.fetchval(COUNT, "HoldPlaced") == 1


@pytest.mark.parametrize("is_atomic", [True, False])
async def test_one_batch_in_two_processes_is_done_once(ledgers, owner, is_atomic):
    items = (
        attempt(transfer("a", "b", 1, transfer_id=f"t{n}"), f"batch-1 {n}", has_own_key=False)
        for n in range(20)
    )
    sent = batch(*items, is_atomic=is_atomic)

    receipts = await both(ledgers, [sent] * 20)

    done = [r for r in receipts if r.status == 200]
    assert len({r.body for r in done}) == 1
    assert sum(not r.replayed for r in done) == 1
    assert {code(r) for r in receipts if r.status != 200} <= {"idempotency_in_progress"}
    assert await owner.fetchval(COUNT, "MoneyDeposited") == 20
    assert (await ledgers[1].execute(sent)).body == done[0].body


async def test_an_item_of_batches_in_two_processes_is_done_once(ledgers, owner):
    common = attempt(transfer("a", "b", 1), "mine")
    batches = [
        batch(
            common, attempt(transfer("c", "d", 1, transfer_id=f"t{n}"), f"own-{n}"), key=f"b{n}"
        )
        for n in range(10)
    ]

    async def until_done(number, sent):
        while True:  # another process has the key of the item: the answer says to come again
            receipt = await ledgers[number % 2].execute(sent)
            if receipt.status == 200:
                return document(receipt)["results"]

    results = await asyncio.gather(*(until_done(n, b) for n, b in enumerate(batches)))

    assert [first["replayed"] for first, _ in results].count(False) == 1
    assert await owner.fetchval(COUNT, "MoneyDeposited") == 11


@pytest.fixture
def conflicts(monkeypatch):
    """The unique keys that refused a transaction."""
    refused = []
    commit = EventStore.commit

    async def watched(self, batch):
        try:
            return await commit(self, batch)
        except Conflict as conflict:
            refused.append(conflict.constraint)
            raise

    monkeypatch.setattr(EventStore, "commit", watched)
    return refused


CASES = {
    "events_hold_placed": {
        "rival": (attempt(place("c"), "rival"), ("c",), {}),
        "before": None,
        "ours": place("a"),
        "refusal": "hold_exists",
    },
    "events_hold_ended": {
        "rival": (
            attempt(void(), "rival"),
            ("c",),
            {"holds": {"hld_1": hold_state("hld_1", "c")}},
        ),
        "before": place("a"),
        "ours": capture(destination="b"),
        "refusal": "hold_not_open",
    },
    "events_reversal_leg": {
        "rival": (
            attempt(reverse(transfer_id="rev_9"), "rival", also=("c", "d")),
            ("c", "d"),
            {"entries": {"trf_1": journal_entry(("c", -1), ("d", 1))}},
        ),
        "before": transfer("a", "b"),
        "ours": reverse(),
        "refusal": "already_reversed",
    },
}


@pytest.mark.parametrize("constraint", CASES)
async def test_a_unique_key_refuses_what_the_locks_let_through_and_the_core_says_why(
    database, ledgers, owner, conflicts, constraint
):
    """The rows that lost are run again alone, where the winner's are in sight."""
    case = CASES[constraint]
    if case["before"] is not None:
        await ledgers[0].execute(attempt(case["before"], "before"))
    sent, accounts, known = case["rival"]
    rival = Rival(owner)
    await rival.book(sent, *accounts, **known)

    ours = asyncio.create_task(ledgers[0].execute(attempt(case["ours"], "ours")))
    moved = transfer("e", "f", transfer_id="trf_e")
    neighbour = asyncio.create_task(ledgers[0].execute(attempt(moved, "neighbour")))
    await until_someone_waits(database.owner_dsn)
    await rival.commit()

    assert code(await ours) == case["refusal"]
    assert (await neighbour).status == 201
    assert set(conflicts) == {constraint}


async def test_who_an_account_is_is_read_anew_by_a_new_connection(database):
    async with store_on(database.writer_dsn, replace(SIZES, lanes=1)) as store:
        (lane,) = store.journal._committers
        for name in "ab":
            opening = open_account(name, kind=AccountKind.SETTLEMENT)
            await store.journal.submit(attempt(opening, f"open-{name}"))
        await store.journal.submit(attempt(transfer("a", "b", transfer_id="one"), "one"))
        assert lane._identities.unmet("ab") == []

        lane._connection.terminate()
        await lane._connected()

        assert lane._identities.unmet("ab") == ["a", "b"]
        again = await store.journal.submit(
            attempt(transfer("b", "a", transfer_id="two"), "two")
        )
    assert again.status == 201
