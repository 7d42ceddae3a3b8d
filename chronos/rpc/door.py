"""The one net around every call, and the order of its checks.

start-up checks → credential → scope → message → method. A check that fails ends the call with a
status and its details; a server that does not answer is UNAVAILABLE; anything else that is
raised is a bug: INTERNAL, counted, and logged with its traceback. Every call gets a request id,
a line in the access log and its metrics.

A client whose deadline has passed, or who has hung up, is not waited for: its call is
cancelled. A command that no transaction has taken by then is not run; one that was taken is
committed once or not at all, and its key tells which. Streams are bounded in number, for the
process and for each principal; each holds one page of events, and waits for its reader.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from time import perf_counter
from typing import Final

from google.protobuf.message import Message
from grpc import StatusCode
from grpc.aio import InternalError

from chronos.clock import IdSource
from chronos.errors import InvariantBroken, Overloaded, Unavailable
from chronos.rpc.call import REQUEST_ID_TRAILER, Call, Context, Gate, Parts, authorize
from chronos.rpc.methods import SERVICE, Stream, Unary
from chronos.rpc.problems import RpcProblem, trailers
from chronos.rpc.reading import parse_message
from chronos.rpc.watching import Watch
from chronos.telemetry import rpc_metrics
from chronos.telemetry.logs import bind_correlation, get_logger
from chronos.telemetry.traces import trace_id_of

STREAMS_MAX: Final = 256
"""Of one process."""
STREAMS_OF_ONE_MAX: Final = 64
"""Of one principal in one process."""

_log = get_logger("rpc")


class Door:
    """Answers every call of the service."""

    def __init__(
        self,
        parts: Parts,
        gate: Gate,
        watch: Watch,
        *,
        ids: IdSource,
        on_broken: Callable[[InvariantBroken], None],
    ):
        """Makes the door.

        Args:
            parts: What the methods use.
            gate: Knows whether work may be taken.
            watch: Takes note of the calls.
            ids: For request ids.
            on_broken: Is told when stored facts contradict each other; it stops the process.
        """
        self._parts = parts
        self._gate = gate
        self._watch = watch
        self._ids = ids
        self._on_broken = on_broken
        self._streams: Counter[str] = Counter()
        rpc_metrics.RPCS_IN_FLIGHT.set_function(lambda: watch.in_flight + self.streams)
        rpc_metrics.RPC_STREAMS.set_function(lambda: self.streams)

    @property
    def in_flight(self) -> int:
        """How many calls with one answer are under way."""
        return self._watch.in_flight

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return self._streams.total()

    async def answer(self, method: Unary, raw: bytes, context: Context) -> Message:
        """Answers one call, or aborts it."""
        started_s = perf_counter()
        call = self._begin(method.name, context)
        self._watch.in_flight += 1
        try:
            request = await self._checked(method, call, raw)
            message = await method.handler(self._parts, call, request)
        except asyncio.CancelledError:
            self._watch.ended(call, _given_up(context), None, started_s=started_s)
            raise
        except Exception as error:  # noqa: BLE001  the net: every unknown fault is counted here
            problem = self._problem(error)
        else:
            context.set_trailing_metadata(call.trailers())
            self._watch.ended(call, StatusCode.OK, None, started_s=started_s)
            return message
        finally:
            self._watch.in_flight -= 1
        self._watch.ended(call, problem.status, problem.code, started_s=started_s)
        return await _abort(context, call, problem)

    async def stream(self, method: Stream, raw: bytes, context: Context) -> None:
        """Answers one call with a stream, or aborts it."""
        started_s = perf_counter()
        call = self._begin(method.name, context)
        try:
            request = await self._checked(method, call, raw)
            with self._place(call.holder().name):
                await context.send_initial_metadata(((REQUEST_ID_TRAILER, call.request_id),))
                await _send(method.handler(self._parts, call, request), context)
        except (asyncio.CancelledError, InternalError) as gone:
            # InternalError: a message could not be sent, since the client went in that moment.
            self._watch.stream_ended(call, _given_up(context), None, started_s=started_s)
            raise asyncio.CancelledError from gone
        except Exception as error:  # noqa: BLE001  the net: every unknown fault is counted here
            problem = self._problem(error)
        else:
            context.set_trailing_metadata(call.trailers())
            self._watch.stream_ended(call, StatusCode.OK, None, started_s=started_s)
            return
        self._watch.stream_ended(call, problem.status, problem.code, started_s=started_s)
        await _abort(context, call, problem)

    def _begin(self, name: str, context: Context) -> Call:
        call = Call.begin(f"/{SERVICE}/{name}", context, self._ids)
        bind_correlation(request_id=call.request_id, trace_id=trace_id_of(call.traceparent))
        return call

    async def _checked(self, method: Unary | Stream, call: Call, raw: bytes) -> Message:
        self._gate.refuse_when_closed()
        await authorize(call, method.scope, self._parts.credentials)
        return parse_message(raw, method.request)

    @contextmanager
    def _place(self, principal: str) -> Iterator[None]:
        """Takes one of the places for streams.

        Raises:
            RpcProblem: All are taken.
        """
        if self._streams[principal] >= STREAMS_OF_ONE_MAX or self.streams >= STREAMS_MAX:
            raise RpcProblem(
                "rate_limited",
                f"There are too many open streams: at most {STREAMS_OF_ONE_MAX} of one "
                f"principal and {STREAMS_MAX} in all.",
            )
        self._streams[principal] += 1
        try:
            yield
        finally:
            self._streams[principal] -= 1
            if not self._streams[principal]:
                del self._streams[principal]

    def _problem(self, error: Exception) -> RpcProblem:
        if isinstance(error, RpcProblem):
            return error
        if isinstance(error, Unavailable):
            _log.warning("call_unavailable", service=error.service, detail=error.detail)
            full = isinstance(error, Overloaded)
            return RpcProblem(
                "unavailable",
                "The service cannot answer now; send the same call again, a command with the "
                "same idempotency_key, a stream from the last version received.",
                status=StatusCode.RESOURCE_EXHAUSTED if full else StatusCode.UNAVAILABLE,
            )
        rpc_metrics.RPC_INTERNAL_ERRORS.inc()
        _log.error("call_failed", exc_info=error)
        if isinstance(error, InvariantBroken):
            self._on_broken(error)
        return RpcProblem(
            "internal_error", "An unexpected fault; the request id finds it in the log."
        )


async def _send(messages: AsyncGenerator[Message, None], context: Context) -> None:
    async with aclosing(messages):
        async for message in messages:
            await context.write(message.SerializeToString())
            rpc_metrics.RPC_EVENTS_SENT.inc()


def _given_up(context: Context) -> StatusCode:
    """Tells why a call was cancelled: its deadline passed, or the client hung up."""
    remaining_s: float | None = context.time_remaining()
    passed = remaining_s is not None and remaining_s <= 0
    return StatusCode.DEADLINE_EXCEEDED if passed else StatusCode.CANCELLED


async def _abort(context: Context, call: Call, problem: RpcProblem) -> Message:
    """Ends a call; never returns, since grpc raises its own exception to end the method."""
    call.replayed = problem.replayed
    metadata = (*call.trailers(), *trailers(problem, request_id=call.request_id))
    try:
        await context.abort(problem.status, problem.detail, metadata)
    except InternalError as gone:  # there is nobody to tell
        raise asyncio.CancelledError from gone
