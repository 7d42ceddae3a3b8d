"""The one loop by which every agent consumes a topic.

Phases of one batch: take the pages that are there, decode their records, step (table, Redis or
Elasticsearch), then acknowledge all of it. Nothing is acknowledged before its effect is there,
and never a page while an earlier one of its partition is open. A stream acknowledges what it
gave as soon as the next is asked for, also what failed; so it is told to acknowledge nothing,
and the consumer counts no acknowledgement but ours (`chronos.stream.transport`).

What happens to a record that is not plainly good:

- a store that the step needs does not answer: the same batch is tried again with growing
  pauses, for as long as it takes; each try is counted. A stop ends the tries, and nothing is
  acknowledged.
- its bytes cannot be decoded: the agent's `repair` fetches the truth from PostgreSQL.
- it is not ours: it goes to the dead letter topic with its bytes and headers, awaited.
- anything else raises, the app crashes, and its process ends with the fault's exit code.

Bounds: a batch holds at most `batch_events_max` records, or one page, and about as many wait
behind each; a fuller one is waited for until `batch_wait_s` after the last was taken. Steps run
one after another unless the agent allows for several batches at once; then no two of them have
records of one partition, so order holds there (`chronos.stream.taking`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from faust.exceptions import ProducerSendError

from chronos.errors import ChronosError, Unavailable
from chronos.stream.pages import Record
from chronos.stream.taking import Pages, pages_of
from chronos.telemetry.span_shapes import process
from chronos.telemetry.spans import working
from chronos.telemetry.stream_metrics import (
    BATCH_EVENTS,
    DEAD_LETTERS,
    EVENTS_PROCESSED,
    STEP_SECONDS,
    STORE_AWAITED,
    STORE_WAITS,
    UNDECODABLE,
)
from chronos.wire.codec import format_instant
from chronos.wire.dead_letter import Origin, origin_headers
from chronos.wire.headers import sampled_in

if TYPE_CHECKING:
    from chronos.stream.app import ChronosApp

PAUSE_FIRST_S = 0.1
PAUSE_MAX_S = 5.0
KEY_KEPT_BYTES_MAX = 1_000
SERVICES = ("kafka", "postgresql", "elasticsearch")
"""The stores that an agent may wait for."""
NO_EVENT = "no key, or not the headers of an event"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_log = structlog.get_logger(room="stream")

T = TypeVar("T")
R = TypeVar("R")


class GivenUp(ChronosError):
    """Says that the process stops while a store is away; the batch stays unacknowledged."""


class Foreign(Exception):
    """Says that a record is not one of ours; it goes to the dead letter topic.

    Its text is what the record lacks, for the people who find it there.
    """


class Taken(NamedTuple, Generic[T]):
    """Is one record in a batch, and what its bytes mean."""

    record: Record
    item: T


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumption(Generic[T]):
    """Says how one agent reads its topic."""

    agent: str
    """Name of the agent, a label of its metrics."""
    decode: Callable[[Record], T]
    """Reads a record; raises `Foreign`, or ValueError when it is ours and cannot be read."""
    repair: Callable[[Record, ValueError], Awaitable[T]]
    """Gets what the bytes should have said; raises Unavailable to be called again."""
    step: Callable[[Sequence[Taken[T]]], Awaitable[None]]
    """Applies a batch, in order; raises Unavailable to be called again with the same batch."""
    batch_events_max: int
    batch_wait_s: float
    batches_at_once: int = 1
    """More than one for a step that may be called while another batch is in it."""


async def consume(app: ChronosApp, stream: Any, how: Consumption[T]) -> None:
    """Consumes `stream` until the app stops.

    Raises:
        InvariantBroken: From the step or the repair; the process ends with exit code 70.
    """
    counted = _Counted(how.agent)
    try:
        async with pages_of(
            stream.noack(),
            records_max=how.batch_events_max,
            pace_s=how.batch_wait_s,
            takers=how.batches_at_once,
        ) as waiting:
            await _until_one_fails(
                _work_off(app, waiting, how, counted) for _ in range(how.batches_at_once)
            )
    except GivenUp:
        _log.warning("batch_given_up", agent=how.agent)
        app.batch_given_up.set()


async def _work_off(
    app: ChronosApp, waiting: Pages, how: Consumption[T], counted: _Counted
) -> None:
    while pages := await waiting.take():
        started_s = monotonic()
        records = [record for page in pages for record in page.value]
        with _traced(app, records, how):
            await _apply(app, records, how)
        for page in pages:
            app.acknowledge(page)
        waiting.done(pages)
        counted.batch(len(records), monotonic() - started_s)


async def _until_one_fails(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Works side by side; what ends one of them with a fault ends all, and is raised as it is.

    A TaskGroup would wrap it, and the fault's own type decides the exit code.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Counted:
    """The metrics of one agent, there with zeros before anything happens.

    A counter that begins with its first increment hides it: Prometheus sees no increase.
    """

    def __init__(self, agent: str):
        self._events = EVENTS_PROCESSED.labels(agent)
        self._sizes = BATCH_EVENTS.labels(agent)
        self._seconds = STEP_SECONDS.labels(agent)
        DEAD_LETTERS.labels(agent)
        UNDECODABLE.labels(agent)
        for service in SERVICES:
            STORE_WAITS.labels(agent, service)
            STORE_AWAITED.labels(agent, service)

    def batch(self, records: int, seconds: float) -> None:
        """Counts one batch that was acknowledged."""
        self._events.inc(records)
        self._sizes.observe(records)
        self._seconds.observe(seconds)


async def until_answered(app: ChronosApp, who: str, work: Callable[[], Awaitable[R]]) -> R:
    """Does `work`, again and again while a store does not answer.

    Args:
        app: The app; its stop ends the tries.
        who: Name of the agent that waits, for metrics and the log.
        work: Is called anew for each try, so it must be safe to repeat.

    Raises:
        GivenUp: The app stops while the store is away.
    """
    pause_s = PAUSE_FIRST_S
    awaited: set[str] = set()
    while True:
        try:
            result = await work()
        except Unavailable as fault:
            awaited.add(fault.service)
            STORE_WAITS.labels(who, fault.service).inc()
            STORE_AWAITED.labels(who, fault.service).set(1)
            app.liveness.waits(who, fault.service)
            _log.warning("store_awaited", agent=who, service=fault.service, reason=fault.detail)
        except ChronosError:
            _note_answers(app, who, awaited)
            raise
        else:
            _note_answers(app, who, awaited)
            return result
        await app.sleep(pause_s)
        if app.should_stop:
            raise GivenUp(f"{who} stops while a store is away.")
        pause_s = min(pause_s * 2, PAUSE_MAX_S)


def _note_answers(app: ChronosApp, who: str, services: Iterable[str]) -> None:
    for service in services:
        STORE_AWAITED.labels(who, service).set(0)
    app.liveness.waits_no_more(who)


def _traced(app: ChronosApp, records: Sequence[Record], how: Consumption[T]) -> working:
    return working(
        (sampled_in(record.headers) for record in records),
        lambda: process(
            {record.topic for record in records},
            len(records),
            agent=how.agent,
            group=app.conf.id,
        ),
    )


async def _apply(app: ChronosApp, records: Sequence[Record], how: Consumption[T]) -> None:
    batch: list[Taken[T]] = []
    decode = how.decode
    for record in records:
        try:
            item = decode(record)
        except Foreign as foreign:
            await _bury(app, record, how.agent, str(foreign) or NO_EVENT)
            continue
        except ValueError as error:
            item = await _repaired(app, record, how, error)
        batch.append(Taken(record, item))
    if batch:
        await until_answered(app, how.agent, lambda: how.step(batch))


async def _repaired(
    app: ChronosApp, record: Record, how: Consumption[T], error: ValueError
) -> T:
    UNDECODABLE.labels(how.agent).inc()
    _log.error(
        "record_undecodable",
        agent=how.agent,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=str(error),
    )
    return await until_answered(app, how.agent, lambda: how.repair(record, error))


async def _bury(app: ChronosApp, record: Record, agent: str, reason: str) -> None:
    place = f"{record.topic}/{record.partition}/{record.offset}"
    origin = Origin(
        found_at=place,
        found_by=agent,
        reason=reason,
        written_at=_instant(record.timestamp),
    )

    async def send() -> None:
        headers = [*record.headers, *origin_headers(origin)]
        try:
            await _send(app, record.key, record.value, headers)
        except MessageSizeTooLargeError:
            # It would never get in. It stays where it was found, and the letter says so.
            left_out = replace(origin, left_out=_left_out(record.value or b""))
            key = (record.key or b"")[:KEY_KEPT_BYTES_MAX]
            await _send(app, key, None, origin_headers(left_out))

    await until_answered(app, agent, send)
    DEAD_LETTERS.labels(agent).inc()
    _log.error("foreign_record_moved", agent=agent, found_at=place)


async def _send(
    app: ChronosApp, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    try:
        await app.producer.send_and_wait(
            app.names.dead_letters, key, value, None, None, headers
        )
    except (KafkaError, ProducerSendError) as error:
        for fault in (error, error.__cause__):
            if isinstance(fault, MessageSizeTooLargeError):
                raise fault from error
        raise Unavailable("kafka", repr(error)) from error


def _left_out(value: bytes) -> str:
    return f"{len(value)} bytes, SHA-256 {sha256(value).hexdigest()}"


def _instant(timestamp_ms: int) -> str | None:
    try:
        return format_instant(_EPOCH + timedelta(milliseconds=timestamp_ms))
    except (ValueError, OverflowError):
        # Its sender may have written anything for a time.
        return None
