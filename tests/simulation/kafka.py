"""A Kafka in memory: partitions, producers whose acknowledgements get lost, consumer groups.

- A partition is a list; what was appended stays.
- A producer sends one batch of a partition after the other. A lost request or a lost
  acknowledgement is sent again by the producer itself, and the broker knows an idempotent
  producer's batch again. Sometimes the producer gives up, and then its batch may still arrive:
  before what is sent next, or long after it.
- A group gives partitions to the members that are alive, and takes a commit only from whoever
  owns the partition now. A member that comes back under its name within the session's time
  finds its partitions again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple

from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError

from chronos.errors import Unavailable
from chronos.stream.topic_reader import TopicRecord
from tests.simulation.loop import current
from tests.simulation.world import Network, World

BATCH_RECORDS_MAX = 12
SESSION_S = 4.0
BEAT_S = 0.4
_RETRY_S = 0.1
_GIVE_UP = 0.15
Place = tuple[str, int]
Headers = Sequence[tuple[str, bytes]]


class Record(NamedTuple):
    """One record of a partition."""

    key: bytes
    value: bytes
    headers: Headers


class FakeKafka:
    """The broker."""

    def __init__(self, world: World, *, partitions: int):
        self.world = world
        self.server = world.process("kafka")
        self.network = Network(world, "kafka")
        self.partitions = partitions
        self.is_down = False
        self.logs: dict[Place, list[Record]] = {}
        self.on_append: Callable[[Place, Record], None] = lambda *_: None
        self._seen: dict[tuple[int, Place], int] = {}
        self.groups: dict[str, Group] = {}
        self.producers = 0
        self._readers: list[asyncio.Future[None]] = []

    def log(self, place: Place) -> list[Record]:
        return self.logs.setdefault(place, [])

    def append(
        self, place: Place, producer: int, number: int, records: list[Record]
    ) -> int | None:
        """Appends a batch and gives its offset; -1: an idempotent producer's is there already.

        None: it is out of its producer's order.
        """
        before = self._seen.get((producer, place), -1)
        if producer and before != number - 1:
            return -1 if number <= before else None
        self._seen[producer, place] = number
        log = self.log(place)
        offset = len(log)
        for record in records:
            log.append(record)
            self.on_append(place, record)
        readers, self._readers = self._readers, []
        for reader in readers:
            if not reader.done():
                reader.set_result(None)
        return offset

    def news(self) -> asyncio.Future[None]:
        """Is done when something was appended somewhere."""
        reader: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._readers.append(reader)
        return reader

    async def until_up(self) -> None:
        while self.is_down:  # noqa: ASYNC110 - the condition is the fake's own state
            await asyncio.sleep(_RETRY_S)

    @asynccontextmanager
    async def reader(self, _bootstrap: str, topic: str) -> AsyncIterator[FakeReader]:
        """Opens a topic for reading, at its beginning."""
        await self.network.travel()
        if self.is_down:
            raise Unavailable("kafka", "nobody listens")
        yield FakeReader(self, topic)

    def producer(self, **options: Any) -> FakeProducer:
        return FakeProducer(self, is_idempotent=options.get("enable_idempotence", False))


class FakeReader:
    """Reads a topic outside of any group, as `chronos.stream.topic_reader` does."""

    def __init__(self, kafka: FakeKafka, topic: str):
        self._kafka = kafka
        self._topic = topic
        self._at = dict.fromkeys(range(kafka.partitions), 0)

    async def end_offsets(self) -> dict[int, int]:
        await self._kafka.network.travel()
        return {n: len(self._kafka.log((self._topic, n))) for n in self._at}

    async def begin_offsets(self) -> dict[int, int]:
        await self._kafka.network.travel()
        return dict.fromkeys(self._at, 0)

    def go_to(self, offsets: dict[int, int]) -> None:
        self._at.update(offsets)

    async def pages_until(self, ends: dict[int, int]) -> AsyncIterator[list[TopicRecord]]:
        for partition, end in ends.items():
            await self._kafka.network.travel()
            log = self._kafka.log((self._topic, partition))
            if self._at[partition] < end:
                yield [
                    TopicRecord(partition, offset, 0, one.key, one.value, tuple(one.headers))
                    for offset, one in enumerate(log[:end])
                    if offset >= self._at[partition]
                ]


class FakeBatch:
    """Records of one partition that are sent together."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def append(
        self, *, timestamp: None, key: bytes, value: bytes, headers: Headers
    ) -> object | None:
        del timestamp
        if len(self.records) >= BATCH_RECORDS_MAX:
            return None
        self.records.append(Record(key, value, headers))
        return self.records

    def record_count(self) -> int:
        return len(self.records)


