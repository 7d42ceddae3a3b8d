"""The server under Faust's web application: its connections, and the short way past it.

What the HTTP parser refuses is answered with a problem document, like everything else. The
answer of aiohttp itself to bytes that are not HTTP is a line of text.

A read of an account takes a short way: its address says at once which view it is for, and the
application's router, its match and its middlewares, which would come to the same, cost as much
as the answer itself. Whatever is not plainly such a read goes the usual way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp.http_exceptions import LineTooLong
from aiohttp.web import (
    AppRunner,
    BaseRequest,
    HTTPNotFound,
    Request,
    Response,
    Server,
    StreamResponse,
    UrlMappingMatchInfo,
)
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_urldispatcher import SystemRoute

from chronos.clock import IdSource
from chronos.domain.ids import is_valid_id
from chronos.http_connection import OneTaskHandler
from chronos.wire.problems import CONTENT_TYPE, PROBLEMS, problem_body

_OF_AN_ACCOUNT: Final = "/v1/accounts/"
_NO_ROUTE: Final = SystemRoute(HTTPNotFound())

View = Callable[[Request], Awaitable[Any]]


class ShortWay:
    """Finds the view of a plain `GET /v1/accounts/{account_id}/...`."""

    def __init__(self) -> None:
        self._views: dict[str, View] = {}

    def add(self, path: str, view: View) -> None:
        """Takes a view in, if its path is of that form."""
        head, _, last = path.rpartition("/")
        if head == _OF_AN_ACCOUNT + "{account_id}":
            self._views[last] = view

    def find(self, request: Request) -> View | None:
        """Gives the view and notes the account as the router would; None for the usual way."""
        if request.method != "GET":
            return None
        head, _, last = request.raw_path.partition("?")[0].rpartition("/")
        view = self._views.get(last)
        if view is None or not head.startswith(_OF_AN_ACCOUNT) or "Expect" in request.headers:
            return None
        account_id = head[len(_OF_AN_ACCOUNT) :]
        if not is_valid_id(account_id):
            return None
        request._match_info = UrlMappingMatchInfo({"account_id": account_id}, _NO_ROUTE)  # noqa: SLF001
        return view


class ProblemRunner(AppRunner):
    """Runs an application whose connections answer with problem documents.

    Args:
        app: The application.
        ids: Makes request ids.
        short: Knows the views that are reached without the application.
    """

    __slots__ = ("_ids", "_short")

    def __init__(self, app: Any, *, ids: IdSource, short: ShortWay):
        super().__init__(app, access_log=None)
        self._ids = ids
        self._short = short

    async def _make_server(self) -> Server:
        made = await super()._make_server()
        return ProblemServer(made, ids=self._ids, short=self._short)


class ProblemServer(Server):
    """Makes the protocol of each connection; in all else like the server it takes over from."""

    def __init__(self, server: Server, *, ids: IdSource, short: ShortWay):
        whole: Any = server.request_handler

        def handle(request: Any) -> Awaitable[Any]:
            view = short.find(request)
            return whole(request) if view is None else view(request)

        super().__init__(
            handle,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
            loop=server._loop,  # noqa: SLF001  the server's own settings, given on
            **server._kwargs,  # noqa: SLF001
        )
        self.ids = ids

    def __call__(self) -> RequestHandler:
        """Makes the protocol of a new connection."""
        return ProblemHandler(self, loop=self._loop, **self._kwargs)


class ProblemHandler(OneTaskHandler):
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
