"""Reads a topic as it lies in Kafka, without a consumer group: for audits and for people.

Nothing is committed and nobody's assignment changes; two readers never disturb each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from chronos.errors import ChronosError, MissingPart, Unavailable

PAGE_RECORDS_MAX = 1000
PARTITION_FETCH_BYTES_MAX = 128 << 10
_REQUEST_DEADLINE_MS = 10_000
_POLL_MS = 250
_FOLLOW_POLL_MS = 100
_GIVE_UP_S = 2.0


class PlaceGone(ChronosError):
    """Says that a topic does not hold the place any more: it was made anew, or cut short."""


class TopicRecord(NamedTuple):
    """One record of a topic."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    def header(self, name: str) -> str | None:
        """Gives the first header of that name as text, or None."""
        for key, value in self.headers:
            if key == name:
                return value.decode("utf-8", "replace")
        return None


class TopicReader:
    """Reads all partitions of one topic; made by `open_topic`."""

    def __init__(self, consumer: Any, topic: str, partitions: frozenset[int]) -> None:
        self._consumer = consumer
        self.topic = topic
        self.partitions = partitions
        self._places = [TopicPartition(topic, partition) for partition in sorted(partitions)]
        consumer.assign(self._places)

    async def from_beginning(self) -> None:
        """Goes to the oldest record of every partition."""
        with _translated():
            await self._consumer.seek_to_beginning(*self._places)

    async def from_end(self) -> None:
        """Goes behind the newest record of every partition."""
        with _translated():
            await self._consumer.seek_to_end(*self._places)

    def go_to(self, offsets: Mapping[int, int]) -> None:
        """Goes to a place in every partition: the offset of the record to be read next."""
        for place in self._places:
            self._consumer.seek(place, offsets[place.partition])

    async def begin_offsets(self) -> Mapping[int, int]:
        """Gives for each partition the offset of the oldest record that it may hold."""
        with _translated():
            begins = await self._consumer.beginning_offsets(self._places)
        return {place.partition: int(begin) for place, begin in begins.items()}

    async def end_offsets(self) -> Mapping[int, int]:
        """Gives for each partition the offset that its next record will have."""
        with _translated():
            ends = await self._consumer.end_offsets(self._places)
        return {place.partition: int(end) for place, end in ends.items()}

    async def page(
        self, *, wait_ms: int = _POLL_MS, records_max: int = PAGE_RECORDS_MAX
    ) -> list[TopicRecord]:
        """Gives the next records, each partition's in order; none when none came in time."""
        with _translated():
            found = await self._consumer.getmany(timeout_ms=wait_ms, max_records=records_max)
        return [_record(raw) for records in found.values() for raw in records]

    async def pages_until(self, ends: Mapping[int, int]) -> AsyncIterator[list[TopicRecord]]:
        """Yields pages until every partition has been read up to its given end."""
        while await self._is_before(ends):
            if records := await self.page():
                yield records

    async def _is_before(self, ends: Mapping[int, int]) -> bool:
        with _translated():
            for place in self._places:
                if await self._consumer.position(place) < ends.get(place.partition, 0):
                    return True
        return False


@asynccontextmanager
async def open_topic(bootstrap: str, topic: str) -> AsyncIterator[TopicReader]:
    """Opens a topic for reading, at its beginning.

    Raises:
        Unavailable: Kafka does not answer.
        MissingPart: There is no such topic.
    """
    count = await _count(bootstrap, topic)
    options = {"auto_offset_reset": "earliest"}
    async with _connected(bootstrap, topic, range(count), options) as (consumer, _):
        reader = TopicReader(consumer, topic, frozenset(range(count)))
        await reader.from_beginning()
        yield reader


async def records_in_order(
    bootstrap: str, topic: str, *, partition: int = 0, offset: int = 0
) -> AsyncIterator[TopicRecord]:
    """Yields what a topic holds from a place on, one partition after the other, to their ends.

    Raises:
        Unavailable: Kafka does not answer.
        MissingPart: There is no such topic.
    """
    options = {"auto_offset_reset": "earliest"}
    for number in range(partition, await _count(bootstrap, topic)):
        async with _connected(bootstrap, topic, (number,), options) as (consumer, ends):
            reader = TopicReader(consumer, topic, frozenset((number,)))
            reader.go_to({number: offset if number == partition else 0})
            async for page in reader.pages_until(ends):
                for record in page:
                    yield record