class FakeProducer:
    """What the product calls of `AIOKafkaProducer`."""

    def __init__(self, kafka: FakeKafka, *, is_idempotent: bool):
        self._kafka = kafka
        kafka.producers += 1
        self._id = kafka.producers if is_idempotent else 0
        self._tails: dict[Place, asyncio.Future[Any]] = {}
        self._numbers: dict[Place, int] = {}
        self._open: list[asyncio.Future[Any]] = []
        self._message_accumulator = self._sender = self.client = self

    async def start(self) -> None:
        await self._kafka.network.travel()
        if self._kafka.is_down:
            raise KafkaConnectionError("nobody listens")

    async def stop(self) -> None:
        await asyncio.gather(*self._open, return_exceptions=True)

    async def close(self) -> None:
        """Closes what `fail_all` has left."""

    def fail_all(self, error: Exception) -> None:
        for answer in self._open:
            if not answer.done():
                answer.set_exception(error)

    def create_batch(self) -> FakeBatch:
        return FakeBatch()

    async def send_batch(
        self, batch: FakeBatch, topic: str, *, partition: int
    ) -> asyncio.Future[Any]:
        await asyncio.sleep(0)
        return self.send_records((topic, partition), batch.records)

    async def send_and_wait(
        self, topic: str, key: bytes, value: bytes, partition: Any, _when: Any, headers: Headers
    ) -> None:
        answer = self.send_records((topic, partition or 0), [Record(key, value, headers)])
        await answer

    def send_records(self, place: Place, records: list[Record]) -> asyncio.Future[Any]:
        """Sends a batch behind those of its partition that are on their way."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        number = self._numbers[place] = self._numbers.get(place, -1) + 1
        before = self._tails.get(place)
        self._tails[place] = answer
        self._open = [one for one in self._open if not one.done()]
        self._open.append(answer)
        owner = current()
        work = self._send(place, number, records, before, answer)
        if owner is None:
            self._sending = asyncio.get_running_loop().create_task(work)
        else:
            owner.spawn(work)
        return answer

    async def _send(
        self,
        place: Place,
        number: int,
        records: list[Record],
        before: asyncio.Future[Any] | None,
        answer: asyncio.Future[Any],
    ) -> None:
        if before is not None:
            await asyncio.wait((before,))
            if self._id and before.exception() is not None:
                _set(answer, KafkaTimeoutError("the batch before was not acknowledged"))
                return
        kafka, network = self._kafka, self._kafka.network
        while not answer.done():
            arrived: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            if not network.happens(0.02):
                kafka.server.spawn(self._arrive(place, number, records, arrived))
            try:
                async with asyncio.timeout(0.5):
                    answered = await arrived
            except TimeoutError:
                if network.happens(_GIVE_UP):
                    kafka.world.saw("a producer gave up")
                    _set(answer, KafkaTimeoutError("no acknowledgement"))
                    return
                await asyncio.sleep(_RETRY_S)
                continue
            if not answer.done():
                answer.set_result(answered)

    async def _arrive(
        self, place: Place, number: int, records: list[Record], arrived: asyncio.Future[Any]
    ) -> None:
        kafka, network = self._kafka, self._kafka.network
        await network.travel()
        if network.happens(0.01):
            await asyncio.sleep(1.0)  # stays in a buffer somewhere
        await kafka.until_up()
        offset = kafka.append(place, self._id, number, records)
        await network.travel()
        if offset is not None and not network.happens(0.02) and not arrived.done():
            arrived.set_result(SimpleNamespace(offset=offset))


def _set(answer: asyncio.Future[Any], fault: Exception) -> None:
    if not answer.done():
        answer.set_exception(fault)


@dataclass(slots=True)
class _Member:
    seen_at_s: float
    generation: int = 0
    assigned: frozenset[int] = frozenset()


@dataclass(slots=True)
class Group:
    """One consumer group of one topic: who owns which partition, and how far it was read."""

    kafka: FakeKafka
    name: str
    topic: str
    partitions: int
    generation: int = 0
    members: dict[str, _Member] = field(default_factory=dict)
    committed: dict[int, int] = field(default_factory=dict)
    _joined: set[str] = field(default_factory=set)
    _settled: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(cls, kafka: FakeKafka, name: str, topic: str, partitions: int) -> Group:
        """Gives the group of a name; the first one who asks makes it."""
        if name not in kafka.groups:
            group = kafka.groups[name] = cls(kafka, name, topic, partitions)
            kafka.server.spawn(group._watch())
        return kafka.groups[name]

    async def beat(self, member: str) -> int:
        """Says that a member is alive; gives the generation that it should belong to."""
        await self.kafka.network.travel()
        await self.kafka.until_up()
        known = self.members.get(member)
        if known is None:
            return -1
        known.seen_at_s = self._now()
        return self.generation

    async def join(self, member: str, *, is_new: bool) -> tuple[int, frozenset[int]]:
        """Joins, waiting for the others to join too; a returning member finds its own."""
        await self.kafka.network.travel()
        await self.kafka.until_up()
        known = self.members.get(member)
        if is_new and known is not None and known.generation == self.generation:
            known.seen_at_s = self._now()
            return known.generation, known.assigned
        if known is None:
            self.members[member] = _Member(self._now())
            self._rebalance()
        generation = 0
        while generation != self.generation:
            generation = self.generation
            self._joined.add(member)
            self._settle_if_all()
            while not self._settled.is_set() and generation == self.generation:
                await asyncio.sleep(BEAT_S / 4)
                if member not in self.members:
                    self.members[member] = _Member(self._now())
                    self._rebalance()
                self.members[member].seen_at_s = self._now()
        mine = self.members[member]
        return mine.generation, mine.assigned

    async def commit(self, member: str, generation: int, offsets: dict[int, int]) -> None:
        """Notes how far partitions were read; only their owner may."""
        await self.kafka.network.travel()
        await self.kafka.until_up()
        known = self.members.get(member)
        if known is None or generation != self.generation or not self._settled.is_set():
            return
        for partition, offset in offsets.items():
            if partition in known.assigned:
                self.committed[partition] = offset

    def leave(self, member: str) -> None:
        """Takes a member out for good."""
        if self.members.pop(member, None) is not None:
            self._rebalance()

    def _rebalance(self) -> None:
        self.generation += 1
        self._joined.clear()
        self._settled.clear()
        self.kafka.world.trace(f"group {self.name} rebalances, generation {self.generation}")

    def _settle_if_all(self) -> None:
        if self._settled.is_set() or not self.members or not self._joined >= set(self.members):
            return
        names = sorted(self.members)
        for index, name in enumerate(names):
            self.members[name].generation = self.generation
            self.members[name].assigned = frozenset(range(index, self.partitions, len(names)))
        self._settled.set()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            if self.kafka.is_down:
                for member in self.members.values():
                    member.seen_at_s = self._now()
                continue
            late = [
                name
                for name, member in self.members.items()
                if self._now() - member.seen_at_s > SESSION_S
            ]
            for name in late:
                self.kafka.world.trace(f"group {self.name} misses {name}")
                self.kafka.world.saw("a member was missed")
                self.leave(name)
            self._settle_if_all()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
