"""One subscriber: a bounded queue between the readers of Kafka and the writer to one client.

Two fill it, one after the other. While it catches up, its own reader does, and waits for room:
a slow client then costs nobody anything. Once joined, the shared tail does, and waits for
nobody: a queue that is full ends the subscription.

Nothing is handed out twice and nothing is left out: of each partition the subscription knows up
to which offset it was read for, and takes no event from before that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from chronos.stream.live.events import LiveEvent, Place, Versions

TAKE_EVENTS_MAX = 200
QUEUE_BYTES_MAX = 8 << 20
RECENT_ACCOUNTS_MAX = 16_384


class Ending(Enum):
    """Why a subscription is over."""

    SLOW = "slow_reader"
    """Events came faster than the client read them."""
    STALLED = "stalled_reader"
    """The client read nothing for too long."""
    KEY = "key_revoked"
    """The API key is void, or lost its scope."""
    REPLACED = "log_replaced"
    """Kafka does not hold the place any more."""
    FAILED = "failed"
    """A bug."""
    STOPPING = "worker_stopping"
    """The worker ends."""
    GONE = "client_gone"
    """The client hung up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Says which events a stream carries: of one account or of all, and where they lie."""

    account_id: str | None
    partitions: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueBounds:
    """Says how much one subscriber may have waiting."""

    events_max: int
    bytes_max: int


class Subscription:
    """Holds what waits for one client.

    Args:
        selection: Which events it carries.
        start: Where it begins.
        bounds: What its queue holds at most; one event always finds room.
    """

    def __init__(self, selection: Selection, start: Place, bounds: QueueBounds):
        self.selection = selection
        self.ended = asyncio.Event()
        self.ending: Ending | None = None
        self._bounds = bounds
        self._read = dict(zip(selection.partitions, start.offsets, strict=True))
        self._given = dict(self._read)
        self._given_version = start.version
        self._queue: deque[LiveEvent] = deque()
        self._queued_bytes = 0
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._versions: Versions | None = Versions(RECENT_ACCOUNTS_MAX)
        if selection.account_id is not None and start.version:
            self._versions.remember(selection.account_id, start.version)
        self._tail_offset: Callable[[int], int] | None = None

    @property
    def is_over(self) -> bool:
        """Tells whether it has ended, for whatever reason."""
        return self.ending is not None

    @property
    def is_joined(self) -> bool:
        """Tells whether the shared tail fills it."""
        return self._tail_offset is not None

    def end(self, ending: Ending) -> None:
        """Ends it; the first reason counts. What waits is not handed out any more."""
        if self.ending is None:
            self.ending = ending
            self.ended.set()
            self._filled.set()
            self._room.set()

    # The side of the readers.

    def read_up_to(self, partition: int) -> int:
        """Gives the offset from which on a partition is still to be read for it."""
        if self._tail_offset is None:
            return self._read[partition]
        return max(self._read[partition], self._tail_offset(partition))

    def wants(self, event: LiveEvent) -> bool:
        """Tells whether an event belongs to it and was not read for it yet."""
        wanted = self.selection.account_id
        if wanted is not None and wanted != event.account_id:
            return False
        return event.offset >= self._read[event.partition]

    def has_room_for(self, events: Sequence[LiveEvent]) -> bool:
        """Tells whether these would all find room in the queue at once."""
        size_bytes = self._queued_bytes + sum(len(event.data) for event in events)
        return (
            len(self._queue) + len(events) <= self._bounds.events_max
            and size_bytes <= self._bounds.bytes_max
        )

    async def catch_up(self, partition: int, offset: int, event: LiveEvent | None) -> None:
        """Takes the next record that its own reader read, and waits until there is room.

        Args:
            partition: The record's partition.
            offset: The record's offset.
            event: Its event; None for a record that is not one of ours or not wanted.
        """
        if event is not None and self.wants(event) and self._is_new(event):
            while self._is_full() and not self.is_over:
                self._room.clear()
                await self._room.wait()
            self._append(event)
        self._read[partition] = offset + 1

    def join(self, tail_offset: Callable[[int], int], missed: Sequence[LiveEvent]) -> None:
        """Begins to take events from the shared tail.

        Args:
            tail_offset: Tells up to which offset of a partition the tail has read.
            missed: What the tail read lately that is wanted; there is room for it.
        """
        self._tail_offset = tail_offset
        for event in missed:
            self.offer(event)
        if self.selection.account_id is None:
            self._versions = None  # the tail's own memory serves all accounts from here on

    def offer(self, event: LiveEvent) -> None:
        """Takes an event from the shared tail; a full queue ends the subscription."""
        if self.is_over or not self.wants(event) or not self._is_new(event):
            return
        if self._is_full():
            self.end(Ending.SLOW)
            return
        self._append(event)

    # The side of the writer.

    async def take(self, wait_s: float) -> list[tuple[LiveEvent, Place]]:
        """Gives the next events, each with the place behind it; none when none came in time."""
        if not self._queue and not self.is_over:
            self._filled.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._filled.wait()
            except TimeoutError:
                return []
        taken: list[tuple[LiveEvent, Place]] = []
        while self._queue and not self.is_over and len(taken) < TAKE_EVENTS_MAX:
            taken.append(self._next())
        self._room.set()
        return taken

    @property
    def place(self) -> Place:
        """Gives the place behind all that was handed out.

        While nothing waits, that is the place up to which everything was read: it moves on for
        a quiet account too, and going on from there does not read again what others did.
        """
        if not self._queue:
            self._given = {partition: self.read_up_to(partition) for partition in self._given}
        return Place(tuple(self._given.values()), self._given_version)

    def _next(self) -> tuple[LiveEvent, Place]:
        event = self._queue.popleft()
        self._queued_bytes -= len(event.data)
        self._given[event.partition] = event.offset + 1
        if self.selection.account_id is not None:
            self._given_version = event.version
        return event, Place(tuple(self._given.values()), self._given_version)

    def _is_new(self, event: LiveEvent) -> bool:
        return self._versions is None or self._versions.is_new(event)

    def _append(self, event: LiveEvent) -> None:
        self._queue.append(event)
        self._queued_bytes += len(event.data)
        self._filled.set()

    def _is_full(self) -> bool:
        bounds = self._bounds
        return len(self._queue) >= bounds.events_max or self._queued_bytes >= bounds.bytes_max
