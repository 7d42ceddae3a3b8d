"""Changelogs are read by pages, as far as Faust found them to go and no further."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from faust.tables.recovery import RebalanceAgain
from faust.types import TP

from chronos.settings import Settings
from chronos.stream import recovery as module
from chronos.stream.app import make_app
from chronos.stream.recovery import BulkRecovery, BulkTable

A, B = TP("changelog", 0), TP("changelog", 1)


class Table(BulkTable):
    """Notes what it is given; keeps the partitions that it was told of."""

    def __init__(self, *partitions: int):
        self.partitions = partitions
        self.offsets: list[tuple[int, int]] = []

    def fill(self, tp, records) -> bool:
        if tp.partition not in self.partitions:
            return False
        self.offsets += [(tp.partition, record.offset) for record in records]
        return True


class Reader:
    """Gives pages, then nothing, from partitions that end at their last offset."""

    def __init__(self, pages, ends, *, error: Exception | None = None, last=None):
        self._pages = list(pages)
        self._ends = ends
        self._error = error
        self._last = last
        self._positions: dict[int, int] = {}
        self.paused: list[int] = []
        self.stopped = asyncio.Event()
        self.consumer = Consumer()

    async def getmany(self, **_):
        if len(self._pages) <= 1 and self._last:
            await self._last()
        if not self._pages and self._error:
            raise self._error
        if not self._pages:
            # The gap at the end, where there is one, is passed without a record.
            self._positions = {number: end + 1 for number, end in self._ends.items()}
            return {}
        page = self._pages.pop(0)
        for number, offsets in page.items():
            self._positions[number] = offsets[-1] + 1
        return {
            TopicPartition("changelog", number): [SimpleNamespace(offset=o) for o in offsets]
            for number, offsets in page.items()
        }

    async def position(self, place):
        return self._positions.get(place.partition, 0)

    def pause(self, place):
        self.paused.append(place.partition)


class Consumer:
    """Faust's own, which is told from where to go on."""

    def __init__(self):
        self.sought: list[dict[TP, int]] = []

    async def seek_wait(self, offsets):
        self.sought.append(dict(offsets))


@pytest.fixture
async def recovery(tmp_path) -> BulkRecovery:
    made = make_app(Settings(state_dir=tmp_path), "balances").tables.recovery
    assert isinstance(made, BulkRecovery)
    made.active_offsets.update({A: -1, B: 4})
    made.active_highwaters.update({A: 9, B: 7})
    return made


async def recover(recovery: BulkRecovery, table: Table, reader: Reader | None) -> Consumer:
    recovery.tp_to_table.update({A: table, B: table})

    @asynccontextmanager
    async def opened(*_):
        assert reader is not None, "nothing is behind, and Kafka is asked all the same"
        try:
            yield reader
        finally:
            reader.stopped.set()

    recovery._reader = opened
    consumer = Consumer() if reader is None else reader.consumer
    await recovery._seek_offsets(consumer, {A, B}, recovery.active_offsets, "active")
    return consumer


async def as_faust_waits(recovery: BulkRecovery, table: Table, reader: Reader) -> None:
    """Recovers until it is done or the next rebalance begins, which is when Faust cancels."""
    await recovery._wait(recover(recovery, table, reader))


async def test_pages_go_to_the_table_and_faust_goes_on_behind_them(recovery):
    table, reader = Table(0, 1), Reader([{0: [0, 1], 1: [5, 7]}, {0: [2, 9]}], {0: 9, 1: 7})

    consumer = await recover(recovery, table, reader)

    assert table.offsets == [(0, 0), (0, 1), (1, 5), (1, 7), (0, 2), (0, 9)]
    assert not recovery.need_recovery()
    assert consumer.sought == [{A: 9, B: 7}]
    assert reader.paused == [1, 0]


async def test_a_gap_at_the_end_holds_nothing(recovery):
    table, reader = Table(0, 1), Reader([{0: [0, 3]}], {0: 9, 1: 7})

    await recover(recovery, table, reader)

    assert table.offsets == [(0, 0), (0, 3)]
    assert not recovery.need_recovery()


