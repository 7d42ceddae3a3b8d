"""What the product's agents see of Faust: an app, streams and a channel.

A stream hands out what its group has assigned, partitions mixed as chance has it, and now and
then a record twice, unreadable, or not at all (if a later one of its account shows the gap).
Offsets are committed up to the first record that is not acknowledged. A member that loses
partitions finishes what it has in hand if it can.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from faust.types import TP

from chronos.settings import Settings
from chronos.stream.liveness import Liveness
from chronos.stream.pages import PageOffsets
from chronos.wire.topics import Names
from tests.simulation.kafka import BEAT_S, SESSION_S, FakeKafka, Group, Record
from tests.simulation.loop import Process, current
from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.simulation.faust_table import SimTable

COMMIT_S = 1.0
BUFFER_MAX = 100
WRITTEN_MS = 1_800_000_000_000
"""When a record was written, by Kafka's clock; nothing here rests on it."""
_UNREADABLE = b"\xff\xfe"
_DRAIN_S = 2.0
_PAUSES_SHARE = 0.3
_PAUSE_S_MAX = 0.2


class Stopped(Exception):
    """Ends a process that was asked to stop, when it is done."""


class Signal:
    """Calls who has connected."""

    def __init__(self) -> None:
        self._called: list[Callable[..., Awaitable[None]]] = []

    def connect(self, call: Callable[..., Awaitable[None]]) -> None:
        self._called.append(call)

    async def send(self) -> None:
        for call in self._called:
            await call()


class Channel(asyncio.Queue[Any]):
    """A channel in memory; what lies in it is lost in a rebalance."""

    def __aiter__(self) -> Channel:
        return self

    async def __anext__(self) -> Any:
        return await self.get()

    def clear(self) -> None:
        while not self.empty():
            self.get_nowait()


