"""How far a consumer group is behind a topic: in records, and in seconds.

Records are counted between the group's committed offset and the end of each partition; a
compacted topic has gaps, so there the count is an upper bound. Seconds are the age of the
oldest record behind a committed offset, by its time stamp in Kafka; groups commit about once a
second, so a busy group that keeps up shows up to that much.

Bounds: one measurement at a time, each within `DEADLINE_S`; an answer is reused for `FRESH_S`.
Nothing is connected before the first question, and a Kafka that is away costs one attempt each.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from chronos.clock import Clock
from chronos.errors import MissingPart, Unavailable

DEADLINE_S = 3.0
FRESH_S = 1.0
_POLL_MS = 100
_FETCH_BYTES_MAX = 16 * 1024
_OLDEST_WAIT_S = 1.0
_REQUEST_DEADLINE_MS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """Where a group stands in one partition."""

    partition: int
    committed: int
    """Offset of the next record that the group will read, 0 before its first commit."""
    end: int
    """Offset that the partition's next record will have."""

    @property
    def records(self) -> int:
        """How many offsets lie between."""
        return max(0, self.end - self.committed)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLag:
    """Where a group stands in a topic."""

    group: str
    topic: str
    partitions: tuple[PartitionLag, ...]
    seconds: float | None
    """Age of the oldest record behind; 0 when there is none; None when it could not be read."""

    @property
    def records(self) -> int:
        """How many records the group is behind, over all partitions."""
        return sum(partition.records for partition in self.partitions)


class KafkaLag:
    """Measures the lag of consumer groups.

    Args:
        bootstrap: Kafka's address, host:port.
        clock: Tells the age of a record.
    """

    def __init__(self, bootstrap: str, clock: Clock) -> None:
        self._bootstrap = bootstrap
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._admin: Any = None
        self._consumer: Any = None
        self._known: dict[tuple[str, str], tuple[float, GroupLag]] = {}

    async def close(self) -> None:
        """Closes every connection; a later question opens them again."""
        admin, consumer, self._admin, self._consumer = self._admin, self._consumer, None, None
        if consumer is not None:
            await consumer.stop()
        if admin is not None:
            await admin.close()

    async def measure(self, group: str, topic: str) -> GroupLag:
        """Tells where a group stands in a topic.

        Raises:
            Unavailable: Kafka does not answer in time.
            MissingPart: There is no such topic.
        """
        async with self._one_at_a_time:
            known = self._known.get((group, topic))
            if known is not None and self._clock.monotonic_s() - known[0] < FRESH_S:
                return known[1]
            async with self._bounded():
                lag = await self._measure(group, topic)
            self._known[group, topic] = (self._clock.monotonic_s(), lag)
            return lag

    async def _measure(self, group: str, topic: str) -> GroupLag:
        await self._open()
        places = await self._places(topic)
        ends = await self._consumer.end_offsets(places)
        committed = await self._admin.list_consumer_group_offsets(group, partitions=places)
        partitions = tuple(
            PartitionLag(
                partition=place.partition,
                committed=_offset(committed, place),
                end=ends[place],
            )
            for place in places
        )
        return GroupLag(
            group=group,
            topic=topic,
            partitions=partitions,
            seconds=await self._oldest_age_s(topic, partitions),
        )

    async def _open(self) -> None:
        if self._consumer is not None:
            return
        admin = AIOKafkaAdminClient(
            bootstrap_servers=self._bootstrap, request_timeout_ms=_REQUEST_DEADLINE_MS
        )
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=_REQUEST_DEADLINE_MS,
            fetch_max_wait_ms=_POLL_MS,
            # One record of each partition is wanted; Kafka gives its whole batch, at least.
            max_partition_fetch_bytes=_FETCH_BYTES_MAX,
        )
        try:
            await admin.start()
            await consumer.start()
        except BaseException:
            # A cancelled start leaves a connection and tasks behind.
            await consumer.stop()
            await admin.close()
            raise
        self._admin, self._consumer = admin, consumer

    async def _places(self, topic: str) -> list[Any]:
        # All topics are asked for: asking for one by name could make it.
        for known in await self._admin.describe_topics():
            if known["topic"] == topic:
                numbers = sorted(partition["partition"] for partition in known["partitions"])
                return [TopicPartition(topic, number) for number in numbers]
        raise MissingPart(f"Kafka has no topic {topic}; `chronos up` makes it.")

    async def _oldest_age_s(
        self, topic: str, partitions: tuple[PartitionLag, ...]
    ) -> float | None:
        wanted = {
            TopicPartition(topic, partition.partition): partition.committed
            for partition in partitions
            if partition.records
        }
        if not wanted:
            return 0.0
        stamps_ms = await self._first_stamps_ms(wanted)
        if not stamps_ms:
            return None
        age_s = self._clock.now().timestamp() - min(stamps_ms) / 1000
        return max(0.0, round(age_s, 3))

    async def _first_stamps_ms(self, wanted: Mapping[Any, int]) -> list[int]:
        self._consumer.assign(list(wanted))
        try:
            for place, offset in wanted.items():
                self._consumer.seek(place, offset)
            stamps: dict[Any, int] = {}
            deadline_s = self._clock.monotonic_s() + _OLDEST_WAIT_S
            while len(stamps) < len(wanted) and self._clock.monotonic_s() < deadline_s:
                for place, records in (
                    await self._consumer.getmany(timeout_ms=_POLL_MS)
                ).items():
                    stamps.setdefault(place, records[0].timestamp)
            return list(stamps.values())
        finally:
            self._consumer.unsubscribe()

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(DEADLINE_S):
                yield
        except (KafkaError, OSError, TimeoutError) as error:
            await self.close()
            raise Unavailable("kafka", str(error) or type(error).__name__) from error


def _offset(committed: Mapping[Any, Any], place: Any) -> int:
    found = committed.get(place)
    return 0 if found is None else max(0, int(found.offset))
