"""A lane waits for those who come back together, and never long, nor for a few."""

from __future__ import annotations

import asyncio

import pytest

from chronos.ledger.needs import needs_of
from chronos.store import gathering as module
from chronos.store import group_commit
from chronos.store.gathering import KNOWN_MIN, PATIENCE_MAX_S, Gathering
from chronos.store.group_commit import GroupCommit
from tests.unit.store.held import LIMITS, held, move, submitted

LONG_S = 60
SOON_S = 5


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Lets no timer end a wait while a test looks at what else ends it."""
    monkeypatch.setattr(module, "PATIENCE_MAX_S", LONG_S)


async def test_callers_who_are_answered_together_share_their_next_transaction(
    journal, committer, monkeypatch
):
    ended = Gathering.ended
    monkeypatch.setattr(
        Gathering, "ended", lambda self, *, known, **_: ended(self, known=known, took_s=LONG_S)
    )

    async def send_again(number):
        await journal.submit(move(f"{number}-1"))
        return await journal.submit(move(f"{number}-2"))

    first = await held(journal, committer, move("first"))
    ones = [asyncio.create_task(send_again(number)) for number in range(5)]
    await asyncio.sleep(0)
    committer.began.clear()
    committer.let.set()
    committer.let.clear()  # lets the first one go, and holds the next
    await asyncio.wait_for(committer.began.wait(), 1)
    others = await submitted(journal, [move(f"other-{number}") for number in range(5)])
    committer.let.set()
    async with asyncio.timeout(SOON_S):
        await asyncio.gather(first, *ones, *others)

    assert [len(batch) for batch in committer.batches] == [1, 5, 10]


async def test_a_caller_that_does_not_come_back_is_waited_for_once_and_briefly(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_MAX_S", PATIENCE_MAX_S)
    gathering = Gathering()
    gathering.ended(known=KNOWN_MIN, took_s=LONG_S)
    now_s = asyncio.get_running_loop().time
    began_s = now_s()

    await asyncio.wait_for(gathering.wait(1), SOON_S)
    assert now_s() - began_s >= PATIENCE_MAX_S / 2, "not at once either"
    gathering.ended(known=1, took_s=LONG_S)

    waiting = asyncio.create_task(gathering.wait(1))
    await asyncio.sleep(0)
    assert waiting.done()


async def test_nobody_waits_longer_than_the_transaction_before_took():
    gathering = Gathering()
    gathering.ended(known=KNOWN_MIN, took_s=0.001)

    await asyncio.wait_for(gathering.wait(1), SOON_S)


async def test_the_last_of_those_expected_ends_the_wait():
    gathering = Gathering()
    gathering.ended(known=KNOWN_MIN, took_s=LONG_S)
    waiting = asyncio.create_task(gathering.wait(1))
    await asyncio.sleep(0)

    for _ in range(KNOWN_MIN - 2):
        gathering.arrived(1)
    await asyncio.sleep(0)
    assert not waiting.done()
    gathering.arrived(1)

    await asyncio.wait_for(waiting, SOON_S)


async def test_a_batch_counts_as_its_commands():
    gathering = Gathering()
    gathering.ended(known=64, took_s=LONG_S)
    waiting = asyncio.create_task(gathering.wait(1))
    await asyncio.sleep(0)

    gathering.arrived(100)

    await asyncio.wait_for(waiting, SOON_S)


async def test_where_few_wait_nobody_waits_for_company():
    gathering = Gathering()
    gathering.ended(known=KNOWN_MIN - 1, took_s=LONG_S)

    waiting = asyncio.create_task(gathering.wait(1))
    await asyncio.sleep(0)

    assert waiting.done()


async def test_closing_ends_the_wait():
    gathering = Gathering()
    gathering.ended(known=64, took_s=LONG_S)
    waiting = asyncio.create_task(gathering.wait(1))
    await asyncio.sleep(0)

    gathering.stop()

    await asyncio.wait_for(waiting, SOON_S)


@pytest.mark.parametrize("ending", ["other_ended", "arrived", "stop"])
async def test_a_wait_beside_another_transaction_has_three_ends(ending):
    gathering = Gathering()
    waiting = asyncio.create_task(gathering.wait_beside(2, LONG_S))
    await asyncio.sleep(0)
    gathering.arrived(1)
    await asyncio.sleep(0)
    assert not waiting.done()
    getattr(gathering, ending)(*[1] * (ending == "arrived"))

    await asyncio.wait_for(waiting, SOON_S)


async def test_the_end_of_another_transaction_does_not_end_a_plain_wait():
    gathering = Gathering()
    gathering.ended(known=KNOWN_MIN, took_s=LONG_S)
    waiting = asyncio.create_task(gathering.wait(1))
    await asyncio.sleep(0)
    gathering.other_ended()
    await asyncio.sleep(0)

    assert not waiting.done()
    gathering.stop()
    await asyncio.wait_for(waiting, SOON_S)


@pytest.fixture
async def two_lanes(committer):
    lanes = [committer, committer]
    async with GroupCommit(lanes, None, needs_of=needs_of, limits=LIMITS) as journal:
        yield journal


@pytest.fixture
def young(monkeypatch):
    """Lets no transaction grow old."""
    monkeypatch.setattr(group_commit, "BESIDE_PATIENCE_S", LONG_S)


@pytest.mark.usefixtures("young")
async def test_few_commands_wait_for_the_transaction_that_is_under_way(two_lanes, committer):
    first = await held(two_lanes, committer, move("first"))
    others = await submitted(two_lanes, [move(f"other-{n}", "c", "d") for n in range(5)])
    await asyncio.sleep(0.01)
    assert [len(batch) for batch in committer.batches] == [1]
    committer.let.set()
    async with asyncio.timeout(SOON_S):
        await asyncio.gather(first, *others)

    assert [len(batch) for batch in committer.batches] == [1, 5]


async def test_nobody_waits_for_a_transaction_that_is_old(two_lanes, committer, monkeypatch):
    monkeypatch.setattr(group_commit, "BESIDE_PATIENCE_S", 0.001)
    first = await held(two_lanes, committer, move("first"))
    await asyncio.sleep(0.01)
    committer.began.clear()
    other = await submitted(two_lanes, [move("other", "c", "d")])
    async with asyncio.timeout(SOON_S):
        await committer.began.wait()
    committer.let.set()
    await asyncio.gather(first, *other)

    assert [len(batch) for batch in committer.batches] == [1, 1]


@pytest.mark.usefixtures("young")
async def test_many_commands_are_worth_a_transaction_beside_another(
    two_lanes, committer, monkeypatch
):
    monkeypatch.setattr(group_commit, "BESIDE_MIN", 5)
    first = await held(two_lanes, committer, move("first"))
    committer.began.clear()
    few = await submitted(two_lanes, [move(f"few-{n}", "c", "d") for n in range(4)])
    await asyncio.sleep(0.01)
    assert not committer.began.is_set()
    last = await submitted(two_lanes, [move("last", "e", "f")])
    async with asyncio.timeout(SOON_S):
        await committer.began.wait()
    committer.let.set()
    await asyncio.gather(first, *few, *last)

    assert [len(batch) for batch in committer.batches] == [1, 5]


@pytest.mark.usefixtures("young")
async def test_what_was_taken_by_another_lane_does_not_count_any_more(
    two_lanes, committer, monkeypatch
):
    monkeypatch.setattr(group_commit, "BESIDE_MIN", 5)
    first = await held(two_lanes, committer, move("first"))
    few = await submitted(two_lanes, [move(f"few-{n}", "c", "d") for n in range(4)])
    await asyncio.sleep(0.01)
    committer.began.clear()
    committer.let.set()
    committer.let.clear()  # lets the first one go, and holds the next
    await first
    async with asyncio.timeout(SOON_S):
        await committer.began.wait()
    one = await submitted(two_lanes, [move("one", "e", "f")])
    await asyncio.sleep(0.01)
    assert [len(batch) for batch in committer.batches] == [1, 4]
    committer.let.set()
    async with asyncio.timeout(SOON_S):
        await asyncio.gather(*few, *one)

    assert [len(batch) for batch in committer.batches] == [1, 4, 1]
