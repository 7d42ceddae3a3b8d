"""Faust's Kafka transport with changes: pages, no loss in rebalances, short waits, a watch.

Records of the agents' source topics are handed on by the page (`chronos.stream.pages`), one
message for all that a fetch found of a partition.

A rebalance ends with a seek to the committed offsets. Stock Faust lets records flow meanwhile,
and then empties the queues of its streams: what had come into one was lost. Here nothing flows
from the seek to the resumption, and what was fetched across a seek is fetched again. And what a
stream steps over because of a rebalance, stock Faust acknowledges. Here only what came through
`acknowledge` counts.

Stock Faust also drops what a fetch brings after the flow was stopped. When the recovery of the
tables had gone to a changelog's beginning meanwhile, the worker waited for ever for records
that it had read. Here whatever of a fetch is not handed on is read again.

The task that keeps a consumer in its group ends at an error that it does not know, and Faust
asks for it only while it fetches, which needs an assignment: a worker would wait for ever, up
and never ready. Here its end crashes the worker, and whoever started it starts it again.

Faust bounds the queue of a stream by messages, which are pages here: the rest of a topic would
lie in memory behind a slow store. So of a partition no more is fetched while `PAGES_OPEN_MAX`
full pages of it are not acknowledged.

Under a steady load a fetch brings a record or two of each partition, and costs nearly as much
as one of a thousand, here and at the broker. So after a fetch of little the next one waits
until `fetch_pause_s` of the app have passed. A record that comes after a longer silence waits
for nothing; one that comes while little lies here unread may wait for two pauses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from time import monotonic
from typing import Any

from aiokafka.errors import KafkaError
from faust.transport.drivers.aiokafka import Consumer, Transport
from faust.types import TP
from faust.types.tuples import ConsumerMessage
from mode import Service

from chronos.stream.consumer_thread import ConsumerThread
from chronos.stream.pages import PageOffsets, Undelivered, split
from chronos.stream.whole import CutShort, prove_whole

PAGES_OPEN_MAX = 2
"""Full pages of a partition that wait or are worked on; more are not fetched."""
FULL_PAUSE_S = 0.01
LITTLE_SHARE = 8
"""A fetch of less than this part of the most that it may bring is one of little."""
WATCH_PAUSE_S = 1.0


class _Consumer(Consumer):
    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self._pages = PageOffsets()
        self._acknowledged: Any = None
        self._seeks = self._fetched_after = 0
        self._fetch_due_s = 0.0
        self._read_next: dict[Any, int] = {}

    @property
    def _paged(self) -> frozenset[str]:
        app: Any = self.app
        topics: frozenset[str] = app.paged_topics
        return topics

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[Any, Any]]:  # noqa: ASYNC109 - Faust's signature
        """Fetches, and gives pages of source topics and single records of all others."""
        fetched: Any = await self._wait_next_records(timeout)
        records, active = fetched
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        undelivered = Undelivered(records)
        for tp, message in self._messages(records, generation):
            if not self._still_flows(generation):
                break
            if tp in (active or ()) or tp in self._buffered_partitions:
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                if not await self._hands_out(message):
                    return
                undelivered.hand_on(tp, message.offset)
                yield tp, message
                if self._fetched_after != self._seeks:
                    # It went in from before the seek, and its offset was noted as read.
                    await self._seek_back()
                    break
        left = undelivered.left()
        if left:
            thread: Any = self._thread
            await thread.read_again(left)

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's signature
        # What a seek meets on its way is of before or after it, nobody can tell.
        self._fetched_after = self._seeks
        most = self.app.conf.broker_max_poll_records
        wanted = self._pages.with_room(active_partitions, PAGES_OPEN_MAX * most)
        pause_s = self._fetch_due_s - monotonic() if wanted else FULL_PAUSE_S
        if pause_s > 0:
            # Who is to be asked is asked anew afterwards; and to ask for no partition would be
            # to ask for every one.
            await self.sleep(pause_s)
            return {}
        # Who had no room may have some soon, and its records lie here already: seen as a second
        # of waiting for an empty topic, again and again, while 100,000 records lay in another.
        is_all = wanted.issuperset(active_partitions)
        fetched: Any = await super()._getmany(wanted, timeout if is_all else FULL_PAUSE_S)
        # Little from some is no sign of little to do while others have no room.
        if is_all and fetched and sum(map(len, fetched.values())) < most // LITTLE_SHARE:
            app: Any = self.app
            self._fetch_due_s = monotonic() + app.fetch_pause_s
        return fetched

    def acknowledge(self, event: Any) -> None:
        """Acknowledges an event whose effect is there; nobody else's acknowledgement counts.

        A stream that meets a page while the flow is paused for a rebalance steps over it and
        acknowledges it, also when it was told to acknowledge nothing.
        """
        self._acknowledged = event.message
        try:
            event.ack()
        finally:
            self._acknowledged = None

    def ack(self, message: Any) -> bool:
        """Notes a page, or a record of a topic that is not paged, as done."""
        if message is not self._acknowledged:
            return False
        if message.topic not in self._paged:
            return bool(super().ack(message))
        self._unacked_messages.discard(message)
        is_known = self._pages.acknowledge(message)
        if is_known:
            self._n_acked += len(message.value)
        waiting = self._waiting_for_ack
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
        return is_known

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Forgets the pages of what is taken away, after Faust has committed what it could."""
        await super().on_partitions_revoked(revoked)
        self._pages.forget(revoked)

    async def on_partitions_assigned(self, assigned: Any, generation_id: int = 0) -> None:
        """Forgets pages of an earlier time: partitions begin anew at their commits."""
        self._pages.forget(assigned)
        await super().on_partitions_assigned(assigned, generation_id)

    def _still_flows(self, generation: int) -> bool:
        # Asked between two messages: whoever took the last one may have stopped the flow. And
        # what was fetched across a seek is of before or after it, nobody can tell.
        is_of_now = self._fetched_after == self._seeks
        return (
            is_of_now
            and bool(self.flow_active)
            and self.app.consumer_generation_id == generation
        )

    def _messages(self, records: Any, generation: int) -> Iterator[tuple[Any, Any]]:
        pages, others = split(records, self._paged)
        for tp, page in pages.items():
            yield tp, _page_message(page, generation)
        for tp, record in self.scheduler.iterate(others):
            yield tp, self._to_message(tp, record)

    def has_done_all_before(self, tp: Any, end: int) -> bool:
        """Tells whether all before `end` was read, and all that was read is committed."""
        position = next_offset(getattr(self._thread, "_consumer", None), tp)
        done = self._pages.committable(tp)
        is_committed = done is None or done <= (self._committed_offset[tp] or 0)
        is_read = position is not None and position >= end
        return is_read and is_committed and not self._pages.is_open(tp)

    async def perform_seek(self) -> None:
        """Begins anew at the commits; nothing flows until whoever asked resumes it.

        In between Faust empties the queues of its streams: a page that came into one would be
        read, and never given again.
        """
        self.stop_flow()
        await self._seek_anew()

    async def _seek_anew(self) -> None:
        self._seeks += 1
        await super().perform_seek()
        self._pages.forget(self.assignment())
        self._read_next = {
            tp: self._committed_offset[tp] or 0
            for tp in self.assignment()
            if self._is_kept_for_ever(tp)
        }
        await self._prove_whole(self._read_next)

    def _is_kept_for_ever(self, tp: Any) -> bool:
        app: Any = self.app
        return bool(tp.topic == app.names.events)

    async def _hands_out(self, message: Any) -> bool:
        """Notes a page that is about to be given to a stream; False where it may not be."""
        if message.tp.topic not in self._paged:
            return True
        is_next = await self._follows(message)
        if is_next:
            self._pages.hand_out(message)
        return is_next

    async def _follows(self, page: Any) -> bool:
        """Tells whether nothing was deleted between a page and the one before."""
        tp, records = page.tp, page.value
        following = self._read_next.get(tp)
        if following is None:
            return True
        self._read_next[tp] = records[-1].offset + 1
        # Markers and aborted records leave such gaps too.
        return records[0].offset <= following or await self._prove_whole({tp: following})

    async def _prove_whole(self, read_next: Mapping[Any, int]) -> bool:
        if not read_next:
            return True
        try:
            prove_whole(read_next, await self.earliest_offsets(*read_next))
        except KafkaError as error:
            # Asked again where a gap is met.
            self.log.warning("Where the topic begins is not known: %r", error)
        except CutShort as fault:
            await self.crash(fault)
            return False
        return True

    async def _seek_back(self) -> None:
        try:
            await self._seek_anew()
        except KafkaError as error:
            self.log.warning("Seek while the flow is stopped failed: %r", error)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[Any]:
        yield from super()._filter_tps_with_pending_acks(topics)
        for tp in self._pages.partitions():
            if topics is None or tp in topics or tp.topic in topics:
                yield tp

    def _new_offset(self, tp: Any) -> int | None:
        if tp.topic in self._paged:
            return self._pages.committable(tp)
        offset: int | None = super()._new_offset(tp)
        return offset

    async def _add_gap(self, tp: Any, offset_from: int, offset_to: int) -> None:
        # Between pages there is nothing but gaps; compacted and aborted records are others.
        if tp.topic not in self._paged:
            await super()._add_gap(tp, offset_from, offset_to)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @Service.task
    async def _watch_membership(self) -> None:
        while not self.should_stop:
            await self.sleep(WATCH_PAUSE_S)
            fault = membership_fault(getattr(self._thread, "_consumer", None))
            if fault is not None and not self.should_stop:
                await self.crash(fault)
                return


