"""What every view of the query side shares: credential, parameters, answers and refusals.

A view is one coroutine `answer(request) -> Response`, put on a path by `add_view`. Around it,
in this order: the route (404 and 405 are problem documents too), the API key with the scope
`read`, the view itself, and a net that turns faults into 503 and bugs into an opaque 500, both
counted. An answer that goes on (`StreamedAnswer`) is counted and timed by its head; what fails
behind the head can only break the connection, and is logged. Every answer carries
`X-Request-Id`. The way of a good answer is short on purpose: no middleware does work for it,
nothing is parsed that is not there, and a known key costs one look-up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import faust
import msgspec
import structlog
from aiohttp import web
from faust.web import View

from chronos.auth.principals import Principal, Scope
from chronos.clock import Clock, IdSource, SystemClock, SystemIds
from chronos.errors import Unavailable
from chronos.telemetry.balances_metrics import QUERY_ANSWERS, QUERY_SECONDS
from chronos.telemetry.spans import is_on
from chronos.wire.problems import CONTENT_TYPE, PROBLEMS, InputError, problem_body
from web.malformed import ProblemRunner
from web.routes.route import ViewRoute
from web.traced import traced

JSON_TYPE = "application/json"
_CHALLENGES = {
    "unauthenticated": "Bearer",
    "insufficient_scope": 'Bearer error="insufficient_scope", scope="read"',
}

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

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


def json_answer(value: Any, *, status: int = 200) -> web.Response:
    """Answers with `value` as msgspec writes it; bytes are taken as ready JSON."""
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return web.Response(body=body, status=status, content_type=JSON_TYPE)


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
    holder = await keys.authenticate(request.headers.get("Authorization"))
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
        server: Any = app.web
        server.web_app.middlewares.append(self._say_what_the_router_says)
        # Faust makes its runner itself, and has no setting for what it cannot read.
        server._runner = ProblemRunner(server.web_app, ids=self.ids)  # noqa: SLF001

    def add_view(self, route: ViewRoute, answer: Answer) -> None:
        """Serves GET and HEAD of a route by `answer`.

        Args:
            route: One of `web.routes.table`.
            answer: Makes the response or raises `Refusal`.
        """
        net = self._net(answer, route.name, is_open=route.is_open)
        if is_on() and not route.is_open:
            net = traced(net, route.path)

        class Endpoint(View):
            """Hands the request to the net; Faust's own dispatch would lose our headers."""

            view_path = route.path
            view_name = route.name

            async def get(self, request: web.Request, **_: str) -> web.StreamResponse:
                return await net(request)

            async def __call__(self, request: web.Request) -> web.StreamResponse:
                return await net(request)

        self.app.web.add_view(Endpoint)

    def _net(self, answer: Answer, name: str, *, is_open: bool) -> Answer:
        seconds = QUERY_SECONDS.labels(name)
        good = QUERY_ANSWERS.labels(name, "200")

        async def handle(request: web.Request) -> web.StreamResponse:
            started_s = self.clock.monotonic_s()
            request_id = self.ids.new_id("req_")
            response: web.StreamResponse
            try:
                if not is_open:
                    await check_key(self.keys, request)
                response = await answer(request)
                # An answer that was passed on has the id of who made it.
                response.headers.setdefault("X-Request-Id", request_id)
            except Refusal as refusal:
                response = self._refuse(request, refusal, request_id)
            except Unavailable as fault:
                response = self._refuse(request, _unavailable(fault), request_id)
                log.warning(
                    "query_unavailable", view=name, service=fault.service, request_id=request_id
                )
            except Exception:
                # The net: a bug is counted and logged, its text stays inside.
                log.exception("query_failed", view=name, request_id=request_id)
                bug = Refusal("internal_error", "The request failed; the log knows its id.")
                response = self._refuse(request, bug, request_id)
            seconds.observe(self.clock.monotonic_s() - started_s)
            if response.status == 200:
                good.inc()
            else:
                QUERY_ANSWERS.labels(name, str(response.status)).inc()
            if isinstance(response, StreamedAnswer):
                await self._go_on(request, response, name)
            return response

        return handle

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
        self, request: web.Request, handler: Answer
    ) -> web.StreamResponse:
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


def _unavailable(fault: Unavailable) -> Refusal:
    return Refusal(
        "unavailable",
        f"{fault.service} does not answer; the same request may be sent again.",
        retry_after_s=fault.retry_after_s,
    )
