"""The live feed of one worker: who may subscribe, from where, and how they catch up.

A worker's Faust consumer sees only the partitions of its assignment; the live stream answers
for every account on every worker. So the feed reads for itself, without a group: one shared
tail from the first subscriber to the last, and for each subscriber who comes from further back
a reader of its own, until it reaches the tail.

Bounds: `subscribers_max` at a time, each with a queue of `QueueBounds`. Of those that catch up,
`CATCH_UPS_AT_ONCE_MAX` read a page at the same moment, a small one: the agents need the same
processor. Who comes waits `DEADLINE_S` for Kafka; who is there already waits for as long as
Kafka is away.
"""

from __future__ import annotations

import asyncio
from enum import Enum

import structlog

from chronos.errors import ChronosError, Overloaded, Unavailable
from chronos.stream.live.events import LiveEvent, Place, read_event
from chronos.stream.live.source import Source
from chronos.stream.live.subscription import Ending, QueueBounds, Selection, Subscription
from chronos.stream.live.tail import PAUSE_FIRST_S, PAUSE_MAX_S, Tail
from chronos.stream.topic_reader import PlaceGone, TopicRecord
from chronos.telemetry.live_metrics import LIVE_CATCH_UPS, LIVE_SUBSCRIBERS
from chronos.wire.topics import partition_of

DEADLINE_S = 5.0
CATCH_UPS_AT_ONCE_MAX = 2
CATCH_UP_RECORDS_MAX = 250

_log = structlog.get_logger(room="stream")


class Start(Enum):
    """Where a stream begins that does not go on from a place."""

    END = "end"
    BEGINNING = "beginning"


class UnknownPlace(ChronosError):
    """Says that a place lies behind the end of the topic: it is not one of this topic."""


