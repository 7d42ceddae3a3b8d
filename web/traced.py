"""A view whose answers are recorded as spans, put before the view only where spans are.

The view finds the request's own traceparent in the request, to take it along when it asks
another worker.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Final

from aiohttp import web

from chronos.plain_http import PlainResponse
from chronos.telemetry.span_shapes import http_request
from chronos.telemetry.spans import begin, end_request
from chronos.telemetry.traces import is_valid_traceparent

_OWN: Final = web.RequestKey("traceparent", str)

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
        request[_OWN] = traceparent
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


def traceparent_of(request: web.Request) -> str | None:
    """Gives a request's traceparent; where spans are off its caller's, if that is one."""
    own = request.get(_OWN) or request.headers.get("traceparent")
    return own if own is not None and is_valid_traceparent(own) else None