async def test_a_partition_that_is_not_here_is_left_alone(recovery):
    table, reader = Table(0), Reader([{0: [0, 9], 1: [5, 7]}], {0: 9, 1: 7})

    await recover(recovery, table, reader)

    assert table.offsets == [(0, 0), (0, 9)]
    assert recovery.active_offsets[B] == 4


async def test_a_rebalance_ends_the_reading_at_once(recovery):
    async def rebalanced():
        recovery.signal_recovery_start.set()
        await asyncio.Event().wait()  # nothing comes any more

    table, reader = Table(0, 1), Reader([{0: [0, 1]}, {0: [9]}], {}, last=rebalanced)

    async with asyncio.timeout(5):
        with pytest.raises(RebalanceAgain):
            await as_faust_waits(recovery, table, reader)
        await reader.stopped.wait()

    assert table.offsets == [(0, 0), (0, 1)]
    assert recovery.active_offsets == {A: 1, B: 4}
    assert recovery.need_recovery(), "what is left is read in the next recovery"
    assert reader.consumer.sought == []


async def test_a_page_that_comes_with_a_rebalance_is_of_the_assignment_before(recovery):
    async def rebalanced():
        # As Faust does: one partition is gone, one is given anew and has nothing yet.
        recovery.active_offsets.clear()
        recovery.active_offsets[A] = None
        recovery.signal_recovery_start.set()

    table = Table(0, 1)
    reader = Reader([{0: [0], 1: [5]}, {0: [9], 1: [7]}], {0: 9, 1: 7}, last=rebalanced)

    async with asyncio.timeout(5):
        with pytest.raises(RebalanceAgain):
            await as_faust_waits(recovery, table, reader)
        await reader.stopped.wait()

    assert table.offsets == [(0, 0), (1, 5)]
    assert recovery.active_offsets == {A: None}
    assert reader.consumer.sought == []


async def test_a_reader_that_is_closing_when_a_rebalance_comes_is_closed(recovery, monkeypatch):
    done: list[str] = []

    class Kafka(Reader):
        def __init__(self, **_):
            super().__init__([], {0: 9, 1: 7})

        async def start(self):
            done.append("started")

        def assign(self, places):
            done.append(f"{len(places)} assigned")

        def seek(self, place, offset):
            done.append(f"{place.partition} from {offset}")

        async def stop(self):
            recovery.signal_recovery_start.set()
            for _ in range(20):
                await asyncio.sleep(0)
            done.append("closed")
            closed.set()

    closed = asyncio.Event()
    monkeypatch.setattr(module, "AIOKafkaConsumer", Kafka)
    recovery.tp_to_table.update({A: Table(0, 1), B: Table(0, 1)})

    async with asyncio.timeout(5):
        with pytest.raises(RebalanceAgain):
            await recovery._wait(
                recovery._seek_offsets(Consumer(), {A, B}, recovery.active_offsets, "active")
            )
        await closed.wait()

    assert sorted(done[:-1]) == ["0 from 0", "1 from 5", "2 assigned", "started"]
    assert done[-1] == "closed"


async def test_what_kafka_does_not_give_is_left_to_faust(recovery):
    reader = Reader([{0: [0, 5]}], {}, error=KafkaConnectionError("gone"))

    consumer = await recover(recovery, Table(0, 1), reader)

    assert recovery.need_recovery()
    assert consumer.sought == [{A: 5, B: 4}]


async def test_a_table_that_is_whole_asks_nobody(recovery):
    recovery.active_offsets[A], recovery.active_offsets[B] = 9, 7

    await recover(recovery, Table(0, 1), None)

    assert not recovery.need_recovery()


async def test_what_takes_no_pages_is_left_to_faust(recovery):
    recovery.tp_to_table.update({A: object(), B: object()})

    await recovery._read_in_bulk({A, B}, recovery.active_offsets)

    assert recovery.active_offsets == {A: -1, B: 4}


async def test_tables_are_started_without_a_pause(tmp_path):
    tables = make_app(Settings(state_dir=tmp_path), "balances").tables
    done: list[str] = []

    async def sleep(*_):
        done.append("sleep")

    async def channels():
        done.append("channels")

    async def start():
        done.append("recovery")

    tables.sleep, tables._update_channels, tables.recovery.start = sleep, channels, start
    await tables.on_start()

    assert done == ["channels", "recovery"]
