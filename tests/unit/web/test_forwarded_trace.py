"""A request that is passed on to the owner of its account stays in its trace."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, make_mocked_request

from chronos.errors import Unavailable
from chronos.telemetry.spans import Kind
from chronos.telemetry.traces import is_sampled, span_id_of, trace_id_of
from tests.unit.telemetry.conftest import memory  # noqa: F401 - a fixture
from web.routing import Owners
from web.traced import traced

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PATH = "/v1/accounts/{account_id}/balance"


class Owner:
    """The other worker: keeps the traceparent of what it is asked."""

    def __init__(self) -> None:
        self.status = 200
        self.asked: list[str | None] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.headers.get("traceparent"))
        return web.Response(status=self.status, headers={"X-Request-Id": "req_1"})


@pytest.fixture
async def owner() -> AsyncIterator[Owner]:
    made, app = Owner(), web.Application()
    app.router.add_get("/{rest:.*}", made.answer)
    async with TestServer(app) as server:
        made.url = str(server.make_url("/"))
        yield made


@pytest.fixture
async def owners() -> AsyncIterator[Owners]:
    made = Owners()
    await made.open()
    yield made
    await made.close()


async def passed_on(owners: Owners, owner: Owner, *, spans_are_on: bool, **headers: str):
    async def answer(request: web.Request) -> web.Response:
        return await owners.ask(request, owner.url, wait_s=0)

    request = make_mocked_request("GET", "/v1/accounts/alice/balance", headers=headers)
    return await (traced(answer, PATH) if spans_are_on else answer)(request)


async def test_the_owner_is_asked_below_the_request(owners, owner, memory):  # noqa: F811
    await passed_on(owners, owner, spans_are_on=True, traceparent=GIVEN)

    call, request = memory.spans
    assert owner.asked == [call.traceparent]
    assert {trace_id_of(one.traceparent) for one in (call, request)} == {trace_id_of(GIVEN)}
    assert (call.parent, call.shape.kind) == (span_id_of(request.traceparent), Kind.CLIENT)
    assert call.shape.name == "GET"
    assert call.shape.attributes["http.response.status_code"] == 200
    assert call.shape.attributes["server.address"] == "127.0.0.1"
    assert call.shape.error == ""
    assert "alice" not in str(call)


async def test_a_request_that_begins_a_trace_takes_the_owner_along(owners, owner, memory):  # noqa: F811
    await passed_on(owners, owner, spans_are_on=True)

    call, request = memory.spans
    assert owner.asked == [call.traceparent]
    assert trace_id_of(call.traceparent) == trace_id_of(request.traceparent)


async def test_the_owner_begins_no_trace_of_what_was_not_sampled(owners, owner, memory):  # noqa: F811
    memory.rule = lambda _trace_id, _parent: False

    await passed_on(owners, owner, spans_are_on=True)

    (asked,) = owner.asked
    assert not is_sampled(asked)
    assert memory.spans == []


async def test_a_callers_value_is_passed_on_where_spans_are_off(owners, owner):
    await passed_on(owners, owner, spans_are_on=False, traceparent=GIVEN)
    await passed_on(owners, owner, spans_are_on=False, traceparent="rubbish")
    await passed_on(owners, owner, spans_are_on=False)

    assert owner.asked == [GIVEN, None, None]


async def test_what_the_owner_refuses_and_its_silence_are_errors(owners, owner, memory):  # noqa: F811
    owner.status = 503
    await passed_on(owners, owner, spans_are_on=True, traceparent=GIVEN)
    owner.url = "http://127.0.0.1:9"
    with pytest.raises(Unavailable):
        await passed_on(owners, owner, spans_are_on=True, traceparent=GIVEN)

    calls = [one.shape.error for one in memory.spans if one.shape.kind is Kind.CLIENT]
    assert calls == ["503", "ClientConnectorError"]
