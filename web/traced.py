"""A view whose answers are recorded as spans, put before the view only where spans are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter

from aiohttp import web

from chronos.plain_http import PlainResponse
from chronos.telemetry.span_shapes import http_request
from chronos.telemetry.spans import begin, end_request

Told = web.StreamResponse | PlainResponse
Answer = Callable[[web.Request], Awaitable[Told]]


def traced(answer: Answer, path: str) -> Answer:
    """Gives a view that answers as `answer` does.

    Args:
        answer: Answers every request, refusals included.
        path: The route's pattern.
    """

    async def handle(request: web.Request) -> Told:
        traceparent, caller = begin(request.headers.get("traceparent"))
        started_s = perf_counter()
        response = await answer(request)
        if caller is not None:
            shape = http_request(
                request.method,
                path,
                response.status,
                request_id=response.headers["X-Request-Id"],
                code=None,
            )
            end_request(traceparent, caller, shape, started_s=started_s, ended_s=perf_counter())
        return response

    return handle
