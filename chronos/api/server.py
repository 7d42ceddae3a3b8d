"""The HTTP server under the door: its limits, and problem documents for what it cannot read.

Bounds of one process: `CONNECTIONS_MAX` connections, 8 KiB for the request line and for each
header, `HEADERS_MAX` headers, `head_deadline_s` from the first byte of a request's head to its
last, `KEEP_ALIVE_S` for a connection that asks nothing, `LINGER_S` for the rest of a body whose
answer is decided. Together they leave a slow or idle client nothing but its own socket.

aiohttp's low-level server is used, without its application: the routes, the errors and the
order of checks are ours, and a request passes no layer that it does not need, nor a task of its
own (`chronos/http_connection.py`).
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiohttp.http_exceptions import LineTooLong
from aiohttp.web import BaseRequest, Response, Server, StreamResponse
from aiohttp.web_protocol import RequestHandler

from chronos.api.middleware import Door
from chronos.api.problems import HttpProblem, problem_answer
from chronos.clock import IdSource
from chronos.http_connection import OneTaskHandler
from chronos.telemetry import metrics
from chronos.telemetry.logs import get_logger
from chronos.wire.problems import CONTENT_TYPE

CONNECTIONS_MAX: Final = 2048
LINE_BYTES_MAX: Final = 8190
HEADERS_MAX: Final = 100
KEEP_ALIVE_S: Final = 75.0
LINGER_S: Final = 2.0

_log = get_logger("api")


class BoundedServer(Server):
    """Makes a protocol for each connection, up to a bound, and knows how many are open."""

    def __init__(
        self,
        door: Door,
        *,
        ids: IdSource,
        head_deadline_s: float,
        connections_max: int = CONNECTIONS_MAX,
    ):
        """Makes the server of a door; must be called on the event loop."""
        super().__init__(
            door.handle,  # type: ignore[arg-type]  # of a response three members are used
            access_log=None,
            keepalive_timeout=KEEP_ALIVE_S,
            lingering_time=LINGER_S,
            max_line_size=LINE_BYTES_MAX,
            max_field_size=LINE_BYTES_MAX,
            max_headers=HEADERS_MAX,
            auto_decompress=False,
        )
        self.ids = ids
        self.head_deadline_s = head_deadline_s
        self._connections_max = connections_max
        metrics.HTTP_CONNECTIONS.set_function(lambda: len(self._connections))

    def is_full(self) -> bool:
        """Tells whether one connection more than the bound is open."""
        return len(self._connections) > self._connections_max

    def __call__(self) -> RequestHandler:
        """Makes the protocol of a new connection."""
        return ProblemProtocol(self, loop=self._loop, **self._kwargs)


class ProblemProtocol(OneTaskHandler):
    """One connection; whatever it gets, it answers with a problem document or an answer."""

    __slots__ = ("_head_timer", "_server")

    def __init__(
        self, server: BoundedServer, *, loop: asyncio.AbstractEventLoop, **options: Any
    ):
        super().__init__(server, loop=loop, **options)
        self._server = server
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes the connection, or answers 503 and closes it when there are too many."""
        super().connection_made(transport)
        if self._server.is_full():
            metrics.HTTP_CONNECTIONS_REFUSED.inc()
            self._end("unavailable", "This process has all the connections that it can serve.")

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forgets the connection."""
        self._forget_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Reads bytes; a head that has begun must end before its deadline."""
        heads = self._request_count
        super().data_received(data)
        if self._request_count != heads:
            self._forget_head_timer()
        elif self._head_timer is None and self._is_idle():
            self._head_timer = self._loop.call_later(
                self._server.head_deadline_s, self._end_slow_head
            )

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002  aiohttp's shape
        """Goes on reading, if it was paused; aiohttp asks after each body, also a short one."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  aiohttp passes it; it may quote the client
    ) -> StreamResponse:
        """Answers what the HTTP parser refused, and what escaped the door, which is a bug."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        if status >= 500:
            metrics.HTTP_INTERNAL_ERRORS.inc()
            _log.error("door_failed", exc_info=exc)
            return self._problem("internal_error", "An unexpected fault.")
        if isinstance(exc, LineTooLong) or "Too many headers" in str(exc):
            return self._problem(
                "header_too_large",
                f"A line of the head has more than {LINE_BYTES_MAX} bytes, or there are more "
                f"than {HEADERS_MAX} headers.",
            )
        return self._problem("bad_request", "The request is not valid HTTP/1.1.")

    def _problem(self, code: str, detail: str) -> Response:
        request_id = self._server.ids.new_id("req_")
        answer = problem_answer(
            HttpProblem(code, detail, close=True), instance="", request_id=request_id
        )
        metrics.HTTP_PROBLEMS.labels(code=code).inc()
        response = Response(
            body=answer.body,
            status=answer.status,
            headers={
                "Content-Type": CONTENT_TYPE,
                "X-Request-Id": request_id,
                "Cache-Control": "no-store",
                "Connection": "close",
                "Server": "chronos",
            },
        )
        response.force_close()
        return response

    def _is_idle(self) -> bool:
        """Tells that no request is being answered, so that bytes begin a head.

        Before the first head there is no waiter yet when the bytes come with the connection.
        """
        if self._request_count == 0:
            return True
        return self._waiter is not None and not self._waiter.done()

    def _end_slow_head(self) -> None:
        self._head_timer = None
        if self._is_idle():
            deadline_s = self._server.head_deadline_s
            self._end("request_timeout", f"The head took longer than {deadline_s:g} s.")

    def _forget_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end(self, code: str, detail: str) -> None:
        """Writes a whole answer without a request, and closes."""
        request_id = self._server.ids.new_id("req_")
        answer = problem_answer(HttpProblem(code, detail), instance="", request_id=request_id)
        metrics.HTTP_PROBLEMS.labels(code=code).inc()
        if self.transport is not None:
            self.transport.write(
                b"HTTP/1.1 %d -\r\nContent-Type: %b\r\nContent-Length: %d\r\n"
                b"X-Request-Id: %b\r\nRetry-After: 1\r\nConnection: close\r\n\r\n%b"
                % (
                    answer.status,
                    CONTENT_TYPE.encode(),
                    len(answer.body),
                    request_id.encode(),
                    answer.body,
                )
            )
        self.force_close()
