"""Heavy answers and clients that do not read them: what they make a process hold is bounded."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import tracemalloc
from contextlib import asynccontextmanager

import pytest

from chronos.api import places
from chronos.api.places import PAGE_BYTES_MAX, PAGES_AT_ONCE_MAX, STREAMS_AT_ONCE_MAX
from chronos.api.statement import STREAMED_BYTES
from chronos.plain_http import UNSENT_BYTES_MAX
from chronos.store.reads import StoredEvent
from chronos.telemetry import metrics
from tests.unit.api.statements import BEGAN, LongAccount
from tests.unit.api.test_door import Bench, serving
from tests.unit.api.test_streaming import (
    DEADLINE_S,
    PATH,
    api_over,
    ask,
    broken,
    read_body,
    request,
    until,
)

HEAVY = {f"m{number}": "\U0001f600" * 500 for number in range(16)}
"""The metadata that weighs most: 32,000 bytes."""
LINE_BYTES_MAX = 40_000
PAGE = f"{PATH}?limit=1000"
EVENTS = "/v1/accounts/bob/events?limit=200"


class LongHistory:
    """Reads the events of an account of heavy ones: a fake of the store's `Reads`."""

    def __init__(self, events: int):
        self._events = events
        self._body = LongAccount(1, metadata=HEAVY).body

    async def is_answering(self):
        return True

    async def is_known(self, account_id):
        return account_id == "bob"

    async def events_of(self, account_id, after, limit, *, bytes_max):
        most = min(limit, -(-bytes_max // len(self._body)))
        versions = range(after + 1, min(after + most, self._events) + 1)
        digest = hashlib.sha256().digest()
        if account_id != "bob":
            return ()
        return tuple(
            StoredEvent("bob", v, v, "MoneyDeposited", BEGAN, digest, self._body)
            for v in versions
        )


@asynccontextmanager
async def stuck_clients(port: int, raw: bytes, count: int):
    """Sends a request on each of so many connections, and reads nothing of the answers."""
    loop, clients = asyncio.get_running_loop(), []
    try:
        for _ in range(count):
            client = socket.socket()
            clients.append(client)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, raw)
        yield clients
    finally:
        for client in clients:
            client.close()


def unsent(bench: Bench) -> list[int]:
    """Gives the bytes that wait in this process for each of its clients."""
    transports = [handler.transport for handler in bench.api.server.connections]
    return [t.get_write_buffer_size() for t in transports if t is not None]


def heavy_answers(kind: str) -> float:
    return metrics.REGISTRY.get_sample_value("chronos_http_heavy_answers", {"kind": kind})


def refused(kind: str) -> float:
    return metrics.HTTP_HEAVY_ANSWERS_REFUSED.labels(kind=kind)._value.get()


async def test_a_client_that_does_not_read_heavy_lines_costs_no_more_than_a_piece():
    account = LongAccount(100_000, metadata=HEAVY)
    async with api_over(account) as bench, asyncio.timeout(DEADLINE_S):
        tracemalloc.start()
        async with stuck_clients(bench.port, request(), 8):
            # All are stuck when the loop turned often enough without a further reading.
            seen, still = 0, 0
            while still < 20:
                await asyncio.sleep(0.01)
                still = still + 1 if account.readings == seen else 0
                seen = account.readings
            waiting = unsent(bench)
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()

    piece = STREAMED_BYTES + LINE_BYTES_MAX
    assert len(waiting) == 8
    assert max(waiting) <= UNSENT_BYTES_MAX + piece
    assert held < 8 * 4 * piece


async def test_heavy_lines_are_streamed_whole():
    async with api_over(LongAccount(200, metadata=HEAVY)) as bench:
        async with asyncio.timeout(DEADLINE_S):
            reader, writer, status, _ = await ask(bench.port, request())
            document = json.loads(await read_body(reader))
            writer.close()

    assert status == 200
    assert [line["version"] for line in document["lines"]] == list(range(2, 202))
    assert document["lines"][-1]["metadata"] == HEAVY


@pytest.mark.parametrize(
    ("path", "kind", "most"),
    [
        (PATH, "stream", STREAMS_AT_ONCE_MAX),
        (PAGE, "page", PAGES_AT_ONCE_MAX),
        (EVENTS, "page", PAGES_AT_ONCE_MAX),
    ],
)
async def test_so_many_heavy_answers_at_once_and_503_to_the_next(path, kind, most, monkeypatch):
    monkeypatch.setattr(places, "WAIT_S", 0.1)
    before = refused(kind)
    parts = {
        "moments": LongAccount(100_000, metadata=HEAVY),
        "reads": LongHistory(100_000),
        # None is cut off before the last is stuck, however slow the machine is.
        "send_deadline_s": 3_600,
    }
    bench = Bench(**parts)
    async with serving(bench.api.server) as bench.port, asyncio.timeout(2 * DEADLINE_S):
        # A socket alone may take some pages: each client asks for more of them in one go.
        async with stuck_clients(bench.port, request(path) * 12, most):
            await until(lambda: heavy_answers(kind) == most)

            status, headers, body = await bench.ask(request(path))
            other, _, _ = await bench.ask(request("/healthz"))
            held = unsent(bench)
        await until(lambda: heavy_answers(kind) == 0)
        again, writer, status_then, _ = await ask(bench.port, request(path))
        writer.close()
        del again
    bench.api.watch.flush()

    assert (status, json.loads(body)["code"]) == (503, "unavailable")
    assert headers["retry-after"] == "5"
    assert refused(kind) == before + 1
    assert (other, status_then) == (200, 200)
    piece = (STREAMED_BYTES if kind == "stream" else PAGE_BYTES_MAX) + LINE_BYTES_MAX
    assert max(held) <= UNSENT_BYTES_MAX + piece


@pytest.mark.parametrize(("path", "kind"), [(PATH, "stream"), (PAGE, "page"), (EVENTS, "page")])
async def test_who_does_not_read_is_cut_off_and_its_place_is_free_again(path, kind):
    before, clients = broken("client_slow"), 4
    parts = {"moments": LongAccount(100_000, metadata=HEAVY), "reads": LongHistory(100_000)}
    bench = Bench(**parts, send_deadline_s=1)
    async with (
        asyncio.timeout(DEADLINE_S),
        serving(bench.api.server) as bench.port,
        stuck_clients(bench.port, request(path) * 12, clients),
    ):
        await until(lambda: broken("client_slow") == before + clients)
        await until(lambda: heavy_answers(kind) == 0)
    bench.api.watch.flush()


async def test_a_burst_of_pages_is_answered_in_turn():
    async with api_over(LongAccount(10)) as bench, asyncio.timeout(DEADLINE_S):
        raw = request(f"{PATH}?limit=5")
        answers = await asyncio.gather(*(bench.ask(raw) for _ in range(3 * PAGES_AT_ONCE_MAX)))

    assert {status for status, _, _ in answers} == {200}
    assert {len(json.loads(body)["lines"]) for _, _, body in answers} == {5}


async def test_a_heavy_page_has_fewer_lines_and_leads_on():
    async with api_over(LongAccount(100, metadata=HEAVY)) as bench:
        pages, query = [], "limit=1000"
        while query:
            _, headers, body = await bench.ask(request(f"{PATH}?{query}"))
            assert int(headers["content-length"]) == len(body)
            assert len(body) < PAGE_BYTES_MAX + 2 * LINE_BYTES_MAX
            page = json.loads(body)
            pages.append([line["version"] for line in page["lines"]])
            following = page["page"]["next"]
            assert page["page"]["has_more"] is (following is not None)
            query = following and f"limit=1000&cursor={following}"

    assert [version for page in pages for version in page] == list(range(2, 102))
    assert len(pages) == 4


async def test_a_heavy_page_of_events_has_fewer_and_leads_on():
    bench = Bench(reads=LongHistory(100))
    async with serving(bench.api.server) as bench.port:
        sizes, after = [], "0"
        while after is not None:
            _, _, body = await bench.ask(request(f"{EVENTS}&after={after}"))
            assert len(body) < PAGE_BYTES_MAX + 2 * LINE_BYTES_MAX
            page = json.loads(body)
            sizes.append(len(page["data"]))
            after = page["page"]["next"]
            assert page["page"]["has_more"] is (after is not None)
        status, _, body = await bench.ask(request(EVENTS.replace("bob", "eve")))
    bench.api.watch.flush()

    assert sum(sizes) == 100
    assert len(sizes) == 4
    assert (status, json.loads(body)["code"]) == (404, "account_not_found")


@pytest.mark.parametrize("path", [PAGE, EVENTS])
async def test_the_head_of_a_page_tells_its_length(path):
    bench = Bench(moments=LongAccount(3), reads=LongHistory(3))
    async with serving(bench.api.server) as bench.port, asyncio.timeout(DEADLINE_S):
        _, whole, body = await bench.ask(request(path))
        _, writer, status, headers = await ask(bench.port, request(path, method="HEAD"))
        writer.close()
    bench.api.watch.flush()

    assert status == 200
    assert headers["content-length"] == whole["content-length"] == str(len(body))