class SimApp:
    """One worker's app."""

    def __init__(self, world: World, kafka: FakeKafka, settings: Settings, role: str):
        self.world, self.kafka, self.settings, self.role = world, kafka, settings, role
        self.names = Names(settings.namespace)
        self.liveness = Liveness(clock_s=asyncio.get_running_loop().time)
        self.batch_given_up = asyncio.Event()
        self.should_stop = False
        self.conf = SimpleNamespace(broker_session_timeout=SESSION_S)
        self.producer = kafka.producer()
        self.consumer = SimpleNamespace(assignment=self._assignment)
        self.on_partitions_revoked = Signal()
        self.on_rebalance_complete = Signal()
        self.on_before_shutdown = Signal()
        self.assignor = SimpleNamespace(is_active=lambda place: place.partition in self.owned)
        self.owned: frozenset[int] = frozenset()
        self.table: SimTable | None = None
        self.ends_with: asyncio.Future[BaseException] = (
            asyncio.get_running_loop().create_future()
        )
        self._process = current() or Process("nobody")
        self._resources: list[Any] = []
        self._agents: list[tuple[Any, Callable[..., Awaitable[None]]]] = []
        self._channels: list[Channel] = []
        self._streams: list[SimStream] = []

    # What the product calls.

    def add_resource(self, resource: Any) -> None:
        self._resources.append(resource)

    def add_work(self, works: Callable[[], Any]) -> None:
        # Nothing hangs here for longer than the virtual day of a run.
        works()

    def acknowledge(self, page: Any) -> None:
        page.ack()

    def add_future(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._process.spawn(self._watched(work))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def crash(self, reason: BaseException) -> None:
        if not self.ends_with.done():
            self.ends_with.set_result(reason)

    def channel(self, *, maxsize: int) -> Channel:
        self._channels.append(Channel(maxsize))
        return self._channels[-1]

    def source_topic(
        self, name: str, *, partitions: int | None = None, **_: Any
    ) -> SimpleNamespace:
        return SimpleNamespace(name=name, partitions=partitions or self.settings.partitions)

    def agent(self, source: Any, **_: Any) -> Callable[..., Any]:
        def take(function: Any) -> Any:
            self._agents.append((source, function))
            return function

        return take

    # What stands for the Faust worker.

    async def run(self) -> BaseException:
        """Runs until something ends the worker; gives what did."""
        for resource in self._resources:
            await resource.open()
        for source, function in self._agents:
            if isinstance(source, Channel):
                self.add_future(function(source))
                continue
            stream = SimStream(self, source.name, source.partitions)
            self._streams.append(stream)
            self.add_future(function(stream))
            self.add_future(stream.follow())
        return await self.ends_with

    async def stop(self) -> None:
        """Does what SIGTERM asks for: gives up what it owns, then closes."""
        self.should_stop = True
        await self.on_before_shutdown.send()
        for stream in self._streams:
            await stream.drain()
        for resource in reversed(self._resources):
            await resource.close()
        await self.crash(Stopped())

    async def revoked(self) -> None:
        await self.on_partitions_revoked.send()
        for channel in self._channels:
            channel.clear()

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever it is ends the worker
            await self.crash(error)

    def _assignment(self) -> set[TP]:
        return {TP(s.topic, number) for s in self._streams for number in s.assigned}


class SimStream:
    """One agent's records, taken in batches and acknowledged by the batch."""

    def __init__(self, app: SimApp, topic: str, partitions: int):
        self.topic = topic
        self.assigned: frozenset[int] = frozenset()
        self._app = app
        self._kafka = app.kafka
        self._member = f"{app.role}-{app.settings.slot}"
        self._records_max = app.settings.batch_events_max
        self._group = Group.of(app.kafka, f"{app.role}/{topic}", topic, partitions)
        self._generation = -1
        self._chance = app.world.chance(f"stream/{self._member}/{topic}/{app.kafka.producers}")
        self._positions: dict[int, int] = {}
        self._pages = PageOffsets()
        self._buffer: list[Any] = []
        self._in_hand: list[Any] = []
        self._filled = asyncio.Event()
        self._news: asyncio.Future[None] | None = None

    # What `consume` calls.

    def noack(self) -> SimStream:
        return self

    async def events(self) -> AsyncIterator[Any]:
        while True:
            while not self._buffer:
                self._filled.clear()
                await self._filled.wait()
            page = self._buffer.pop(0)
            self._in_hand.append(page)
            yield page
            # So that now one page, now many wait for whoever takes them.
            if self._chance.random() < _PAUSES_SHARE:
                await asyncio.sleep(self._chance.random() * _PAUSE_S_MAX)

    # What stands for Faust's consumer.

    async def follow(self) -> None:
        """Joins the group and follows what it says."""
        is_new = True
        self._app.add_future(self._fetch())
        self._app.add_future(self._commit())
        while True:
            generation = await self._group.beat(self._member)
            if is_new or generation != self._generation:
                await self._rejoin(is_new=is_new)
                is_new = False
            await asyncio.sleep(BEAT_S)

    async def _rejoin(self, *, is_new: bool) -> None:
        if self.assigned:
            await self.drain()
            await self._app.revoked()
        self.assigned = frozenset()
        generation, assigned = await self._group.join(self._member, is_new=is_new)
        if self._app.table is not None:
            await self._app.table.recover(assigned)
        self._generation = generation
        self._pages.forget(TP(self.topic, n) for n in range(self._group.partitions))
        for partition in assigned:
            self._positions[partition] = self._group.committed.get(partition, 0)
        self.assigned = assigned
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
        self._app.world.trace(f"{self.topic} assigned {sorted(assigned)} in {generation}")
        await self._app.on_rebalance_complete.send()

    async def drain(self) -> None:
        """Lets what is in hand be finished, for a moment, and commits the offsets."""
        self._buffer.clear()
        deadline = asyncio.get_running_loop().time() + _DRAIN_S
        while self._in_hand and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - the condition is the fake's own state
            await asyncio.sleep(0.02)
        await self._send_offsets()

    async def _commit(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_S)
            await self._send_offsets()

    async def _send_offsets(self) -> None:
        offsets = {}
        for partition in sorted(self.assigned):
            offset = self._pages.committable(TP(self.topic, partition))
            if offset is not None:
                offsets[partition] = offset
        if offsets:
            await self._group.commit(self._member, self._generation, offsets)

    async def _fetch(self) -> None:
        while True:
            waiting = [
                number
                for number in sorted(self.assigned)
                if self._positions[number] < len(self._kafka.log((self.topic, number)))
            ]
            if not waiting:
                self._news = self._kafka.news()
                await self._news
                continue
            if len(self._buffer) + len(self._in_hand) >= BUFFER_MAX:
                await asyncio.sleep(0.05)
                continue
            await self._kafka.network.travel()
            await self._kafka.until_up()
            partition = waiting[int(self._chance.random() * len(waiting))]
            if partition not in self.assigned:
                continue
            self._take(partition, 1 + int(self._chance.random() * self._records_max))
            self._filled.set()

    def _take(self, partition: int, most: int) -> None:
        """Hands on what a fetch found as one page, as `KafkaTransport` does."""
        log = self._kafka.log((self.topic, partition))
        first = self._positions[partition]
        last = self._positions[partition] = min(first + most, len(log))
        page = [
            record for n in range(first, last) if (record := self._record(log, partition, n))
        ]
        message = SimpleNamespace(
            tp=TP(self.topic, partition), offset=last - 1, acked=False, value=page
        )
        self._pages.hand_out(message)
        event = SimpleNamespace(value=page, message=message)
        event.ack = lambda: self._acknowledge(event, message)
        self._buffer.append(event)

    def _acknowledge(self, event: Any, message: Any) -> None:
        if event in self._in_hand:
            self._in_hand.remove(event)
        self._pages.acknowledge(message)

    def _record(self, log: Sequence[Record], partition: int, offset: int) -> Any:
        """One record as it comes out of the network; None for one that never does."""
        record, world = log[offset], self._app.world
        place = f"{self.topic}/{partition}/{offset}"
        draw = 1.0 if world.is_calm else self._chance.random()
        if draw < 0.01 and self._is_superseded(log, offset):
            world.trace(f"{place} is left out")
            world.saw("a record was left out")
            return None
        if draw < 0.02 and self._is_event(record):
            world.trace(f"{place} is unreadable")
            world.saw("a record was unreadable")
            record = record._replace(value=_UNREADABLE)
        return SimpleNamespace(
            topic=self.topic,
            partition=partition,
            offset=offset,
            timestamp=WRITTEN_MS,
            key=record.key,
            value=record.value,
            headers=tuple(record.headers),
        )

    def _is_event(self, record: Record) -> bool:
        return self.topic == self._app.names.events and bool(record.headers)

    def _is_superseded(self, log: Sequence[Record], offset: int) -> bool:
        """Tells whether a later version of the account will show the gap: to the table."""
        record = log[offset]
        if self._app.role != "balances" or not self._is_event(record):
            return False
        version = _version(record)
        return any(
            later.key == record.key and _version(later) > version for later in log[offset + 1 :]
        )


def _version(record: Record) -> int:
    return int(dict(record.headers).get("ce_version", b"0"))