@asynccontextmanager
async def open_at(
    bootstrap: str, topic: str, offsets: Mapping[int, int]
) -> AsyncIterator[TopicReader]:
    """Opens the partitions that `offsets` names, of a topic that is there, at these places.

    It holds little that was not asked for, so that many can be open at once, and it never
    jumps: its pages raise `PlaceGone` for a place that the topic does not hold.

    Raises:
        Unavailable: Kafka does not answer.
    """
    bounds = {
        "auto_offset_reset": "none",
        "fetch_max_wait_ms": _FOLLOW_POLL_MS,
        "max_partition_fetch_bytes": PARTITION_FETCH_BYTES_MAX,
    }
    async with _connected(bootstrap, topic, offsets, bounds) as (consumer, _):
        reader = TopicReader(consumer, topic, frozenset(offsets))
        # Before the loop runs again: a partition without a place would be an error by then.
        reader.go_to(offsets)
        yield reader


async def end_offsets(
    bootstrap: str, topic: str, partitions: Collection[int]
) -> Mapping[int, int]:
    """Tells for each partition of a topic that is there which offset its next record will have.

    Raises:
        Unavailable: Kafka does not answer.
    """
    async with _connected(bootstrap, topic, partitions, {}) as (_, ends):
        return ends


async def partition_counts(bootstrap: str, topics: tuple[str, ...]) -> dict[str, int | None]:
    """Gives how many partitions each topic has; None for a topic that does not exist.

    Raises:
        Unavailable: Kafka does not answer.
    """
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, request_timeout_ms=_REQUEST_DEADLINE_MS
    )
    try:
        with _translated():
            await admin.start()
            # The list of all topics, because asking for one by name may create it.
            known = await admin.describe_topics()
    finally:
        await admin.close()
    counts = {one["topic"]: len(one["partitions"]) for one in known if not one["error_code"]}
    return {topic: counts.get(topic) for topic in topics}


async def _count(bootstrap: str, topic: str) -> int:
    count = (await partition_counts(bootstrap, (topic,)))[topic]
    if count is None:
        raise MissingPart(f"Kafka has no topic {topic}; `chronos up` makes it.")
    return count


@asynccontextmanager
async def _connected(
    bootstrap: str, topic: str, partitions: Collection[int], options: Mapping[str, Any]
) -> AsyncIterator[tuple[Any, Mapping[int, int]]]:
    """Connects a consumer to where the partitions are; gives it and their ends."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        request_timeout_ms=_REQUEST_DEADLINE_MS,
        **{"fetch_max_wait_ms": _POLL_MS, **options},
    )
    places = [TopicPartition(topic, partition) for partition in partitions]
    connecting = asyncio.ensure_future(_connect(consumer, places))
    try:
        with _translated():
            ends = await asyncio.shield(connecting)
        yield consumer, ends
    finally:
        # aiokafka leaves a connection behind that is cut short while it is made.
        await asyncio.wait((connecting,), timeout=_GIVE_UP_S)
        connecting.cancel()
        await consumer.stop()


async def _connect(consumer: Any, places: list[TopicPartition]) -> Mapping[int, int]:
    await consumer.start()
    ends = await consumer.end_offsets(places)
    return {place.partition: int(end) for place, end in ends.items()}


def _record(raw: Any) -> TopicRecord:
    return TopicRecord(
        partition=raw.partition,
        offset=raw.offset,
        timestamp_ms=raw.timestamp,
        key=raw.key,
        value=raw.value,
        headers=tuple(raw.headers),
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OffsetOutOfRangeError as error:
        raise PlaceGone(f"Kafka does not hold {error.args[0]} any more.") from error
    except (KafkaError, OSError) as error:
        raise Unavailable("kafka", str(error) or type(error).__name__) from error
