"""A view with its span: the same answer, and a span only for a sampled request."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from chronos.telemetry.spans import Span, record_to
from chronos.telemetry.traces import span_id_of, trace_id_of
from web.traced import traced

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PATH = "/v1/accounts/{id}/balance"


class Callers:
    """Samples what the caller sampled."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.record = self.spans.append

    def samples(self, trace_id: str, *, parent_is_sampled: bool | None) -> bool:
        del trace_id
        return bool(parent_is_sampled)


@pytest.fixture
def callers() -> Iterator[Callers]:
    recorder = Callers()
    record_to(recorder)
    yield recorder
    record_to(None)


async def answer(_request: web.Request) -> web.Response:
    return web.Response(status=503, headers={"X-Request-Id": "req_1"})


async def ask(**headers: str) -> web.StreamResponse:
    request = make_mocked_request("GET", "/v1/accounts/alice/balance", headers=headers)
    return await traced(answer, PATH)(request)


async def test_a_sampled_request_has_a_span_below_its_caller(callers):
    response = await ask(traceparent=GIVEN)

    assert response.status == 503
    (span,) = callers.spans
    assert (span.shape.name, span.shape.error) == (f"GET {PATH}", "503")
    assert (trace_id_of(span.traceparent), span.parent) == (
        trace_id_of(GIVEN),
        span_id_of(GIVEN),
    )
    assert "alice" not in str(span)


async def test_any_other_request_is_answered_without_one(callers):
    assert (await ask()).status == 503
    assert (await ask(traceparent=GIVEN[:-1] + "0")).status == 503

    assert callers.spans == []
