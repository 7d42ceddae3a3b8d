"""The shared tail: one reader of all partitions for all subscribers of this process.

It begins at the end of every partition and keeps the newest events in a ring. A subscriber
joins it in one step, without an await: what the ring holds from the subscriber's place on is
put into its queue, and from the next record on the tail does that itself. So there is no gap
and no double. A place from before the ring must be brought nearer by a reader of its own first.

Kafka away: the reader connects again by itself, or is opened anew where it stood, for as long
as there are subscribers. Kafka without the place (the topic was made anew): every subscription
ends, because its ids mean nothing any more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

import structlog

from chronos.errors import Unavailable
from chronos.stream.live.events import LiveEvent, Versions, read_event
from chronos.stream.live.source import Source
from chronos.stream.live.subscription import RECENT_ACCOUNTS_MAX, Ending, Subscription
from chronos.stream.topic_reader import PAGE_RECORDS_MAX, PlaceGone, TopicRecord

SLICE_RECORDS_MAX = 50
RING_EVENTS_MAX = 8_192
RING_BYTES_MAX = 8 << 20
PAUSE_FIRST_S = 0.2
PAUSE_MAX_S = 5.0

_log = structlog.get_logger(room="stream")


class Tail:
    """Reads the end of the topic for everybody who has joined.

    Args:
        source: The topic.
    """

    def __init__(self, source: Source):
        self.started = asyncio.Event()
        self._source = source
        self._offsets: dict[int, int] = {}
        self._ring: deque[LiveEvent] = deque()
        self._ring_bytes = 0
        self._ring_from: dict[int, int] = {}
        self._recent = Versions(RECENT_ACCOUNTS_MAX)
        self._attached: set[Subscription] = set()
        self._of_all: set[Subscription] = set()
        self._of_one: dict[str, set[Subscription]] = {}

    def offset(self, partition: int) -> int:
        """Tells up to which offset a partition was read; the tail must have started."""
        return self._offsets[partition]

    def attach(self, subscription: Subscription) -> None:
        """Has a subscription ended when the tail cannot go on; nothing is handed to it yet."""
        self._attached.add(subscription)

    def detach(self, subscription: Subscription) -> None:
        """Forgets a subscription; safe to repeat."""
        self._attached.discard(subscription)
        self._of_all.discard(subscription)
        account_id = subscription.selection.account_id
        if account_id is not None and account_id in self._of_one:
            self._of_one[account_id].discard(subscription)
            if not self._of_one[account_id]:
                del self._of_one[account_id]

    def join(self, subscription: Subscription) -> bool:
        """Takes over an attached subscription from where it stands; safe to repeat.

        Returns:
            False when the ring does not reach back that far, or the queue cannot take what
            the ring holds for it; nothing has changed then.
        """
        if subscription.is_joined:
            return True
        for partition in subscription.selection.partitions:
            if subscription.read_up_to(partition) < self._ring_from[partition]:
                return False
        missed = [event for event in self._ring if subscription.wants(event)]
        if not subscription.has_room_for(missed):
            return False
        subscription.join(self.offset, missed)
        account_id = subscription.selection.account_id
        if account_id is None:
            self._of_all.add(subscription)
        else:
            self._of_one.setdefault(account_id, set()).add(subscription)
        return True

    async def run(self) -> None:
        """Reads until it is cancelled, or until Kafka does not hold the place any more."""
        pause_s = PAUSE_FIRST_S
        while True:
            try:
                await self._begin()
                async with self._source.open_at(self._offsets) as pages:
                    while True:
                        records = await pages.page(records_max=PAGE_RECORDS_MAX)
                        pause_s = PAUSE_FIRST_S
                        await self._take_all(records)
            except PlaceGone as fault:
                _log.error("live_place_gone", reason=str(fault))
                self.end_all(Ending.REPLACED)
                return
            except Unavailable as fault:
                _log.warning("live_awaits_kafka", reason=fault.detail)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, PAUSE_MAX_S)

    def end_all(self, ending: Ending) -> None:
        """Ends every subscription."""
        for subscription in tuple(self._attached):
            subscription.end(ending)

    async def _begin(self) -> None:
        if not self.started.is_set():
            self._offsets = dict(await self._source.ends())
            self._ring_from = dict(self._offsets)
            self.started.set()

    async def _take_all(self, records: Sequence[TopicRecord]) -> None:
        for start in range(0, len(records), SLICE_RECORDS_MAX):
            for record in records[start : start + SLICE_RECORDS_MAX]:
                self._take(record)
            # The writers run between slices: who reads fast is never cut off by a full page.
            await asyncio.sleep(0)

    def _take(self, record: TopicRecord) -> None:
        event = read_event(record, self._source.partitions)
        if event is not None and self._recent.is_new(event):
            self._keep(event)
            for subscription in tuple(self._of_one.get(event.account_id, ())):
                subscription.offer(event)
            for subscription in tuple(self._of_all):
                subscription.offer(event)
        self._offsets[record.partition] = record.offset + 1

    def _keep(self, event: LiveEvent) -> None:
        self._ring.append(event)
        self._ring_bytes += len(event.data)
        while len(self._ring) > RING_EVENTS_MAX or self._ring_bytes > RING_BYTES_MAX:
            oldest = self._ring.popleft()
            self._ring_bytes -= len(oldest.data)
            self._ring_from[oldest.partition] = oldest.offset + 1
