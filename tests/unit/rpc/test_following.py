"""Waiting for the next event: woken once, told of trouble, and asking little."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from chronos.errors import Unavailable
from chronos.rpc import following
from chronos.rpc.following import Following


class FakeHeads:
    def __init__(self):
        self.newest = {}
        self.asked = []
        self.fault = None

    async def versions(self, account_ids):
        self.asked.append(set(account_ids))
        if self.fault is not None:
            raise self.fault
        return {a: v for a, v in self.newest.items() if a in account_ids}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(following, "ROUND_FIRST_S", 0.001)
    monkeypatch.setattr(following, "ROUND_MAX_S", 0.01)


@asynccontextmanager
async def running(heads):
    made = Following(heads)
    rounds = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        rounds.cancel()
        await asyncio.gather(rounds, return_exceptions=True)


async def test_a_later_version_wakes_those_who_wait_for_it_and_nobody_else():
    heads = FakeHeads()
    heads.newest = {"a": 2, "b": 7}
    async with running(heads) as follows:
        behind = asyncio.create_task(follows.beyond("a", 1, within_s=20))
        level = asyncio.create_task(follows.beyond("a", 2, within_s=20))
        other = asyncio.create_task(follows.beyond("b", 7, within_s=20))

        assert await behind is True
        assert not level.done()
        heads.newest["a"] = 3
        assert await level is True
        assert not other.done()
        other.cancel()


async def test_nothing_new_in_time_is_told_as_such():
    async with running(FakeHeads()) as follows:
        assert await follows.beyond("a", 1, within_s=0.02) is False


async def test_one_question_is_asked_for_all_and_none_when_nobody_waits():
    heads = FakeHeads()
    async with running(heads) as follows:
        waits = [follows.beyond(name, 1, within_s=0.05) for name in "aabbc"]
        assert await asyncio.gather(*waits) == [False] * 5
        assert {"a", "b", "c"} in heads.asked
        assert follows._waiting == {}
        assert not follows._somebody.is_set()


async def test_a_server_that_is_away_is_told_to_all_who_wait_and_later_ones_are_served():
    heads = FakeHeads()
    heads.fault = Unavailable("postgresql", "away")
    async with running(heads) as follows:
        waits = [follows.beyond(name, 1, within_s=20) for name in "ab"]
        told = await asyncio.gather(*waits, return_exceptions=True)
        assert [type(fault) for fault in told] == [Unavailable, Unavailable]

        heads.fault, heads.newest = None, {"a": 2}
        assert await follows.beyond("a", 1, within_s=20) is True


async def test_a_stopping_process_ends_every_wait():
    async with running(FakeHeads()) as follows:
        wait = asyncio.create_task(follows.beyond("a", 1, within_s=20))
        await asyncio.sleep(0)

        follows.stop()

        with pytest.raises(Unavailable, match="stopping"):
            await wait
        with pytest.raises(Unavailable, match="stopping"):
            await follows.beyond("a", 1, within_s=20)


async def test_a_wait_that_is_cancelled_leaves_nothing_behind():
    async with running(FakeHeads()) as follows:
        wait = asyncio.create_task(follows.beyond("a", 1, within_s=20))
        await asyncio.sleep(0)
        assert follows._waiting

        wait.cancel()
        await asyncio.gather(wait, return_exceptions=True)

        assert follows._waiting == {}
