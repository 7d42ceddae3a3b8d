"""Spans: what a sampled request went through, handed to whoever records it.

Phases: the door decides once whether a request is sampled (`begin`), and the decision travels
in its `traceparent` through the outbox row and the Kafka record. Work that serves many requests
at once (a transaction, a page of the relay, a batch of an agent) asks which of them are sampled
(`working`), and is told of when it has ended. Nothing is made of a request that is not sampled.

A span exists only when its work is over: before, there are its id, which travels, and its time.
So nothing is made between a lock and its commit, and nothing is left open by a crash.

Shared work appears in the trace of each sampled request that it served, so that one trace id
finds every step: as a span with a link to every request in the trace of the first of them, and
as a span with a link to that one in each of the others.

Without a recorder every function returns after one comparison. Bounds: `REQUESTS_MAX` requests
of one piece of work; the recorder bounds the rest, and neither waits nor raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar, Token
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from time import perf_counter
from types import TracebackType
from typing import Final, NamedTuple, Protocol

from chronos.clock import SystemClock
from chronos.telemetry.traces import (
    accept_traceparent,
    is_sampled,
    is_valid_traceparent,
    new_span_id,
    new_traceparent,
    span_id_of,
    trace_id_of,
)

REQUESTS_MAX: Final = 128
"""OpenTelemetry's own bound of the links of one span."""

Value = str | int | float


class Kind(IntEnum):
    """Says on which side of what a span is; the numbers are those of OpenTelemetry."""

    INTERNAL = 0
    SERVER = 1
    CLIENT = 2
    PRODUCER = 3
    CONSUMER = 4


class Shape(NamedTuple):
    """Is what a span says besides ids and times; never an account's id or an amount."""

    name: str
    kind: Kind
    attributes: Mapping[str, Value]
    error: str = ""
    """Why the work failed, a closed set; empty when it did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Is one span that has ended."""

    traceparent: str
    """Its own context."""
    parent: str
    """The parent's span id; empty for the first of its trace."""
    shape: Shape
    started_ns: int
    """Nanoseconds since 1970."""
    ended_ns: int
    links: Sequence[str] = ()
    """The contexts of other spans."""


class Recorder(Protocol):
    """Decides what is recorded, and takes it."""

    def samples(self, trace_id: str, *, parent_is_sampled: bool | None) -> bool:
        """Tells whether a trace (32 digits) is recorded; None: it begins here."""
        ...

    def record(self, span: Span) -> None:
        """Takes a span; never waits, never raises."""
        ...


class _State:
    """Is the one recorder of this process, if there is one."""

    __slots__ = ("recorder",)

    def __init__(self) -> None:
        self.recorder: Recorder | None = None


_state = _State()
_current: ContextVar[tuple[str, ...]] = ContextVar("chronos_spans", default=())
_clock = SystemClock()


def record_to(recorder: Recorder | None) -> None:
    """Has spans recorded from now on, or with None no more."""
    _state.recorder = recorder


def is_on() -> bool:
    """Tells whether spans are recorded in this process."""
    return _state.recorder is not None


def begin(header: str | None) -> tuple[str, str | None]:
    """Begins a request with its caller's traceparent, and decides whether it is sampled.

    Returns:
        The request's own traceparent, and the span id of its caller: empty without one, None
        where the request is not recorded.
    """
    recorder = _state.recorder
    if recorder is None:
        return accept_traceparent(header), None
    if header is None or not is_valid_traceparent(header):
        made = new_traceparent()
        if recorder.samples(trace_id_of(made), parent_is_sampled=None):
            return made[:-1] + "1", ""
        return made, None
    given = "00" + header[2:55]
    trace_id, was_sampled = trace_id_of(given), is_sampled(given)
    if recorder.samples(trace_id, parent_is_sampled=was_sampled):
        return f"00-{trace_id}-{new_span_id()}-01", span_id_of(given)
    # A flag is changed together with the id that it speaks of.
    return (f"00-{trace_id}-{new_span_id()}-00" if was_sampled else given), None


def end_request(
    traceparent: str, caller: str, shape: Shape, *, started_s: float, ended_s: float
) -> None:
    """Records a request that `begin` sampled; the times are of `perf_counter`."""
    recorder = _state.recorder
    if recorder is not None:
        started_ns, ended_ns = _wall_clock(started_s, ended_s)
        recorder.record(
            Span(
                traceparent=traceparent,
                parent=caller,
                shape=shape,
                started_ns=started_ns,
                ended_ns=ended_ns,
            )
        )


def current() -> tuple[str, ...]:
    """Gives the contexts of the work that is being done here, one for each sampled request."""
    return _current.get()


class working:  # noqa: N801 - a context manager reads as a verb
    """Records what is done inside it as work for those of some requests that are sampled.

    What is done inside that again (`working(current(), ...)`) appears below it.

    Args:
        served: The contexts of the requests, each as often as it comes.
        shape: Is asked at the end, and only if there is something to record.
    """

    __slots__ = ("_contexts", "_requests", "_served", "_shape", "_started_s", "_token")

    def __init__(self, served: Iterable[str], shape: Callable[[], Shape]):
        self._served = served
        self._shape = shape
        self._requests: Sequence[str] = ()
        self._contexts: tuple[str, ...] = ()
        self._started_s = 0.0
        self._token: Token[tuple[str, ...]] | None = None

    def __enter__(self) -> None:
        """Looks which of the requests are sampled."""
        recorder = _state.recorder
        if recorder is None:
            return
        self._requests = _sampled(self._served, recorder)
        if self._requests:
            self._contexts = tuple(map(_below, self._requests))
            self._token = _current.set(self._contexts)
            self._started_s = perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Records the work, with what ended it."""
        if self._token is not None:
            _current.reset(self._token)
            shape = self._shape()
            if kind is not None and not shape.error:
                shape = shape._replace(error=kind.__name__)
            self._record(shape)

    def _record(self, shape: Shape) -> None:
        recorder = _state.recorder
        if recorder is None:
            return
        started_ns, ended_ns = _wall_clock(self._started_s, perf_counter())
        links: Sequence[str] = self._requests
        for request, context in zip(self._requests, self._contexts, strict=True):
            recorder.record(
                Span(
                    traceparent=context,
                    parent=span_id_of(request),
                    shape=shape,
                    started_ns=started_ns,
                    ended_ns=ended_ns,
                    links=links,
                )
            )
            links = self._contexts[:1]


def _sampled(served: Iterable[str], recorder: Recorder) -> list[str]:
    found = dict.fromkeys(
        one for one in served if is_sampled(one) and is_valid_traceparent(one)
    )
    kept = (one for one in found if recorder.samples(trace_id_of(one), parent_is_sampled=True))
    return list(islice(kept, REQUESTS_MAX))


def _below(request: str) -> str:
    return f"00-{trace_id_of(request)}-{new_span_id()}-01"


def _wall_clock(started_s: float, ended_s: float) -> tuple[int, int]:
    """Tells when the counter stood there, in nanoseconds since 1970."""
    ago_s = perf_counter() - ended_s
    ended_ns = int((_clock.now().timestamp() - ago_s) * 1_000_000) * 1_000
    return ended_ns - round((ended_s - started_s) * 1_000_000_000), ended_ns
