"""The one loop by which every agent consumes a topic.

Phases of one batch: take it, decode it, step (table, Redis or Elasticsearch), then acknowledge
all of it. Nothing is acknowledged before its effect is there, and never one record while an
earlier one is open: the committed offset jumps such a gap. `async for` over a stream and
`take()` acknowledge what failed; this is why neither is used.

What happens to a record that is not plainly good:

- a store that the step needs does not answer: the same batch is tried again with growing
  pauses, for as long as it takes; each try is counted. A stop ends the tries, and nothing is
  acknowledged.
- its bytes cannot be decoded: the agent's `repair` fetches the truth from PostgreSQL.
- it is not ours: it goes to the dead letter topic with its bytes and headers, awaited.
- anything else raises, the app crashes, and its process ends with the fault's exit code.

Bounds: a batch holds at most `batch_events_max` records and waits at most `batch_wait_s` for
more. Steps run one after another (`concurrency=1`), so order holds within each partition.
"""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import structlog
from aiokafka.errors import KafkaError
from faust.exceptions import ProducerSendError
from faust.streams import _current_event

from chronos.errors import ChronosError, Unavailable
from chronos.telemetry.stream_metrics import (
    BATCH_EVENTS,
    DEAD_LETTERS,
    EVENTS_PROCESSED,
    STEP_SECONDS,
    STORE_WAITS,
    UNDECODABLE,
)

if TYPE_CHECKING:
    from chronos.stream.app import ChronosApp

PAUSE_FIRST_S = 0.1
PAUSE_MAX_S = 5.0
_log = structlog.get_logger(room="stream")

T = TypeVar("T")
R = TypeVar("R")


class GivenUp(ChronosError):
    """Says that the process stops while a store is away; the batch stays unacknowledged."""


@dataclass(frozen=True, slots=True)
class Taken(Generic[T]):
    """Is one record in a batch: Faust's event and what its bytes mean."""

    event: Any
    item: T


def has_event_headers(event: Any) -> bool:
    """Tells our events from foreign records: a key, and the headers `ce_type`, `ce_version`."""
    headers = event.headers
    return bool(event.key) and "ce_type" in headers and "ce_version" in headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumption(Generic[T]):
    """Says how one agent reads its topic."""

    agent: str
    """Name of the agent, a label of its metrics."""
    decode: Callable[[Any], T]
    """Reads an event's bytes; raises ValueError when it cannot."""
    repair: Callable[[Any, ValueError], Awaitable[T]]
    """Gets what the bytes should have said; raises Unavailable to be called again."""
    step: Callable[[Sequence[Taken[T]]], Awaitable[None]]
    """Applies a batch, in order; raises Unavailable to be called again with the same batch."""
    is_ours: Callable[[Any], bool] = has_event_headers
    batch_events_max: int
    batch_wait_s: float


async def consume(app: ChronosApp, stream: Any, how: Consumption[T]) -> None:
    """Consumes `stream` until the app stops.

    Raises:
        InvariantBroken: From the step or the repair; the process ends with exit code 70.
    """
    manual = stream.noack()
    try:
        async for events in manual.noack_take(how.batch_events_max, within=how.batch_wait_s):
            started_s = monotonic()
            await _apply(app, events, how)
            for event in events:
                event.ack()
            app.liveness.did_something()
            EVENTS_PROCESSED.labels(how.agent).inc(len(events))
            BATCH_EVENTS.labels(how.agent).observe(len(events))
            STEP_SECONDS.labels(how.agent).observe(monotonic() - started_s)
    except GivenUp:
        _log.warning("batch_given_up", agent=how.agent)
        app.batch_given_up.set()


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
    while True:
        try:
            result = await work()
        except Unavailable as fault:
            STORE_WAITS.labels(who, fault.service).inc()
            app.liveness.waits(who, fault.service)
            _log.warning("store_awaited", agent=who, service=fault.service, reason=fault.detail)
        else:
            app.liveness.waits_no_more(who)
            return result
        await app.sleep(pause_s)
        if app.should_stop:
            raise GivenUp(f"{who} stops while a store is away.")
        pause_s = min(pause_s * 2, PAUSE_MAX_S)


def set_current_event(event: Any) -> None:
    """Makes `event` the one that the next table write belongs to.

    Faust takes partition and offset of a write from the current event, and inside a batch there
    is none: without this call a write raises TypeError.
    """
    _current_event.set(weakref.ref(event))


async def _apply(app: ChronosApp, events: Sequence[Any], how: Consumption[T]) -> None:
    batch: list[Taken[T]] = []
    for event in events:
        if not how.is_ours(event):
            await _bury(app, event, how.agent)
            continue
        batch.append(Taken(event, await _decoded(app, event, how)))
    if batch:
        await until_answered(app, how.agent, lambda: how.step(batch))


async def _decoded(app: ChronosApp, event: Any, how: Consumption[T]) -> T:
    try:
        return how.decode(event)
    except ValueError as error:
        UNDECODABLE.labels(how.agent).inc()
        message = event.message
        _log.error(
            "record_undecodable",
            agent=how.agent,
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            reason=str(error),
        )
        fault = error
    return await until_answered(app, how.agent, lambda: how.repair(event, fault))


async def _bury(app: ChronosApp, event: Any, agent: str) -> None:
    message = event.message
    place = f"{message.topic}/{message.partition}/{message.offset}"
    headers = [*_pairs(message.headers), ("chronos_found_at", place.encode())]

    async def send() -> None:
        try:
            await app.producer.send_and_wait(
                app.names.dead_letters, message.key, message.value, None, None, headers
            )
        except (KafkaError, ProducerSendError) as error:
            raise Unavailable("kafka", repr(error)) from error

    await until_answered(app, agent, send)
    DEAD_LETTERS.labels(agent).inc()
    _log.error("foreign_record_moved", agent=agent, found_at=place)


def _pairs(headers: Any) -> list[tuple[str, bytes]]:
    if not headers:
        return []
    return list(headers.items()) if isinstance(headers, dict) else list(headers)