class LiveFeed:
    """Gives subscriptions to the events of one topic.

    Args:
        source: The topic.
        subscribers_max: Subscriptions at one time.
        bounds: What the queue of each may hold.
    """

    def __init__(self, source: Source, *, subscribers_max: int, bounds: QueueBounds):
        self.left = asyncio.Event()
        self._source = source
        self._subscribers_max = subscribers_max
        self._bounds = bounds
        self._subscribers = 0
        self._tail: Tail | None = None
        self._tasks: dict[Tail, asyncio.Task[None]] = {}
        self._homes: dict[Subscription, Tail] = {}
        self._turns = asyncio.Semaphore(CATCH_UPS_AT_ONCE_MAX)

    async def open(self) -> None:
        """Does nothing: the first subscriber starts the tail."""

    async def close(self) -> None:
        """Ends every subscription and stops reading."""
        self.leave()
        self._stop_tail()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def leave(self) -> None:
        """Ends every subscription because the worker stops; nobody can subscribe any more."""
        self.left.set()
        for tail in tuple(self._tasks):
            tail.end_all(Ending.STOPPING)

    def select(self, account_id: str | None) -> Selection:
        """Tells which partitions carry an account's events, or those of all accounts."""
        count = self._source.partitions
        if account_id is None:
            return Selection(account_id=None, partitions=tuple(range(count)))
        partition = partition_of(account_id.encode(), count)
        return Selection(account_id=account_id, partitions=(partition,))

    async def subscribe(self, account_id: str | None, start: Place | Start) -> Subscription:
        """Subscribes; `follow` has to run until `unsubscribe` is called.

        Raises:
            Overloaded: There are as many subscribers as there may be.
            Unavailable: Kafka does not answer, or the worker stops.
            UnknownPlace: The place lies behind the end.
        """
        if self._subscribers >= self._subscribers_max:
            raise Overloaded("live", f"{self._subscribers} streams are open already")
        self._count(+1)
        try:
            tail = self._running_tail()
            await _until_started(tail)
            selection = self.select(account_id)
            place = await self._place(tail, selection, start)
            self._check_going(tail)
        except BaseException:
            self._count(-1)
            raise
        subscription = Subscription(selection, place, self._bounds)
        self._homes[subscription] = tail
        tail.attach(subscription)
        tail.join(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forgets a subscriber; the last one takes the tail along."""
        subscription.end(Ending.GONE)
        self._homes.pop(subscription).detach(subscription)
        self._count(-1)

    async def follow(self, subscription: Subscription) -> None:
        """Brings a subscription to the shared tail; returns once it is there, or over."""
        if subscription.is_joined:
            return
        LIVE_CATCH_UPS.inc()
        tail = self._homes[subscription]
        pause_s = PAUSE_FIRST_S
        while not (subscription.is_over or subscription.is_joined):
            try:
                await self._catch_up(tail, subscription)
            except PlaceGone as fault:
                _log.warning("live_place_gone", reason=str(fault))
                subscription.end(Ending.REPLACED)
            except Unavailable as fault:
                _log.warning("live_awaits_kafka", reason=fault.detail)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, PAUSE_MAX_S)

    async def _catch_up(self, tail: Tail, subscription: Subscription) -> None:
        selection = subscription.selection
        offsets = {part: subscription.read_up_to(part) for part in selection.partitions}
        async with self._source.open_at(offsets) as pages:
            while not (subscription.is_over or subscription.is_joined):
                async with self._turns:
                    records = await pages.page(records_max=CATCH_UP_RECORDS_MAX)
                for record in records:
                    event = self._event(selection, record)
                    await subscription.catch_up(record.partition, record.offset, event)
                tail.join(subscription)
                await asyncio.sleep(0)  # buffered pages come without a pause

    def _event(self, selection: Selection, record: TopicRecord) -> LiveEvent | None:
        # Most records that one account's stream passes on its way belong to others.
        wanted = selection.account_id
        if wanted is not None and record.key != wanted.encode():
            return None
        return read_event(record, self._source.partitions)

    async def _place(self, tail: Tail, selection: Selection, start: Place | Start) -> Place:
        if start is Start.BEGINNING:
            return Place(tuple(0 for _ in selection.partitions), version=0)
        if isinstance(start, Place):
            await self._check(tail, selection, start)
            return start
        return Place(tuple(map(tail.offset, selection.partitions)), version=0)

    async def _check(self, tail: Tail, selection: Selection, place: Place) -> None:
        offsets = dict(zip(selection.partitions, place.offsets, strict=True))
        if all(offset <= tail.offset(part) for part, offset in offsets.items()):
            return
        # Another worker's tail may have been a moment ahead of this one's: Kafka decides.
        try:
            async with asyncio.timeout(DEADLINE_S):
                ends = await self._source.ends()
        except TimeoutError as error:
            raise _silent() from error
        if any(offset > ends[part] for part, offset in offsets.items()):
            raise UnknownPlace("The place lies behind the end of the stream.")

    def _check_going(self, tail: Tail) -> None:
        if self.left.is_set() or tail not in self._tasks:
            raise Unavailable("live", "the worker stops, or the topic was made anew")

    def _count(self, change: int) -> None:
        self._subscribers += change
        LIVE_SUBSCRIBERS.set(self._subscribers)
        if self._subscribers == 0:
            self._stop_tail()

    def _stop_tail(self) -> None:
        # Once: a second cancellation would cut the closing of its connections short.
        if self._tail is not None:
            self._tasks[self._tail].cancel()
            self._tail = None

    def _running_tail(self) -> Tail:
        if self._tail is None:
            tail = self._tail = Tail(self._source)
            task = asyncio.create_task(tail.run(), name="live-tail")
            self._tasks[tail] = task
            task.add_done_callback(lambda done: self._forget(tail, done))
        return self._tail

    def _forget(self, tail: Tail, done: asyncio.Task[None]) -> None:
        del self._tasks[tail]
        if self._tail is tail:
            self._tail = None
        if not done.cancelled() and done.exception() is not None:
            _log.error("live_tail_failed", exc_info=done.exception())
            tail.end_all(Ending.FAILED)


async def _until_started(tail: Tail) -> None:
    try:
        async with asyncio.timeout(DEADLINE_S):
            await tail.started.wait()
    except TimeoutError as error:
        raise _silent() from error


def _silent() -> Unavailable:
    return Unavailable("kafka", f"no answer within {DEADLINE_S:g} s")
