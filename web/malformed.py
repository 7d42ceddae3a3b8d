"""What the HTTP parser refuses is answered with a problem document, like everything else.

Faust's web server runs an application of aiohttp, whose own answer to bytes that are not HTTP
is a line of text. Here the protocol under it is another; nothing else about it changes.
"""

from __future__ import annotations

from typing import Any

from aiohttp.http_exceptions import LineTooLong
from aiohttp.web import AppRunner, BaseRequest, Response, Server, StreamResponse
from aiohttp.web_protocol import RequestHandler

from chronos.clock import IdSource
from chronos.wire.problems import CONTENT_TYPE, PROBLEMS, problem_body


class ProblemRunner(AppRunner):
    """Runs an application whose connections answer with problem documents.

    Args:
        app: The application.
        ids: Makes request ids.
    """

    __slots__ = ("_ids",)

    def __init__(self, app: Any, *, ids: IdSource):
        super().__init__(app, access_log=None)
        self._ids = ids

    async def _make_server(self) -> Server:
        made = await super()._make_server()
        return ProblemServer(made, ids=self._ids)


class ProblemServer(Server):
    """Makes the protocol of each connection; in all else like the server it takes over from."""

    def __init__(self, server: Server, *, ids: IdSource):
        super().__init__(
            server.request_handler,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
            loop=server._loop,  # noqa: SLF001  the server's own settings, given on
            **server._kwargs,  # noqa: SLF001
        )
        self.ids = ids

    def __call__(self) -> RequestHandler:
        """Makes the protocol of a new connection."""
        return ProblemHandler(self, loop=self._loop, **self._kwargs)


class ProblemHandler(RequestHandler):
    """One connection."""

    __slots__ = ("_ids",)

    def __init__(self, server: ProblemServer, *, loop: Any, **options: Any):
        super().__init__(server, loop=loop, **options)
        self._ids = server.ids

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """Answers what could not be read as a request; a bug is the net's, and aiohttp's."""
        if status >= 500 or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        is_long = isinstance(exc, LineTooLong) or "Too many headers" in str(exc)
        code = "header_too_large" if is_long else "bad_request"
        request_id = self._ids.new_id("req_")
        body = problem_body(
            code, f"{PROBLEMS[code].title}.", instance="", request_id=request_id
        )
        response = Response(
            body=body,
            status=PROBLEMS[code].status,
            headers={
                "Content-Type": CONTENT_TYPE,
                "X-Request-Id": request_id,
                "Connection": "close",
            },
        )
        response.force_close()
        return response
