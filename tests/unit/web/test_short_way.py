"""Reads of an account that pass no router: they are answered as if they did."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import TCPSite
from yarl import URL

from chronos.telemetry.spans import record_to
from tests.unit.web.parts import READER, Keys, view_app
from tests.unit.web.test_holds import Redis, Table, balance
from web.balances import Balances
from web.holds import Holds
from web.respond import Respond
from web.routing import Owners, Routing

TARGETS = (
    "/v1/accounts/alice/balance",
    "/v1/accounts/alice/balance?min_version=4",
    "/v1/accounts/alice/balance?min_version=9",
    "/v1/accounts/alice/balance?min_version=4&min_version=4",
    "/v1/accounts/alice/balance?x=/balance",
    "/v1/accounts/alice/holds",
    "/v1/accounts/alice/balance/",
    "/v1/accounts/alice/other",
    "/v1/accounts/al%69ce/balance",
    "/v1/accounts/a%20b/balance",
    "/v1/accounts/%2e%2e/balance",
    "/v1/accounts/a%2Fb/balance",
    "/v1/accounts/a/b/balance",
    "/v1/accounts//balance",
    "/v1/accounts/balance",
    "/v1/holds/alice/balance",
    "//v1/accounts/alice/balance",
    "/v1/accounts/" + "x" * 65 + "/balance",
)
_OF_EACH = frozenset({"x-request-id", "date"})


class Spans(list):
    """Samples every request."""

    record = list.append

    def samples(self, _trace_id, *, parent_is_sampled):
        return parent_is_sampled is not False


@pytest.fixture
def spans():
    kept = Spans()
    record_to(kept)
    yield kept
    record_to(None)


@pytest.fixture
async def ways():
    """The server as it runs, with the short way, and a client of the application alone."""
    table = Table()
    table.balance = balance()
    routing = Routing(table, copy=Redis(), owners=Owners(), wait_s=2)
    app = view_app()
    respond = Respond(app, Keys())
    for view in (Balances(routing), Holds(routing)):
        view.add_to(respond)
    app.web.init_server()
    async with AsyncExitStack() as stack:
        usual = await stack.enter_async_context(TestClient(TestServer(app.web.web_app)))
        runner = app.web._runner
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", usual


async def answered(http, base, target, *, method="GET", headers=READER):
    url = URL(base + target, encoded=True)
    async with http.session.request(method, url, headers=headers) as answer:
        body = await answer.read()
        own = answer.headers["X-Request-Id"]
        headers = {name.lower(): value for name, value in answer.headers.items()}
        told = {name: headers[name] for name in headers.keys() - _OF_EACH}
        return answer.status, told, body.replace(own.encode(), b"")


@pytest.mark.parametrize("target", TARGETS)
async def test_the_short_way_answers_as_the_usual_one(ways, target):
    base, usual = ways
    application = str(usual.make_url("")).rstrip("/")
    for method in ("GET", "HEAD", "POST", "DELETE"):
        short = await answered(usual, base, target, method=method)

        assert short == await answered(usual, application, target, method=method)


async def test_the_short_way_asks_for_the_key_too(ways):
    base, usual = ways
    for headers in ({}, {"Authorization": "Bearer nobody"}):
        status, told, _ = await answered(usual, base, TARGETS[0], headers=headers)

        assert (status, told["www-authenticate"]) == (401, "Bearer")


async def test_the_short_way_has_its_span_where_spans_are_on(spans, ways):
    base, usual = ways

    await answered(usual, base, TARGETS[0])

    assert [span.shape.name for span in spans] == ["GET /v1/accounts/{account_id}/balance"]


async def test_an_expectation_is_answered_before_the_read(ways):
    base, usual = ways
    async with usual.session.get(base + TARGETS[0], headers=READER, expect100=True) as answer:
        assert (answer.status, (await answer.json())["version"]) == (200, 4)
