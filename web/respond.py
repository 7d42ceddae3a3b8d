"""What every view of the query side shares: credential, parameters, answers and refusals.

A view is one coroutine `answer(request) -> Response`, put on a path by `add_view`. Around it,
in this order: the route (404 and 405 are problem documents too), the API key with the scope
`read`, the view itself, and a net that turns faults into 503 and bugs into an opaque 500, both
counted. An answer that goes on (`StreamedAnswer`) is counted and timed by its head; what fails
behind the head can only break the connection, and is logged. Every answer carries
`X-Request-Id`. The way of a good answer is short on purpose: a read of an account passes no
router (`malformed.py`), no middleware does work for it, nothing is parsed that is not there, a
header that was judged within the last second is not judged again, and head and body of JSON are
written at once (`chronos/plain_http.py`), without aiohttp's response, which cost a fifth of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import faust
import msgspec
import structlog
from aiohttp import web
from aiohttp.http import SERVER_SOFTWARE
from faust.web import View

from chronos.auth.credentials import JudgedHeaders
from chronos.auth.principals import Principal, Scope
from chronos.clock import Clock, IdSource, SystemClock, SystemIds
from chronos.errors import Unavailable
from chronos.plain_http import PlainResponse, is_plain, plain_response
from chronos.telemetry.balances_metrics import QUERY_ANSWERS, QUERY_SECONDS
from chronos.telemetry.spans import is_on
from chronos.wire.problems import CONTENT_TYPE, PROBLEMS, InputError, problem_body
from web.malformed import ProblemRunner, ShortWay
from web.routes.route import ViewRoute
from web.traced import traced

JSON_TYPE = "application/json"
_CHALLENGES = {
    "unauthenticated": "Bearer",
    "insufficient_scope": 'Bearer error="insufficient_scope", scope="read"',
}


class JsonAnswer(NamedTuple):
    """A good answer that is JSON, before it is sent."""

    body: bytes


Answer = Callable[[web.Request], Awaitable[web.StreamResponse | JsonAnswer]]
Sent = Callable[[web.Request], Awaitable[web.StreamResponse | PlainResponse]]
"""Gives what aiohttp's protocol can send."""

log = structlog.get_logger("web")


class Keys(Protocol):
    """Knows API keys; `chronos.auth.keys.ApiKeys` is the real one."""

    async def authenticate(self, header: str | None) -> Principal | None:
        """Finds the holder of an `Authorization` header, or None when nobody holds it."""
        ...


