"""Group commit's own promises, on a committer in memory whose transactions a test can hold."""

from __future__ import annotations

import asyncio

import pytest

from chronos.errors import DeadlineExceeded, InvariantBroken, Overloaded, Unavailable
from chronos.ledger.needs import needs_of
from chronos.store import group_commit
from chronos.store.event_store import Conflict
from chronos.store.group_commit import GroupCommit, Limits
from tests.journals import code
from tests.unit.store.held import LIMITS, HeldCommitter, held, move, planted, submitted


async def test_what_arrives_during_a_transaction_shares_the_next_one(journal, committer):
    first = await held(journal, committer, move("k1"))
    rest = await submitted(journal, [move(f"k{n}") for n in range(2, 6)])
    committer.let.set()

    receipts = await asyncio.gather(first, *rest)

    assert {r.status for r in receipts} == {201}
    assert committer.batches == [["k1"], ["k2", "k3", "k4", "k5"]]


async def test_a_batch_has_its_bound(journal, committer):
    first = await held(journal, committer, move("k0"))
    rest = await submitted(journal, [move(f"k{n}") for n in range(1, 25)])
    committer.let.set()
    await asyncio.gather(first, *rest)

    assert [len(batch) for batch in committer.batches] == [1, 10, 10, 4]


async def test_the_locks_of_a_transaction_have_their_bound(journal, committer, monkeypatch):
    monkeypatch.setattr(group_commit, "LOCKS_MAX", 10)
    first = await held(journal, committer, move("k0"))
    rest = await submitted(journal, [move(f"k{n}") for n in range(1, 7)])
    committer.let.set()
    await asyncio.gather(first, *rest)

    assert [len(batch) for batch in committer.batches] == [1, 3, 3]


async def test_the_same_key_joins_the_attempt_under_way(journal, committer):
    first = await held(journal, committer, move("k1"))
    second = (await submitted(journal, [move("k1")]))[0]
    committer.let.set()

    receipts = await asyncio.gather(first, second)

    assert committer.batches == [["k1"]]
    assert [r.replayed for r in receipts] == [False, True]
    assert receipts[0].body == receipts[1].body


async def test_the_same_key_with_another_meaning_is_refused_at_once(journal, committer):
    first = await held(journal, committer, move("k1"))

    other = await journal.submit(move("k1", request_hash=b"\x01" * 32))
    committer.let.set()

    assert code(other) == "idempotency_key_reused"
    assert (await first).status == 201


async def test_one_more_than_the_bound_is_overloaded(committer):
    limits = Limits(pending_max=2, batch_max=10, deadline_s=5, drain_s=1)
    async with GroupCommit([committer], None, needs_of=needs_of, limits=limits) as journal:
        first = await held(journal, committer, move("k1"))
        second = (await submitted(journal, [move("k2")]))[0]

        with pytest.raises(Overloaded):
            await journal.submit(move("k3"))
        committer.let.set()
        await asyncio.gather(first, second)


async def test_a_caller_that_gives_up_leaves_its_neighbours_alone(journal, committer):
    first = await held(journal, committer, move("k1"))
    leaving, staying = await submitted(journal, [move("k2"), move("k3")])
    leaving.cancel()
    await asyncio.sleep(0)
    committer.let.set()

    assert (await staying).status == 201
    assert (await first).status == 201
    assert committer.batches == [["k1"], ["k3"]]


async def test_a_deadline_says_that_the_outcome_is_unknown(committer):
    limits = Limits(pending_max=2, batch_max=10, deadline_s=0.01, drain_s=1)
    async with GroupCommit([committer], None, needs_of=needs_of, limits=limits) as journal:
        late = await held(journal, committer, move("k1"))

        with pytest.raises(DeadlineExceeded):
            await late
        committer.let.set()
        again = await journal.submit(move("k1"))

    assert again.status == 201


async def test_a_lost_race_is_run_again_one_by_one(journal, committer):
    committer.faults = [planted(None), planted(Conflict("events_transfer_leg", "23505"))]
    first = await held(journal, committer, move("k1"))
    rest = await submitted(journal, [move("k2"), move("k3")])
    committer.let.set()

    receipts = await asyncio.gather(first, *rest)

    assert {r.status for r in receipts} == {201}
    assert committer.batches == [["k1"], ["k2", "k3"], ["k2"], ["k3"]]


async def test_an_attempt_that_keeps_losing_ends(journal, committer):
    committer.faults = [planted(Conflict("", "40P01"))] * 20

    with pytest.raises(Unavailable, match="kept losing"):
        await journal.submit(move("k1"))
    assert len(committer.batches) == 1 + group_commit.ALONE_TRIES_MAX


async def test_a_broken_attempt_fails_alone(journal, committer):
    committer.faults = [planted(None), *[planted(InvariantBroken("odd"), key="k2")] * 3]
    first = await held(journal, committer, move("k1"))
    broken, sound = await submitted(journal, [move("k2"), move("k3")])
    committer.let.set()

    with pytest.raises(InvariantBroken):
        await broken
    assert (await sound).status == 201
    assert (await first).status == 201


async def test_a_server_that_is_away_is_told_to_the_whole_batch(journal, committer):
    committer.faults = [planted(None), planted(Unavailable("postgresql", "gone"))]
    first = await held(journal, committer, move("k1"))
    rest = await submitted(journal, [move("k2"), move("k3")])
    committer.let.set()

    outcomes = await asyncio.gather(first, *rest, return_exceptions=True)

    assert outcomes[0].status == 201
    assert [type(o) for o in outcomes[1:]] == [Unavailable, Unavailable]
    assert (await journal.submit(move("k2"))).status == 201


async def test_lanes_never_hold_the_same_account(bank):
    lanes = [HeldCommitter(bank), HeldCommitter(bank)]
    for lane in lanes:
        lane.let.clear()
    async with GroupCommit(lanes, None, needs_of=needs_of, limits=LIMITS) as journal:
        tasks = await submitted(
            journal, [move("k1", "a", "b"), move("k2", "b", "c"), move("k3", "e", "f")]
        )
        async with asyncio.timeout(1):
            await lanes[0].began.wait()
        more = await submitted(
            journal, [move("k4", "a", "d"), move("k5", "d", "h"), move("k6", "g", "h")]
        )
        await asyncio.sleep(0)
        while_held = [[*lane.batches] for lane in lanes]
        for lane in lanes:
            lane.let.set()
        receipts = await asyncio.gather(*tasks, *more)

    assert while_held == [[["k1", "k2", "k3"]], []]
    assert {r.status for r in receipts} == {201}


async def test_closing_finishes_what_is_under_way(bank):
    committer = HeldCommitter(bank)
    journal = await GroupCommit(
        [committer], None, needs_of=needs_of, limits=LIMITS
    ).__aenter__()
    first = await held(journal, committer, move("k1"))
    rest = await submitted(journal, [move("k2")])
    closing = asyncio.create_task(journal.close())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="stopping"):
        await journal.submit(move("k3"))
    committer.let.set()

    receipts = await asyncio.gather(first, *rest)
    await closing

    assert {r.status for r in receipts} == {201}
    assert committer.is_closed


async def test_closing_gives_up_what_does_not_end(bank):
    committer = HeldCommitter(bank)
    limits = Limits(pending_max=2, batch_max=10, deadline_s=5, drain_s=0.01)
    journal = await GroupCommit(
        [committer], None, needs_of=needs_of, limits=limits
    ).__aenter__()
    stuck = await held(journal, committer, move("k1"))

    await journal.close()

    with pytest.raises(Unavailable):
        await stuck
