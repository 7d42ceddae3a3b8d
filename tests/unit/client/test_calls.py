"""Every call: which request it makes, and that the answer of the server can be read."""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pytest
from aiohttp import web

from chronos.api.table import ROUTES
from chronos.client.ledger_client import LedgerClient
from chronos.domain.chart import AccountKind
from chronos.wire.batch import TransferItem
from tests.unit.client import samples
from tests.unit.client.served import Scripted

DAY = date(2026, 1, 31)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A call, and the request and answer that belong to it."""

    route: str
    call: Callable[[LedgerClient], Awaitable[Any]]
    answer: dict[str, Any]
    path: str
    body: dict[str, Any] | None = None
    query: dict[str, str] = field(default_factory=dict)
    if_match: str | None = None


def command(route: str, call, document: dict[str, Any], path: str, body, **more) -> Case:
    answer = {**samples.RECEIPT, **document}
    return Case(route="POST " + route, call=call, answer=answer, path=path, body=body, **more)


def read(route: str, call, answer: dict[str, Any], path: str, **more) -> Case:
    return Case(route="GET " + route, call=call, answer=answer, path=path, **more)


async def all_of(listing) -> list[Any]:
    return [row async for row in listing]


COMMANDS = [
    command(
        "/v1/accounts",
        lambda c: c.accounts.open(
            "alice", currency="EUR", kind=AccountKind.CUSTOMER, opened_on=DAY, external_id="x"
        ),
        samples.OPENED,
        "/v1/accounts",
        {
            "id": "alice",
            "currency": "EUR",
            "kind": "customer",
            "opened_on": "2026-01-31",
            "external_id": "x",
        },
    ),
    command(
        "/v1/transfers",
        lambda c: c.transfers.make(
            "alice", "bob", amount=500, currency="EUR", value_date=DAY, description=None
        ),
        samples.TRANSFER,
        "/v1/transfers",
        {
            "from": "alice",
            "to": "bob",
            "amount": 500,
            "currency": "EUR",
            "value_date": "2026-01-31",
        },
    ),
    command(
        "/v1/entries",
        lambda c: c.transfers.post(
            [("alice", -500), ("bob", 500)], currency="EUR", expected_versions={"bob": 3}
        ),
        samples.ENTRY,
        "/v1/entries",
        {
            "postings": [
                {"account": "alice", "amount": -500},
                {"account": "bob", "amount": 500},
            ],
            "currency": "EUR",
            "expected_versions": {"bob": 3},
        },
    ),
    command(
        "/v1/exchanges",
        lambda c: c.transfers.exchange("alice", "alice.usd", sell_amount=100, buy_amount=110),
        samples.ENTRY,
        "/v1/exchanges",
        {"from": "alice", "to": "alice.usd", "sell_amount": 100, "buy_amount": 110},
    ),
    command(
        "/v1/transfers/{id}/reverse",
        lambda c: c.transfers.reverse("trf_1", transfer_id="trf_2"),
        samples.ENTRY,
        "/v1/transfers/trf_1/reverse",
        {"transfer_id": "trf_2"},
    ),
    command(
        "/v1/holds",
        lambda c: c.holds.place("alice", amount=500, currency="EUR", expires_at=NOON),
        samples.HOLD,
        "/v1/holds",
        {
            "account": "alice",
            "amount": 500,
            "currency": "EUR",
            "expires_at": "2026-01-31T12:00:00Z",
        },
    ),
    command(
        "/v1/holds/{id}/capture",
        lambda c: c.holds.capture("hld_1", "shop", amount=300),
        samples.ENDED,
        "/v1/holds/hld_1/capture",
        {"to": "shop", "amount": 300},
    ),
    command(
        "/v1/holds/{id}/void",
        lambda c: c.holds.void("hld_1", description="gone"),
        samples.ENDED,
        "/v1/holds/hld_1/void",
        {"description": "gone"},
    ),
    command(
        "/v1/accounts/{id}/freeze",
        lambda c: c.accounts.freeze("alice", scope="debits", expected_version=6),
        samples.CHANGED,
        "/v1/accounts/alice/freeze",
        {"scope": "debits"},
        if_match='"6"',
    ),
    command(
        "/v1/accounts/{id}/unfreeze",
        lambda c: c.accounts.unfreeze("alice"),
        samples.CHANGED,
        "/v1/accounts/alice/unfreeze",
        {},
    ),
    command(
        "/v1/accounts/{id}/close",
        lambda c: c.accounts.close("alice"),
        samples.CHANGED,
        "/v1/accounts/alice/close",
        {},
    ),
    command(
        "/v1/accounts/{id}/overdraft-limit",
        lambda c: c.accounts.set_overdraft_limit("alice", None),
        samples.CHANGED,
        "/v1/accounts/alice/overdraft-limit",
        {"overdraft_limit": None},
    ),
    command(
        "/v1/accounts/{id}/metadata",
        lambda c: c.accounts.annotate("alice", {"k": "v"}),
        samples.CHANGED | {"metadata": {"k": "v"}},
        "/v1/accounts/alice/metadata",
        {"metadata": {"k": "v"}},
    ),
    command(
        "/v1/batches",
        lambda c: c.batches.run(
            [
                TransferItem(source="alice", destination="bob", amount=5, currency="EUR"),
                {"type": "close", "id": "alice"},
            ],
            atomic=True,
        ),
        {
            "atomic": True,
            "results": [
                {
                    "status": 201,
                    "replayed": False,
                    "location": None,
                    "body": {**samples.RECEIPT, **samples.TRANSFER},
                },
                {
                    "status": 200,
                    "replayed": False,
                    "location": None,
                    "body": {**samples.RECEIPT, **samples.CHANGED},
                },
            ],
        },
        "/v1/batches",
        {
            "commands": [
                {
                    "type": "transfer",
                    "from": "alice",
                    "to": "bob",
                    "amount": 5,
                    "currency": "EUR",
                },
                {"type": "close", "id": "alice"},
            ],
            "atomic": True,
        },
    ),
]
READS = [
    read(
        "/v1/accounts/{id}",
        lambda c: c.accounts.read("a:b"),
        samples.OPENED,
        "/v1/accounts/a:b",
    ),
    read(
        "/v1/accounts/{id}/balance",
        lambda c: c.accounts.balance("alice", at=NOON),
        samples.BALANCE | {"at": "2026-01-31T12:00:00.000000Z", "final": True},
        "/v1/accounts/alice/balance",
        query={"at": "2026-01-31T12:00:00+00:00"},
    ),
    read(
        "/v1/accounts/{id}/events",
        lambda c: all_of(c.accounts.events("alice", after=3, limit=2)),
        {"data": [samples.event(4)], "page": {"next": None, "has_more": False}},
        "/v1/accounts/alice/events",
        query={"after": "3", "limit": "2"},
    ),
    read(
        "/v1/accounts/{id}/statement",
        lambda c: all_of(c.accounts.statement("alice", since=DAY)),
        samples.STATEMENT,
        "/v1/accounts/alice/statement",
        query={"from": "2026-01-31", "format": "json", "limit": "500"},
    ),
    read(
        "/v1/transfers/{id}",
        lambda c: c.transfers.read("trf_1"),
        {**samples.RECEIPT, **samples.ENTRY},
        "/v1/transfers/trf_1",
    ),
    read("/v1/holds/{id}", lambda c: c.holds.read("hld_1"), samples.HOLD, "/v1/holds/hld_1"),
    read(
        "/v1/trial-balance",
        lambda c: c.books.trial_balance(at=NOON),
        samples.TRIAL_BALANCE,
        "/v1/trial-balance",
        query={"at": "2026-01-31T12:00:00+00:00"},
    ),
    read(
        "/v1/currencies",
        lambda c: c.books.currencies(),
        {"data": [{"code": "EUR", "number": "978", "exponent": 2, "name": "Euro"}]},
        "/v1/currencies",
    ),
]
VIEWS = [
    read(
        "/v1/accounts/{id}/balance",
        lambda c: c.views.balance("alice", min_version=7),
        samples.BALANCE,
        "/v1/accounts/alice/balance",
        query={"min_version": "7"},
    ),
    read(
        "/v1/accounts/{id}/holds",
        lambda c: c.views.holds("alice"),
        {
            "account": "alice",
            "currency": "EUR",
            "held": 500,
            "version": 7,
            "as_of": "2026-01-01T00:00:00.000000Z",
            "source": "table",
            "data": [{"id": "hld_1", "amount": 500, "expires_at": None}],
        },
        "/v1/accounts/alice/holds",
    ),
    read(
        "/v1/accounts/{id}/entries",
        lambda c: all_of(
            c.views.entries("alice", until=NOON, min_amount=1, metadata={"k": "v"})
        ),
        {
            "account": "alice",
            "version": 7,
            "data": [
                {
                    k: v
                    for k, v in samples.event(7, account="alice").items()
                    if k != "account_id"
                }
            ],
            "page": {"next": None, "has_more": False},
        },
        "/v1/accounts/alice/entries",
        query={"to": "2026-01-31T12:00:00+00:00", "min_amount": "1", "metadata[k]": "v"},
    ),
    read(
        "/v1/accounts",
        lambda c: all_of(c.views.accounts(kind="customer", q="ali")),
        {
            "data": [{**samples.OPENED, "as_of": "2026-01-01T00:00:00.000000Z"}],
            "page": {"next": None, "has_more": False},
        },
        "/v1/accounts",
        query={"kind": "customer", "q": "ali"},
    ),
    read(
        "/v1/transfers",
        lambda c: all_of(c.views.transfers(account="alice", since=DAY)),
        {"data": [samples.ENTRY], "page": {"next": None, "has_more": False}},
        "/v1/transfers",
        query={"account": "alice", "from": "2026-01-31"},
    ),
    read("/v1/pipeline", lambda c: c.views.pipeline(), {"stages": {}}, "/v1/pipeline"),
]
CASES = COMMANDS + READS + VIEWS


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.route} {case.path}")
async def test_a_call_makes_its_request_and_reads_the_answer(serve, case):
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(case.answer)

    script = Scripted(answer)
    client = await serve(script)

    await case.call(client)

    (request,) = script.requests
    assert f"{request.method} {request.path}" == case.route.split()[0] + " " + case.path
    assert dict(request.query) == case.query
    assert request.headers.get("If-Match") == case.if_match
    assert (json.loads(script.bodies[0]) if script.bodies[0] else None) == case.body
    assert ("Idempotency-Key" in request.headers) == (request.method == "POST")


def test_every_route_of_the_command_endpoint_has_a_call():
    plain = {"/healthz", "/readyz", "/metrics", "/openapi.json", "/asyncapi.json", "/docs"}
    routes = {f"{r.method} {r.path}" for r in ROUTES if r.path not in plain}

    assert routes <= {case.route for case in COMMANDS + READS}


def test_the_path_of_each_case_is_that_of_its_route():
    for case in CASES:
        pattern = re.sub(r"\{id\}", "[^/]+", case.route.split()[1])
        assert re.fullmatch(pattern, case.path), case.route