def _page_message(page: Any, generation: int) -> ConsumerMessage:
    last = page[-1]
    return ConsumerMessage(
        last.topic,
        last.partition,
        last.offset,
        last.timestamp / 1000.0,
        last.timestamp_type,
        None,
        None,
        page,
        None,
        0,
        0,
        TP(last.topic, last.partition),
        generation_id=generation,
    )


def membership_fault(consumer: Any) -> BaseException | None:
    """Tells what ended the task that keeps a consumer in its group, if anything did."""
    # There is no public way to ask without fetching.
    coordinator = getattr(consumer, "_coordinator", None)
    task = getattr(coordinator, "_coordination_task", None)
    if task is None or not task.done() or task.cancelled():
        return None
    fault: BaseException | None = task.exception()
    return fault


def next_offset(consumer: Any, tp: Any) -> int | None:
    """Tells which offset a consumer reads next; None while nobody knows."""
    # The public way asks the consumer's thread, and waits for it.
    if consumer is None or consumer._subscription.subscription is None:  # noqa: SLF001
        return None
    assignment = consumer._subscription.subscription.assignment  # noqa: SLF001
    state = None if assignment is None else assignment.state_value(tp)
    return None if state is None else state._position  # noqa: SLF001


class KafkaTransport(Transport):
    """Is Faust's transport with a consumer of pages, which notices its own expulsion."""

    Consumer = _Consumer
