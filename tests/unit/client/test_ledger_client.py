"""The client against a small HTTP server that misbehaves on demand."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chronos.client.exchange import Patience
from chronos.client.ledger_client import Doors, LedgerClient
from chronos.client.refusals import Refused, UnreadableAnswer
from chronos.client.retrying import Backoff
from chronos.errors import DeadlineExceeded

RECEIPT = {
    "id": "trf_1",
    "status": "booked",
    "position": 9,
    "recorded_at": "2026-01-01T00:00:00Z",
    "from": "alice",
    "to": "bob",
    "amount": 500,
    "currency": "EUR",
    "accounts": {
        "alice": {"version": 7, "booked": 1, "held": 0, "available": 1},
        "bob": {"version": 3, "booked": 5, "held": 0, "available": 5},
    },
}
BALANCE = {
    "account": "alice",
    "currency": "EUR",
    "booked": 1,
    "held": 0,
    "available": 1,
    "version": 7,
    "as_of": "2026-01-01T00:00:00Z",
    "source": "table",
}
QUICK = Patience(deadline_s=2.0, attempt_s=0.2, backoff=Backoff(first_s=0.001, most_s=0.002))


class Scripted:
    """Answers each request with the next step of a script, and keeps what it was asked."""

    def __init__(self, *steps: Callable[[web.Request], Awaitable[web.Response]]):
        self.steps = list(steps)
        self.keys: list[str | None] = []
        self.bodies: list[bytes] = []
        self.queries: list[dict[str, str]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers.get("Idempotency-Key"))
        self.bodies.append(await request.read())
        self.queries.append(dict(request.query))
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        return await step(request)


async def receipt(_: web.Request) -> web.Response:
    return web.json_response(RECEIPT, status=201)


async def replay(_: web.Request) -> web.Response:
    return web.json_response(RECEIPT, status=201, headers={"Idempotent-Replayed": "true"})


async def balance(_: web.Request) -> web.Response:
    return web.json_response(BALANCE)


async def cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def refuse(status: int, code: str, **extra: object) -> Callable[..., Awaitable[web.Response]]:
    async def step(_: web.Request) -> web.Response:
        body = {"status": status, "code": code, "title": "No", "detail": "It said no."}
        return web.Response(
            body=json.dumps(body | extra),
            status=status,
            content_type="application/problem+json",
            headers={"Retry-After": "0"},
        )

    return step


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[LedgerClient]]]:
    servers: list[TestServer] = []
    clients: list[LedgerClient] = []

    async def start(script: Scripted, **options: object) -> LedgerClient:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", script.handle)
        server = TestServer(app)
        await server.start_server()
        servers.append(server)
        url = str(server.make_url("")).rstrip("/")
        doors = Doors(command=url, query=url, api_key="chk_x_y")
        client = LedgerClient(doors, patience=QUICK, **options)  # type: ignore[arg-type]  # a test's shorthand
        clients.append(client)
        return client

    yield start
    for client in clients:
        await client.__aexit__(None, None, None)
    for server in servers:
        await server.close()


async def test_a_broken_line_and_a_503_are_asked_again_with_the_same_key_and_body(serve):
    script = Scripted(cut, refuse(503, "unavailable"), replay)
    client = await serve(script)

    done = await client.transfer("alice", "bob", amount=500, currency="EUR")

    assert done.replayed
    assert len(script.keys) == 3
    assert len(set(script.keys)) == len(set(script.bodies)) == 1
    assert client.attempts_repeated == 2


async def test_a_refusal_is_raised_at_once_with_its_code(serve):
    script = Scripted(refuse(409, "insufficient_funds"))
    client = await serve(script)

    with pytest.raises(Refused, match=r"It said no \[insufficient_funds\]") as caught:
        await client.transfer("alice", "bob", amount=500, currency="EUR", key="k1")

    assert (caught.value.status, caught.value.code) == (409, "insufficient_funds")
    assert script.keys == ["k1"]


async def test_a_key_still_in_progress_is_asked_again(serve):
    running = refuse(409, "idempotency_in_progress", retryable=True)
    client = await serve(Scripted(running, receipt))

    done = await client.transfer("alice", "bob", amount=500, currency="EUR")

    assert (done.source, done.destination, done.accounts["bob"].version) == ("alice", "bob", 3)


async def test_a_server_that_never_recovers_ends_at_the_deadline(serve):
    client = await serve(Scripted(refuse(503, "unavailable")))

    with pytest.raises(DeadlineExceeded, match="unavailable"):
        await client.balance("alice", deadline_s=0.05)


async def test_a_read_carries_the_version_that_the_write_answered(serve):
    script = Scripted(receipt, balance)
    client = await serve(script, read_your_writes=True)

    await client.transfer("alice", "bob", amount=500, currency="EUR")
    await client.balance("alice")

    assert script.queries[-1] == {"min_version": "7"}


async def test_a_read_asks_for_no_version_unless_told(serve):
    script = Scripted(receipt, balance)
    client = await serve(script)

    await client.transfer("alice", "bob", amount=500, currency="EUR")
    await client.balance("alice")

    assert script.queries[-1] == {}


async def test_an_answer_without_its_fields_is_an_error_and_not_a_default(serve):
    async def empty(_: web.Request) -> web.Response:
        return web.json_response({"account": "alice"})

    client = await serve(Scripted(empty))

    with pytest.raises(UnreadableAnswer):
        await client.balance("alice")
