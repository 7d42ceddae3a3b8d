"""How Redis is kept after the table, without Redis."""

import asyncio

import pytest

from agents.balances import BalancesAgent
from chronos.clock import SystemClock
from chronos.errors import Unavailable
from chronos.mirror import follower as room
from chronos.mirror.follower import RedisFollower
from chronos.telemetry.metrics import REGISTRY
from tests.unit.balances.parts import (
    MemoryJournal,
    MemoryTable,
    awake,
    busy_bank,
    patiently,
    record,
    take,
)


class MemoryRedis:
    """A Redis that may be away, and the mark inside it."""

    def __init__(self):
        self.balances = {}
        self.away = False
        self.mark = None
        self.calls = 0
        self.before_write = lambda: None

    async def ping(self):
        self._answer()

    async def write_many(self, balances):
        self._answer()
        self.before_write()
        for balance in balances:
            before = self.balances.get(balance.account_id)
            if before is None or before.version < balance.version:
                self.balances[balance.account_id] = balance

    async def begin(self):
        self._answer()
        self.mark = "filling"

    async def set(self):
        self._answer()
        self.mark = self.mark and "set"
        return self.mark is not None

    async def is_there(self):
        self._answer()
        return self.mark == "set"

    async def close(self):
        pass

    def flush(self):
        self.balances.clear()
        self.mark = None

    def _answer(self):
        self.calls += 1
        if self.away:
            raise Unavailable("redis", "away")


class Bench:
    """The follower between a table with a day's balances and a fake Redis."""

    def __init__(self):
        rows, self.records = busy_bank()
        self.table = MemoryTable()
        self.redis = MemoryRedis()
        self.follower = RedisFollower(self.redis, self.redis, self.table, SystemClock())
        self.agent = BalancesAgent(
            self.table,
            patiently=patiently,
            journal=MemoryJournal(rows),
            copy=self.follower,
            clock=SystemClock(),
            guard=awake(),
        )

    async def take_all(self):
        await take(self.agent, [record(row) for row in self.records])

    def is_equal(self):
        wanted = {key.decode(): value for key, value in self.table.values.items()}
        return self.redis.balances == wanted


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the condition is in a foreign object
            await asyncio.sleep(0.001)


@pytest.fixture
async def bench(monkeypatch):
    monkeypatch.setattr(room, "CHECK_INTERVAL_S", 0.01)
    monkeypatch.setattr(room, "_PAUSE_FIRST_S", 0.001)
    made = Bench()
    await made.follower.open()
    yield made
    await made.follower.close()


async def test_what_is_put_is_written(bench):
    await bench.take_all()

    await until(bench.is_equal)


async def test_after_an_outage_redis_is_filled_from_the_table(bench):
    bench.redis.away = True
    await bench.take_all()
    await until(lambda: bench.redis.calls > 3)

    bench.redis.away = False

    await until(bench.is_equal)
    await until(lambda: not bench.follower.is_behind)


async def test_a_loss_without_any_error_is_noticed(bench):
    await bench.take_all()
    bench.follower.refill("assignment")
    await until(lambda: not bench.follower.is_behind)

    bench.redis.flush()

    await until(bench.is_equal)


async def test_a_loss_is_noticed_under_load_too(bench):
    await bench.take_all()
    bench.follower.refill("assignment")
    await until(lambda: not bench.follower.is_behind)
    bench.redis.flush()
    busiest = [bench.table.values[b"alice"]]

    def filled():
        bench.follower.put(busiest)
        return bench.is_equal()

    await until(filled)


async def test_a_loss_in_the_middle_of_a_filling_is_noticed(bench):
    await bench.take_all()
    await until(bench.is_equal)
    bench.table.page_balances = 1
    writes = []

    def flush_before_the_second():
        writes.append(None)
        if len(writes) == 2:
            bench.redis.flush()

    bench.redis.before_write = flush_before_the_second

    bench.follower.refill("assignment")

    await until(lambda: not bench.follower.is_behind)
    assert len(writes) > 2
    assert bench.is_equal()


async def test_more_than_the_bound_is_forgotten_and_filled_in(bench, monkeypatch):
    monkeypatch.setattr(room, "PENDING_BALANCES_MAX", 1)

    await bench.take_all()

    await until(bench.is_equal)


async def test_an_assignment_fills_everything(bench):
    await bench.take_all()
    await until(bench.is_equal)
    bench.redis.balances.clear()

    bench.follower.refill("assignment")

    await until(bench.is_equal)


async def test_its_lag_counts_from_when_redis_was_whole(bench):
    await bench.take_all()
    bench.follower.refill("assignment")
    await until(lambda: not bench.follower.is_behind)
    assert lag_of_redis() < 1

    bench.redis.away = True
    await bench.take_all()
    await until(lambda: bench.follower.is_behind)
    away_since_s = SystemClock().monotonic_s()
    await until(lambda: bench.redis.calls > 5)
    away_s = SystemClock().monotonic_s() - away_since_s

    assert bench.follower.pending == 0, "what is forgotten does not wait"
    assert lag_of_redis() >= away_s
    assert REGISTRY.get_sample_value("chronos_redis_behind") == 1


def lag_of_redis():
    return REGISTRY.get_sample_value("chronos_sink_lag_seconds", {"sink": "redis"})
