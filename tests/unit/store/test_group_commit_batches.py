"""Batches in the group commit: weighed by their commands, never parted, bounded alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from chronos.ledger.needs import needs_of
from chronos.store import found
from chronos.store.event_store import Conflict
from chronos.store.found import Prepared
from chronos.store.group_commit import GroupCommit
from chronos.wire.bounds import EVENTS_MAX, LOCKS_MAX
from tests.builders import attempt, transfer
from tests.commands import batch, capture, reverse, void
from tests.journals import code, document
from tests.unit.store.held import LIMITS, HeldCommitter, held, move, planted, submitted


def item(name, source="a", destination="b", key=None):
    command = transfer(source, destination, 1, transfer_id=f"trf-{name}")
    return attempt(command, key or f"batch {name}", has_own_key=key is not None)


def moves(key, count, source="a", destination="b", **changes):
    """A batch of so many transfers."""
    items = (item(f"{key}-{n}", source, destination) for n in range(count))
    return batch(*items, key=key, **changes)


async def test_a_batch_weighs_as_much_as_its_commands(journal, committer):
    first = await held(journal, committer, move("k0"))
    rest = await submitted(
        journal, [moves("b1", 6), move("k1"), moves("b2", 4), move("k2"), move("k3")]
    )
    committer.let.set()
    receipts = await asyncio.gather(first, *rest)

    assert {r.status for r in receipts} == {200, 201}
    assert committer.batches == [["k0"], ["b1", "k1"], ["b2", "k2", "k3"]]


async def test_a_batch_above_the_weight_of_a_transaction_has_one_for_itself(journal, committer):
    first = await held(journal, committer, move("k0"))
    rest = await submitted(journal, [move("k1"), moves("large", 25), move("k2"), move("k3")])
    committer.let.set()
    receipts = await asyncio.gather(first, *rest)

    assert committer.batches == [["k0"], ["k1"], ["large"], ["k2", "k3"]]
    assert len(document(receipts[2])["results"]) == 25


# Locks: two accounts, the key of the batch, the id of each transfer. Positions: two events of
# each transfer, and the receipt of the batch.
@pytest.mark.parametrize(
    ("bound", "most", "fits"), [("LOCKS_MAX", 20, 17), ("EVENTS_MAX", 21, 10)]
)
async def test_a_batch_that_no_transaction_holds_is_refused_at_once_and_not_kept(
    journal, monkeypatch, bound, most, fits
):
    monkeypatch.setattr(found, bound, most)

    too_large = await journal.submit(moves("b", fits + 1))
    pending = journal.pending
    largest = await journal.submit(moves("b", fits))

    assert (too_large.status, code(too_large), pending) == (422, "batch_too_large", 0)
    assert (largest.status, largest.replayed) == (200, False)


async def test_a_thousand_transfers_fit_into_one_transaction():
    prepared = Prepared.of(moves("b", 1000, is_atomic=True), needs_of)
    assert prepared.positions == 2001 <= EVENTS_MAX
    assert len(prepared.blocking) + len(prepared.keys) == 1003 <= LOCKS_MAX


async def test_the_same_batch_joins_the_one_under_way(journal, committer):
    first = await held(journal, committer, moves("b", 3))
    (second,) = await submitted(journal, [moves("b", 3)])
    committer.let.set()
    receipts = await asyncio.gather(first, second)

    assert committer.batches == [["b"]]
    assert [r.replayed for r in receipts] == [False, True]
    assert receipts[0].body == receipts[1].body


async def test_another_batch_under_the_key_of_one_under_way_is_refused(journal, committer):
    first = await held(journal, committer, moves("b", 3))
    other = await journal.submit(moves("b", 2))
    committer.let.set()

    assert code(other) == "idempotency_key_reused"
    assert (await first).status == 200


async def test_two_batches_with_one_item_do_it_once(journal, committer):
    first = await held(journal, committer, move("k0"))
    rest = await submitted(
        journal,
        [
            batch(item("x", key="mine"), key="b1"),
            batch(item("x", key="mine"), item("y"), key="b2"),
        ],
    )
    committer.let.set()
    _, one, two = await asyncio.gather(first, *rest)

    assert committer.batches == [["k0"], ["b1", "b2"]]
    assert [r["replayed"] for r in document(one)["results"]] == [False]
    assert [r["replayed"] for r in document(two)["results"]] == [True, False]


async def test_an_item_under_way_keeps_its_key_from_other_lanes(bank):
    """A single attempt with the key of an item waits until the batch is through."""
    lanes = [HeldCommitter(bank), HeldCommitter(bank)]
    async with GroupCommit(lanes, None, needs_of=needs_of, limits=LIMITS) as journal:
        first = await held(journal, lanes[0], batch(item("x", "a", "b", key="mine"), key="b1"))
        same_key = attempt(transfer("c", "d", 1, transfer_id="trf-z"), "mine")
        single, other = await submitted(journal, [same_key, move("k1", "e", "f")])
        async with asyncio.timeout(1):
            assert (await other).status == 201
        assert not single.done()
        lanes[0].let.set()

        assert (await first).status == 200
        assert code(await single) == "idempotency_key_reused"


async def test_lanes_part_by_what_was_looked_up(bank):
    """The account of a hold is locked, though the command does not name it."""
    lanes = [HeldCommitter(bank), HeldCommitter(bank)]
    async with GroupCommit(lanes, None, needs_of=needs_of, limits=LIMITS) as journal:
        first = await held(journal, lanes[0], move("k0", "a", "b"))
        looked_up = replace(attempt(void("hld"), "v"), also=("a",))
        waiting, free = await submitted(journal, [looked_up, move("k1", "c", "d")])
        async with asyncio.timeout(1):
            assert (await free).status == 201
        assert not waiting.done()
        lanes[0].let.set()
        await asyncio.gather(first, waiting)

    assert lanes[0].batches + lanes[1].batches in (
        [["k0"], ["v"], ["k1"]],
        [["k0"], ["k1"], ["v"]],
    )


def test_two_ends_of_one_hold_share_a_lock_and_two_reversals_share_their_accounts():
    ends = [
        Prepared.of(replace(attempt(c, "k"), also=("a",)), needs_of)
        for c in (capture("hld", "b"), capture("hld", "c", transfer_id="cap_2"), void("hld"))
    ]
    reversals = [
        Prepared.of(replace(attempt(reverse("t", transfer_id=r), r), also=("a", "b")), needs_of)
        for r in ("r1", "r2")
    ]
    assert len(frozenset.intersection(*(p.blocking for p in ends))) == 2
    assert len(frozenset.intersection(*(p.blocking for p in reversals))) == 2


async def test_a_batch_that_lost_a_race_is_run_again_as_a_whole(journal, committer):
    committer.faults = [planted(None), planted(Conflict("events_hold_ended", "23505"))]
    first = await held(journal, committer, move("k0"))
    rest = await submitted(journal, [moves("b", 3, is_atomic=True), move("k1")])
    committer.let.set()
    receipts = await asyncio.gather(first, *rest)

    assert committer.batches == [["k0"], ["b", "k1"], ["b"], ["k1"]]
    assert [r.status for r in receipts] == [201, 200, 201]
