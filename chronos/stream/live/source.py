"""The topic of all events, as the live stream reads it: without a group, from given places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from chronos.stream.topic_reader import TopicReader, TopicRecord, end_offsets, open_at


class Pages(Protocol):
    """Reads records from given places on; `TopicReader` is the real one."""

    async def page(self, *, records_max: int) -> Sequence[TopicRecord]:
        """Gives the next records, each partition's in order; none when none came in time.

        Raises:
            Unavailable: Kafka does not answer.
            PlaceGone: Kafka does not hold the place.
        """
        ...


class Source(Protocol):
    """Is the topic; `KafkaSource` is the real one."""

    @property
    def partitions(self) -> int:
        """How many partitions it has."""
        ...

    async def ends(self) -> Mapping[int, int]:
        """Tells for each partition which offset its next record will have.

        Raises:
            Unavailable: Kafka does not answer.
        """
        ...

    def open_at(self, offsets: Mapping[int, int]) -> AbstractAsyncContextManager[Pages]:
        """Opens a reader of these partitions at these places; raises as its pages do."""
        ...


class KafkaSource:
    """Reads one topic, which is there, in Kafka.

    Args:
        bootstrap: Kafka's address, host:port.
        topic: Its name.
        partitions: How many partitions it has.
    """

    def __init__(self, bootstrap: str, topic: str, *, partitions: int):
        self.partitions = partitions
        self._bootstrap = bootstrap
        self._topic = topic

    async def ends(self) -> Mapping[int, int]:
        """Tells for each partition which offset its next record will have.

        Raises:
            Unavailable: Kafka does not answer.
        """
        return await end_offsets(self._bootstrap, self._topic, range(self.partitions))

    def open_at(self, offsets: Mapping[int, int]) -> AbstractAsyncContextManager[TopicReader]:
        """Opens a reader of these partitions at these places."""
        return open_at(self._bootstrap, self._topic, offsets)
