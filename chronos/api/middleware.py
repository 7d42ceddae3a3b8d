"""The one net around every request, and the order of its checks.

route → size → credential → media type → query → key header → JSON and shape → scope → handler.
A check that fails ends the request with a problem document; a server that does not answer is
503 with `Retry-After`; anything else that is raised is a bug: 500, counted, and logged with its
traceback. Every answer gets a new `X-Request-Id`, a line in the access log and its metrics.

Commands carry their own deadline in the group commit, reads in the pool of connections; the
body has its deadline here, and so has each piece of an answer that is streamed. A client that
hangs up does not stop its command: it is committed once or not at all, and its key replays the
receipt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from time import perf_counter
from typing import Final

from aiohttp.web import BaseRequest, Response

from chronos.api.answer import Answer, Streamed
from chronos.api.credentials import Credentials, check_scope
from chronos.api.exchange import Exchange, Services
from chronos.api.headers import (
    check_accept,
    check_media_type,
    expected_version,
    idempotency_key,
)
from chronos.api.parse import parse_body
from chronos.api.problems import HttpProblem, problem_answer
from chronos.api.query import DRY_RUN, parse_query
from chronos.api.reading import read_body
from chronos.api.routes import Route, Router
from chronos.api.streaming import ClientTooSlow, StreamedResponse
from chronos.errors import InvariantBroken, Unavailable
from chronos.plain_http import PlainResponse, is_plain, plain_response
from chronos.telemetry import metrics, spans
from chronos.telemetry.logs import bind_correlation, get_logger
from chronos.telemetry.traces import trace_id_of

_EMPTY_OBJECT: Final = b"{}"
_log = get_logger("api")


class Door:
    """Answers every request that the HTTP parser could read."""

    def __init__(
        self,
        router: Router,
        services: Services,
        *,
        body_deadline_s: float,
        send_deadline_s: float,
        on_broken: Callable[[InvariantBroken], None],
    ):
        """Makes the door.

        Args:
            router: The routes behind it.
            services: What their handlers use.
            body_deadline_s: Longest time that a body may take to arrive.
            send_deadline_s: Longest time that a piece of a stream may wait for its client.
            on_broken: Is told when stored facts contradict each other; it stops the process.
        """
        self._router = router
        self._services = services
        self._credentials = Credentials(services.auth, services.clock)
        self._watch = services.watch
        self._body_deadline_s = body_deadline_s
        self._send_deadline_s = send_deadline_s
        self._on_broken = on_broken

    async def handle(self, request: BaseRequest) -> Response | PlainResponse | StreamedResponse:
        """Answers one request; raises nothing but cancellation."""
        started_s = perf_counter()
        exchange = self._begin(request)
        self._watch.in_flight += 1
        try:
            answer = await self._answer(exchange)
        finally:
            self._watch.in_flight -= 1
        self._watch.answered(exchange, answer, started_s=started_s)
        if isinstance(answer, StreamedResponse):
            return answer
        return self._response(exchange, answer)

    def _begin(self, request: BaseRequest) -> Exchange:
        traceparent, caller_span = spans.begin(request.headers.get("traceparent"))
        exchange = Exchange(
            request=request,
            request_id=self._services.ids.new_id("req_"),
            traceparent=traceparent,
            caller_span=caller_span,
            path=path_of(request),
        )
        bind_correlation(
            request_id=exchange.request_id, trace_id=trace_id_of(exchange.traceparent)
        )
        return exchange

    async def _answer(self, exchange: Exchange) -> Answer | StreamedResponse:
        try:
            return await self._checked(exchange)
        except HttpProblem as found:
            problem = found
        except Unavailable as fault:
            _log.warning("request_unavailable", service=fault.service, detail=fault.detail)
            problem = HttpProblem(
                "unavailable",
                "The service cannot answer now; send the same request again, with the same "
                "Idempotency-Key.",
                headers={"Retry-After": str(fault.retry_after_s)},
            )
        except ConnectionError:
            # The client is gone; nobody reads this.
            problem = HttpProblem("bad_request", "The connection was closed.", close=True)
        except Exception as error:  # noqa: BLE001  the net: every unknown fault is counted here
            problem = self._unknown(error)
        if exchange.stream is not None:
            exchange.stream.break_off(problem.code)
            return exchange.stream
        return problem_answer(problem, instance=exchange.path, request_id=exchange.request_id)

    async def _send(self, exchange: Exchange, answer: Streamed) -> StreamedResponse:
        """Sends an answer while it is made; what fails before its first byte is a problem."""
        is_whole, is_page = exchange.request.method != "HEAD", answer.is_page
        places = self._services.pages if is_page else self._services.streams
        async with aclosing(answer.pieces) as pieces, places.taken():
            first = await anext(pieces, b"") if is_whole or is_page else b""
            response = exchange.stream = StreamedResponse(
                exchange.request,
                headers=self._headers(exchange, answer),
                closes=self._services.health.draining,
                deadline_s=self._send_deadline_s,
                length=len(first) if is_page else None,
            )
            try:
                await (response.send(first, pieces) if is_whole else response.send_head())
            except ClientTooSlow:
                response.break_off("client_slow")
            except ConnectionError:
                response.break_off("client_gone")
            except asyncio.CancelledError:
                response.break_off("cancelled")
                raise
        return response

    def _unknown(self, error: Exception) -> HttpProblem:
        metrics.HTTP_INTERNAL_ERRORS.inc()
        _log.error("request_failed", exc_info=error)
        if isinstance(error, InvariantBroken):
            self._on_broken(error)
        return HttpProblem(
            "internal_error", "An unexpected fault; the request id finds it in the log."
        )

    async def _checked(self, exchange: Exchange) -> Answer | StreamedResponse:
        request = exchange.request
        if request.method == "OPTIONS":
            return self._options(exchange)
        route, exchange.params = self._router.find(request.method, exchange.path)
        exchange.route_path = route.path
        body = b""
        if route.body is not None:
            body = await read_body(
                request, limit_bytes=route.body_bytes_max, deadline_s=self._body_deadline_s
            )
        if route.needs_journal:
            self._services.health.refuse_when_closed()
        if route.scope is not None:
            exchange.principal = await self._credentials.principal(request)
        if not body and route.body_optional:
            body = _EMPTY_OBJECT
        self._check_head(exchange, route, is_left_out=body is _EMPTY_OBJECT)
        if route.body is not None:
            exchange.body = parse_body(body, route.body)
        if route.scope is not None and exchange.principal is not None:
            check_scope(exchange.principal, route.scope)
        answer = await route.handler(self._services, exchange)
        return await self._send(exchange, answer) if isinstance(answer, Streamed) else answer

    def _check_head(self, exchange: Exchange, route: Route, *, is_left_out: bool) -> None:
        request = exchange.request
        if route.body is not None and not is_left_out:
            check_media_type(request)
        if route.answer is not None:
            check_accept(request, route.other_media_types)
        query = request.rel_url.raw_query_string
        exchange.query = parse_query(query, route.query) if query else route.without_query
        if route.body is None:
            return
        if not exchange.query[DRY_RUN]:
            exchange.idempotency_key = idempotency_key(request)
        exchange.expected_version = expected_version(request, taken=route.takes_if_match)

    def _options(self, exchange: Exchange) -> Answer:
        if exchange.path == "*":
            methods: tuple[str, ...] = ("GET", "HEAD", "POST", "OPTIONS")
        else:
            methods = self._router.methods(exchange.path)
        return Answer(status=204, body=b"", headers={"Allow": ", ".join(methods)})

    def _headers(self, exchange: Exchange, answer: Answer | Streamed) -> dict[str, str]:
        headers = {
            "Content-Type": answer.content_type,
            "X-Request-Id": exchange.request_id,
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Server": "chronos",
        }
        if answer.headers:
            headers.update(answer.headers)
        return headers

    def _response(self, exchange: Exchange, answer: Answer) -> Response | PlainResponse:
        headers = self._headers(exchange, answer)
        if answer.status == 204:
            del headers["Content-Type"]
        closes = answer.close or self._services.health.draining
        if not closes and is_plain(exchange.request, answer.status):
            return plain_response(
                exchange.request, status=answer.status, headers=headers, body=answer.body
            )
        response = Response(body=answer.body, status=answer.status, headers=headers)
        if closes:
            response.force_close()
            response.headers["Connection"] = "close"
        return response


def path_of(request: BaseRequest) -> str:
    """Gives the path as it came over the wire: dots, slashes and escapes untouched.

    Bytes that are not UTF-8 become replacement characters: no address and no id has them.
    """
    target = request.raw_path
    if not target.startswith("/") and target != "*":
        target = request.rel_url.raw_path  # a whole URL, as proxies send it
    path = target.partition("?")[0].partition("#")[0]
    if path.isascii():
        return path
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
