"""What is noted of every call: metrics, and one line in the access log."""

from __future__ import annotations

from functools import cache
from time import perf_counter

from grpc import StatusCode
from prometheus_client import Counter, Histogram

from chronos.clock import Clock
from chronos.rpc.call import Call
from chronos.telemetry import rpc_metrics
from chronos.telemetry.logs import AccessLine, AccessLog
from chronos.telemetry.span_shapes import rpc_call
from chronos.telemetry.spans import end_request
from chronos.telemetry.traces import trace_id_of

_METHOD = "gRPC"


class Watch:
    """Takes note of the calls of one process."""

    def __init__(self, *, process: str, clock: Clock, access_log: AccessLog):
        """Starts with nothing in flight.

        Args:
            process: Name of the process, on each line.
            clock: For the lines' time.
            access_log: Where the lines go.
        """
        self.in_flight = 0
        """Calls with one answer; streams are counted by whoever bounds them."""
        self._process = process
        self._clock = clock
        self._access_log = access_log

    def ended(
        self, call: Call, status: StatusCode, code: str | None, *, started_s: float
    ) -> None:
        """Takes note of a call that has one answer; must be called on the event loop."""
        _seconds(call.method).observe(perf_counter() - started_s)
        self.stream_ended(call, status, code, started_s=started_s)

    def stream_ended(
        self, call: Call, status: StatusCode, code: str | None, *, started_s: float
    ) -> None:
        """Takes note of a stream at its end."""
        _calls(call.method, status.name).inc()
        if code is not None:
            rpc_metrics.RPC_PROBLEMS.labels(code=code).inc()
        if call.caller_span is not None:
            shape = rpc_call(call.method, status.name, request_id=call.request_id, code=code)
            end_request(
                call.traceparent,
                call.caller_span,
                shape,
                started_s=started_s,
                ended_s=perf_counter(),
            )
        self._access_log.write(
            AccessLine(
                timestamp=self._clock.now().isoformat(timespec="milliseconds"),
                process=self._process,
                request_id=call.request_id,
                trace_id=trace_id_of(call.traceparent),
                principal=None if call.principal is None else call.principal.name,
                method=_METHOD,
                path=call.method,
                status=status.name,
                code=code,
                duration_ms=round((perf_counter() - started_s) * 1000, 3),
                remote=call.remote,
            )
        )

    def flush(self) -> None:
        """Writes the lines that wait."""
        self._access_log.flush()


@cache
def _calls(method: str, code: str) -> Counter:
    return rpc_metrics.RPCS.labels(method=method, code=code)


@cache
def _seconds(method: str) -> Histogram:
    return rpc_metrics.RPC_SECONDS.labels(method=method)