class Refusal(Exception):
    """Ends a view with a problem document.

    Args:
        code: One of `chronos.wire.problems.PROBLEMS`.
        detail: One sentence for the person who sent the request.
        parameter: The query parameter at fault, named again in `errors`.
        retry_after_s: Whole seconds for the `Retry-After` header.
        status: The HTTP status where it is not the code's own.
        extra: Further members of the document.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        parameter: str | None = None,
        retry_after_s: int | None = None,
        status: int | None = None,
        extra: dict[str, Any] | None = None,
    ):
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.parameter = parameter
        self.retry_after_s = retry_after_s
        self.status = PROBLEMS[code].status if status is None else status
        self.extra = extra


class StreamedAnswer(web.StreamResponse):
    """Is an answer that goes on after its head.

    Args:
        go_on: Writes the body into the answer, whose head is sent by then; returns at its end.
        release: Is called once, also when the head could not be sent.
        headers: The answer's headers.
    """

    def __init__(
        self,
        go_on: Callable[[web.Request, web.StreamResponse], Awaitable[None]],
        release: Callable[[], None],
        *,
        headers: Mapping[str, str],
    ):
        super().__init__(headers=headers)
        self.force_close()
        self.go_on = go_on
        self.release = release


def json_answer(value: Any) -> JsonAnswer:
    """Answers 200 with `value` as msgspec writes it; bytes are taken as ready JSON."""
    return JsonAnswer(value if isinstance(value, bytes) else msgspec.json.encode(value))


def problem_answer(
    request: web.Request, refusal: Refusal, *, request_id: str, headers: Sequence[str] = ()
) -> web.Response:
    """Answers with the problem document of a refusal (RFC 9457).

    Args:
        request: The request that is refused; its path becomes `instance`.
        refusal: What is said.
        request_id: The same as in the header `X-Request-Id`.
        headers: Names and values in turn, added to the answer.
    """
    errors: tuple[InputError, ...] = ()
    if refusal.parameter is not None:
        pointer = f"#/query/{refusal.parameter}"
        errors = (InputError(pointer=pointer, code=refusal.code, detail=refusal.detail),)
    body = problem_body(
        refusal.code,
        refusal.detail,
        instance=request.path,
        request_id=request_id,
        status=refusal.status,
        errors=errors,
        extra=refusal.extra,
    )
    response = web.Response(body=body, status=refusal.status, content_type=CONTENT_TYPE)
    if refusal.retry_after_s is not None:
        response.headers["Retry-After"] = str(refusal.retry_after_s)
    for name, value in zip(headers[::2], headers[1::2], strict=True):
        response.headers[name] = value
    response.headers["X-Request-Id"] = request_id
    return response


async def check_key(keys: Keys, request: web.Request) -> None:
    """Lets a request pass whose API key may read.

    Raises:
        Refusal: `unauthenticated` or `insufficient_scope`.
        Unavailable: PostgreSQL does not answer and the key is not remembered.
    """
    _check_holder(await keys.authenticate(request.headers.get("Authorization")))


def _check_holder(holder: Principal | None) -> None:
    if holder is None:
        raise Refusal("unauthenticated", "Send `Authorization: Bearer <API key>`.")
    if not holder.may(Scope.READ):
        raise Refusal("insufficient_scope", "The API key lacks the scope `read`.")


class Respond:
    """Puts views on the web server of one Faust app, behind credential and net.

    Args:
        app: The Faust app; its web server must not run yet.
        keys: Checks API keys; called per request, so it must answer from memory when it can.
        ids: Makes request ids.
        clock: Times answers.
    """

    def __init__(
        self,
        app: faust.App,
        keys: Keys,
        *,
        ids: IdSource | None = None,
        clock: Clock | None = None,
    ):
        self.app = app
        self.keys = keys
        self.ids = ids or SystemIds()
        self.clock = clock or SystemClock()
        self._judged = JudgedHeaders(keys, self.clock)
        self._short = ShortWay()
        server: Any = app.web
        server.web_app.middlewares.append(self._say_what_the_router_says)
        # Faust makes its runner itself, and has no setting for what it cannot read.
        server._runner = ProblemRunner(  # noqa: SLF001
            server.web_app, ids=self.ids, short=self._short
        )

    def add_view(self, route: ViewRoute, answer: Answer) -> None:
        """Serves GET and HEAD of a route by `answer`.

        Args:
            route: One of `web.routes.table`.
            answer: Makes the response or raises `Refusal`.
        """
        net = self._net(answer, route.name, is_open=route.is_open)
        if is_on() and not route.is_open:
            net = traced(net, route.path)
        self._short.add(route.path, net)

        class Endpoint(View):
            """Hands the request to the net; Faust's own dispatch would lose our headers."""

            view_path = route.path
            view_name = route.name

            async def get(self, request: web.Request, **_: str) -> Any:
                return await net(request)

            async def __call__(self, request: web.Request) -> Any:
                return await net(request)

        self.app.web.add_view(Endpoint)

    def _net(self, answer: Answer, name: str, *, is_open: bool) -> Sent:
        seconds = QUERY_SECONDS.labels(name)
        good = QUERY_ANSWERS.labels(name, "200")

        async def handle(request: web.Request) -> web.StreamResponse | PlainResponse:
            started_s = self.clock.monotonic_s()
            request_id = self.ids.new_id("req_")
            try:
                if not is_open:
                    authorization = request.headers.getall("Authorization", ())
                    _check_holder(await self._judged.holder(authorization))
                made = await answer(request)
            except Exception as error:  # noqa: BLE001 - the net: each is counted and told of
                made = self._fault(request, error, name, request_id)
            seconds.observe(self.clock.monotonic_s() - started_s)
            if isinstance(made, JsonAnswer):
                good.inc()
                return _sent(request, made.body, request_id)
            # An answer that was passed on has the id of who made it.
            made.headers.setdefault("X-Request-Id", request_id)
            QUERY_ANSWERS.labels(name, str(made.status)).inc()
            if isinstance(made, StreamedAnswer):
                await self._go_on(request, made, name)
            return made

        return handle

    def _fault(
        self, request: web.Request, error: Exception, name: str, request_id: str
    ) -> web.Response:
        if isinstance(error, Refusal):
            return self._refuse(request, error, request_id)
        if isinstance(error, Unavailable):
            log.warning(
                "query_unavailable", view=name, service=error.service, request_id=request_id
            )
            return self._refuse(request, _unavailable(error), request_id)
        # A bug is counted and logged, its text stays inside.
        log.error("query_failed", view=name, request_id=request_id, exc_info=error)
        bug = Refusal("internal_error", "The request failed; the log knows its id.")
        return self._refuse(request, bug, request_id)

    async def _go_on(self, request: web.Request, response: StreamedAnswer, name: str) -> None:
        try:
            await response.prepare(request)
            await response.go_on(request, response)
        except ConnectionError:
            pass  # the client is gone; nobody reads what could be said
        except Exception:
            # The net again: the head is sent, so only the broken connection can tell.
            request_id = response.headers["X-Request-Id"]
            log.exception("stream_failed", view=name, request_id=request_id)
            QUERY_ANSWERS.labels(name, "broken").inc()
            if request.transport is not None:
                request.transport.abort()
        finally:
            response.release()

    def _refuse(self, request: web.Request, refusal: Refusal, request_id: str) -> web.Response:
        challenge = _CHALLENGES.get(refusal.code)
        headers = () if challenge is None else ("WWW-Authenticate", challenge)
        return problem_answer(request, refusal, request_id=request_id, headers=headers)

    @web.middleware
    async def _say_what_the_router_says(
        self, request: web.Request, handler: Sent
    ) -> web.StreamResponse | PlainResponse:
        # Runs for every request; for one whose route exists it only passes the call on.
        if request.match_info.http_exception is None:
            return await handler(request)
        error = request.match_info.http_exception
        request_id = self.ids.new_id("req_")
        if isinstance(error, web.HTTPMethodNotAllowed):
            refusal = Refusal("method_not_allowed", f"{request.method} is not served here.")
            allow = ", ".join(sorted(error.allowed_methods))
            return problem_answer(
                request, refusal, request_id=request_id, headers=("Allow", allow)
            )
        return problem_answer(
            request, Refusal("not_found", "There is nothing here."), request_id=request_id
        )


def _sent(request: web.Request, body: bytes, request_id: str) -> web.Response | PlainResponse:
    headers = {
        "Content-Type": JSON_TYPE,
        "X-Request-Id": request_id,
        "Server": SERVER_SOFTWARE,
    }
    if is_plain(request, 200):
        return plain_response(request, status=200, headers=headers, body=body)
    return web.Response(body=body, headers=headers)


def _unavailable(fault: Unavailable) -> Refusal:
    return Refusal(
        "unavailable",
        f"{fault.service} does not answer; the same request may be sent again.",
        retry_after_s=fault.retry_after_s,
    )
