"""What is noted of every answer: metrics, and one line in the access log.

A request pays for one entry in a list. The entries are worked off together, at most
`_NOTE_AFTER_S` later and before the metrics are read: the same few functions over many entries
cost a fraction of what they cost one by one between other work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from time import perf_counter
from typing import Final, Protocol

from prometheus_client import Counter, Histogram

from chronos.api.exchange import Exchange
from chronos.clock import Clock
from chronos.telemetry import metrics
from chronos.telemetry.logs import AccessLine, AccessLog
from chronos.telemetry.span_shapes import http_request
from chronos.telemetry.spans import end_request
from chronos.telemetry.traces import trace_id_of
from chronos.wire.problems import PROBLEMS

_NOTE_AFTER_S: Final = 0.05
_ENTRIES_MAX: Final = 512
_PATH_LENGTH_MAX: Final = 256
_OTHER_METHOD: Final = "other"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
_QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_Entry = tuple[Exchange, str | None, int, str | None, float, float]
"""Exchange, address of the client, status, code, begin and end on the counter."""


class Noted(Protocol):
    """What is noted of an answer."""

    @property
    def status(self) -> int:
        """Its HTTP status."""
        ...

    @property
    def code(self) -> str | None:
        """The problem's code, or why a stream broke off; None when all is well."""
        ...


class Watch:
    """Takes note of the requests of one process."""

    def __init__(self, *, process: str, clock: Clock, access_log: AccessLog | None):
        """Starts with nothing in flight.

        Args:
            process: Name of the process, on each line.
            clock: For the lines' time.
            access_log: Where the lines go; None for no lines.
        """
        self.in_flight = 0
        self._process = process
        self._clock = clock
        self._access_log = access_log
        self._entries: list[_Entry] = []
        self._timer: asyncio.TimerHandle | None = None
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._timers: dict[tuple[str, str], Histogram] = {}
        metrics.HTTP_REQUESTS_IN_FLIGHT.set_function(lambda: self.in_flight)

    def answered(self, exchange: Exchange, answer: Noted, *, started_s: float) -> None:
        """Takes note of an answer; must be called on the event loop."""
        # The address is gone with the connection, so it is asked for now.
        remote = exchange.request.remote
        self._entries.append(
            (exchange, remote, answer.status, answer.code, started_s, perf_counter())
        )
        if len(self._entries) >= _ENTRIES_MAX:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_NOTE_AFTER_S, self.flush)

    def flush(self) -> None:
        """Works off what was noted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        entries, self._entries = self._entries, []
        for entry in entries:
            self._count(entry)
        if self._access_log is not None and entries:
            line = self._lines()
            for entry in entries:
                if entry[0].route_path not in _QUIET:
                    self._access_log.write(line(entry))
            self._access_log.flush()

    def _count(self, entry: _Entry) -> None:
        exchange, _, status, code, started_s, ended_s = entry
        method = exchange.request.method
        if method not in _METHODS:
            method = _OTHER_METHOD
        self._counter(exchange.route_path, method, status).inc()
        self._duration(exchange.route_path, method).observe(ended_s - started_s)
        if code in PROBLEMS:
            metrics.HTTP_PROBLEMS.labels(code=code).inc()
        if exchange.caller_span is not None and exchange.route_path not in _QUIET:
            shape = http_request(
                exchange.request.method,
                exchange.route_path,
                status,
                request_id=exchange.request_id,
                code=code,
            )
            end_request(
                exchange.traceparent,
                exchange.caller_span,
                shape,
                started_s=started_s,
                ended_s=ended_s,
            )

    def _lines(self) -> Callable[[_Entry], AccessLine]:
        now_us = (self._clock.now() - _EPOCH) // _MICROSECOND
        now_s = perf_counter()

        def line(entry: _Entry) -> AccessLine:
            exchange, remote, status, code, started_s, ended_s = entry
            principal = exchange.principal
            return AccessLine(
                timestamp=_instant(now_us - round((now_s - ended_s) * 1_000_000)),
                process=self._process,
                request_id=exchange.request_id,
                trace_id=trace_id_of(exchange.traceparent),
                principal=None if principal is None else principal.name,
                method=exchange.request.method,
                path=exchange.path[:_PATH_LENGTH_MAX],
                status=status,
                code=code,
                duration_ms=round((ended_s - started_s) * 1000, 3),
                remote=remote,
            )

        return line

    def _counter(self, route: str, method: str, status: int) -> Counter:
        key = (route, method, status)
        counter = self._counters.get(key)
        if counter is None:
            counter = metrics.HTTP_REQUESTS.labels(route=route, method=method, status=status)
            self._counters[key] = counter
        return counter

    def _duration(self, route: str, method: str) -> Histogram:
        key = (route, method)
        timer = self._timers.get(key)
        if timer is None:
            timer = metrics.HTTP_REQUEST_SECONDS.labels(route=route, method=method)
            self._timers[key] = timer
        return timer


def _instant(microseconds: int) -> str:
    """Writes an instant as `datetime.isoformat` does with milliseconds, which are cut off."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{_second(seconds)}.{rest // 1000:03d}+00:00"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    """Writes what is the same for all lines of a second."""
    return (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
