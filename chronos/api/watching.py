"""What is noted of every answer: metrics, and one line in the access log."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from chronos.api.answer import Answer
from chronos.api.exchange import Exchange
from chronos.clock import Clock
from chronos.telemetry import metrics
from chronos.telemetry.logs import AccessLine, AccessLog
from chronos.telemetry.traces import trace_id_of

_PATH_LENGTH_MAX = 256
_OTHER_METHOD = "other"
_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


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
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._timers: dict[tuple[str, str], Histogram] = {}
        metrics.HTTP_REQUESTS_IN_FLIGHT.set_function(lambda: self.in_flight)

    def answered(self, exchange: Exchange, answer: Answer, *, duration_s: float) -> None:
        """Counts an answer, measures it, and writes its line."""
        method = exchange.request.method
        if method not in _METHODS:
            method = _OTHER_METHOD
        self._counter(exchange.route_path, method, answer.status).inc()
        self._timer(exchange.route_path, method).observe(duration_s)
        if answer.code is not None:
            metrics.HTTP_PROBLEMS.labels(code=answer.code).inc()
        if self._access_log is not None and exchange.route_path not in _QUIET:
            self._access_log.write(self._line(exchange, answer, duration_s))

    def close(self) -> None:
        """Writes the lines that wait."""
        if self._access_log is not None:
            self._access_log.flush()

    def _line(self, exchange: Exchange, answer: Answer, duration_s: float) -> AccessLine:
        return AccessLine(
            timestamp=self._clock.now().isoformat(timespec="milliseconds"),
            process=self._process,
            request_id=exchange.request_id,
            trace_id=trace_id_of(exchange.traceparent),
            principal=None if exchange.principal is None else exchange.principal.name,
            method=exchange.request.method,
            path=exchange.path[:_PATH_LENGTH_MAX],
            status=answer.status,
            code=answer.code,
            duration_ms=round(duration_s * 1000, 3),
            remote=exchange.request.remote,
        )

    def _counter(self, route: str, method: str, status: int) -> Counter:
        key = (route, method, status)
        counter = self._counters.get(key)
        if counter is None:
            counter = metrics.HTTP_REQUESTS.labels(route=route, method=method, status=status)
            self._counters[key] = counter
        return counter

    def _timer(self, route: str, method: str) -> Histogram:
        key = (route, method)
        timer = self._timers.get(key)
        if timer is None:
            timer = metrics.HTTP_REQUEST_SECONDS.labels(route=route, method=method)
            self._timers[key] = timer
        return timer
