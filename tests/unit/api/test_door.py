"""The net around every request, with a ledger that misbehaves on demand."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp.web import ServerRunner, TCPSite

from chronos.api.app import Api, create_app
from chronos.api.server import BoundedServer
from chronos.auth.principals import Principal, Scope
from chronos.clock import SystemClock, SystemIds
from chronos.errors import DeadlineExceeded, InvariantBroken, Overloaded, Unavailable
from chronos.settings import Settings
from chronos.telemetry import metrics
from chronos.wire.receipt import Receipt

BODY = b'{"from":"a","to":"b","amount":1,"currency":"EUR"}'
HEAD = (
    b"POST /v1/transfers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
    b"Content-Type: application/json\r\nIdempotency-Key: k\r\nContent-Length: %d\r\n\r\n"
) % len(BODY)
REQUEST = HEAD + BODY


class OneLedger:
    def __init__(self):
        self.outcome = Receipt(status=201, body=b"{}", location="/v1/transfers/t")
        self.attempts = []

    async def execute(self, attempt):
        self.attempts.append(attempt)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    preview = execute


class SilentReads:
    async def is_answering(self):
        return True


class EveryKey:
    def __init__(self):
        self.asked = 0

    async def authenticate(self, header):
        self.asked += 1
        if header != "Bearer k":
            return None
        return Principal(name="client", key_id="k", scopes=frozenset({Scope.ADMIN}))


class Bench:
    """One API over fakes, and what it was seen to do."""

    def __init__(self, *, moments=None, reads=None, **settings):
        self.ledger, self.auth, self.broken = OneLedger(), EveryKey(), []
        self.api: Api = create_app(
            ledger=self.ledger,
            reads=reads or SilentReads(),
            moments=moments,
            books=None,
            auth=self.auth,
            cursor_secret=b"s" * 32,
            settings=Settings(log_format="console", **settings),
            clock=SystemClock(),
            ids=SystemIds(),
            on_broken=self.broken.append,
        )
        self.api.health.checked = True
        self.port = 0

    async def ask(self, raw: bytes = REQUEST):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(raw)
            return await read_answer(reader)
        finally:
            writer.close()


async def read_answer(reader):
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return int(head[0].split()[1]), headers, body


@asynccontextmanager
async def serving(server: BoundedServer):
    runner = ServerRunner(server, shutdown_timeout=1)
    await runner.setup()
    await TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest.fixture
async def bench():
    made = Bench()
    async with serving(made.api.server) as made.port:
        yield made
    made.api.watch.flush()


@pytest.mark.parametrize(
    "fault",
    [
        Unavailable("postgresql", "gone", retry_after_s=3),
        DeadlineExceeded("postgresql", "slow", retry_after_s=3),
        Overloaded("postgresql", "full", retry_after_s=3),
    ],
)
async def test_a_server_that_does_not_answer_is_503_with_a_time_to_come_back(bench, fault):
    bench.ledger.outcome = fault

    status, headers, body = await bench.ask()

    assert (status, json.loads(body)["code"]) == (503, "unavailable")
    assert headers["retry-after"] == "3"
    assert b"gone" not in body


async def test_an_unknown_exception_is_500_counted_and_tells_nothing(bench):
    before = metrics.HTTP_INTERNAL_ERRORS._value.get()
    bench.ledger.outcome = ZeroDivisionError("the secret of the house")

    status, headers, body = await bench.ask()

    assert (status, json.loads(body)["code"]) == (500, "internal_error")
    assert b"secret" not in body
    assert json.loads(body)["request_id"] == headers["x-request-id"]
    assert metrics.HTTP_INTERNAL_ERRORS._value.get() == before + 1
    assert bench.broken == []


async def test_a_broken_invariant_stops_the_process(bench):
    bench.ledger.outcome = InvariantBroken("two truths")

    status, _, _ = await bench.ask()

    assert status == 500
    assert bench.broken == [bench.ledger.outcome]


async def test_one_answer_follows_the_other_on_a_connection(bench):
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
    writer.write(REQUEST * 3)

    answers = [await read_answer(reader) for _ in range(3)]
    writer.close()

    assert [status for status, _, _ in answers] == [201, 201, 201]
    assert len({headers["x-request-id"] for _, headers, _ in answers}) == 3
    assert len({attempt.request_hash for attempt in bench.ledger.attempts}) == 1


async def test_a_body_in_many_pieces_is_one_body(bench):
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
    writer.write(HEAD)
    for byte in BODY:
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(bytes([byte]))

    status, _, _ = await read_answer(reader)
    writer.close()

    assert status == 201
    assert bench.ledger.attempts[0].command.amount == 1


async def test_a_client_that_waits_to_send_its_body_is_told_to_go_on(bench):
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
    writer.write(HEAD.replace(b"Host: x", b"Host: x\r\nExpect: 100-continue"))
    async with asyncio.timeout(10):
        interim = await reader.readuntil(b"\r\n\r\n")
    writer.write(BODY)

    status, _, _ = await read_answer(reader)
    writer.close()

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert status == 201


async def test_a_credential_is_judged_once_for_a_while_and_a_wrong_one_each_time(bench):
    for _ in range(3):
        await bench.ask()
    assert bench.auth.asked == 1

    for _ in range(2):
        status, _, _ = await bench.ask(REQUEST.replace(b"Bearer k", b"Bearer x"))
        assert status == 401
    assert bench.auth.asked == 3


async def test_before_the_checks_have_passed_nothing_is_executed(bench):
    bench.api.health.checked = False

    status, headers, _ = await bench.ask()

    assert (status, headers["retry-after"]) == (503, "1")
    assert bench.ledger.attempts == []


async def test_a_draining_process_closes_its_connections(bench):
    bench.api.health.draining = True

    _, headers, _ = await bench.ask()
    ready, _, _ = await bench.ask(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")

    assert headers["connection"] == "close"
    assert ready == 503


async def test_one_connection_too_many_is_turned_away_with_503():
    bench = Bench()
    server = BoundedServer(
        bench.api.server.request_handler.__self__,
        ids=SystemIds(),
        head_deadline_s=5,
        connections_max=1,
    )
    async with serving(server) as port:
        first_reader, first = await asyncio.open_connection("127.0.0.1", port)
        first.write(REQUEST)
        assert (await read_answer(first_reader))[0] == 201

        second_reader, second = await asyncio.open_connection("127.0.0.1", port)
        status, headers, body = await read_answer(second_reader)

        assert (status, json.loads(body)["code"]) == (503, "unavailable")
        assert headers["retry-after"] == "1"
        first.close()
        second.close()
    bench.api.watch.flush()


async def test_a_hundred_requests_sent_at_once_are_answered_in_order(bench):
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
    writer.write(REQUEST * 100)

    for _ in range(100):
        status, _, _ = await read_answer(reader)
        assert status == 201
    writer.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /v1/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/accounts/\xc3\xa9 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n\r\n",
        b"GET /v1/currencies?\xff=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://x/none HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"FETCH / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\x00: x\r\n\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        REQUEST.replace(b"Bearer k", b"Bearer \xff"),
        REQUEST.replace(b"application/json", b"application/\xff"),
        REQUEST.replace(b"Idempotency-Key: k", b"Idempotency-Key: \xff"),
        REQUEST.replace(b"Host: x", b"Host: x\r\nAccept: \xff"),
        REQUEST.replace(b"Content-Length: ", b"Content-Length: -"),
        REQUEST.replace(b"Content-Length: ", b"Content-Length: 1_"),
    ],
)
async def test_whatever_comes_is_answered_with_a_problem_and_never_500(bench, raw):
    status, headers, body = await bench.ask(raw)

    assert 400 <= status < 500
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == status
    assert bench.ledger.attempts == []


async def test_bytes_in_a_header_that_is_not_read_do_no_harm(bench):
    raw = REQUEST.replace(b"Host: x", b'Host: x\r\nX-Note: "\xff"\r\ntraceparent: \xff')

    status, _, _ = await bench.ask(raw)

    assert status == 201


async def test_the_topics_are_described_to_whoever_asks(bench):
    raw = b"GET /asyncapi.json HTTP/1.1\r\nHost: x\r\n\r\n"

    status, headers, body = await bench.ask(raw)

    document = json.loads(body)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert document["asyncapi"] == "3.0.0"
    assert document["channels"]["events"]["address"] == "chronos.events.v1"
    assert bench.auth.asked == 0
