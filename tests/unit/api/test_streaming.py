"""A streamed answer: whole or visibly not, as slow as its client, never more than a piece."""

from __future__ import annotations

import asyncio
import json
import socket
import tracemalloc
from contextlib import asynccontextmanager

import pytest

from chronos.api.statement import STREAMED_LINES
from chronos.errors import InvariantBroken, Unavailable
from chronos.telemetry import metrics
from tests.unit.api.statements import AMOUNT, LongAccount
from tests.unit.api.test_door import Bench, read_answer, serving

PATH = "/v1/accounts/bob/statement"
# Nothing is promised by it: it ends a test that hangs, on the slowest machine too.
DEADLINE_S = 90


def request(path=PATH, *, method="GET", version="1.1", **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: x", "Authorization: Bearer k"]
    lines += [f"{name}: {text}" for name, text in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@asynccontextmanager
async def api_over(account: LongAccount, **settings):
    bench = Bench(moments=account, **settings)
    async with serving(bench.api.server) as bench.port:
        yield bench
    bench.api.watch.flush()


async def read_chunks(reader: asyncio.StreamReader):
    """Gives the chunks of a body up to the last; raises when it breaks off."""
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        assert await reader.readexactly(2) == b"\r\n"
    assert await reader.readexactly(2) == b"\r\n"


async def read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines if line)


async def read_body(reader: asyncio.StreamReader, version: str = "1.1") -> bytes:
    if version == "1.0":
        return await reader.read()
    return b"".join([chunk async for chunk in read_chunks(reader)])


async def ask(port: int, raw: bytes):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    status, headers = await read_head(reader)
    return reader, writer, status, headers


async def until(condition) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - the condition is the server's
            await asyncio.sleep(0.01)


async def read_all(connection: socket.socket) -> None:
    while await asyncio.get_running_loop().sock_recv(connection, 1 << 20):
        pass


def broken(reason: str) -> float:
    return metrics.HTTP_STREAMS_BROKEN.labels(reason=reason)._value.get()


@pytest.mark.parametrize("lines", [0, 1, 500, 501, 1500])
async def test_a_stream_of_any_length_is_whole_and_leaves_the_connection_usable(lines):
    async with api_over(LongAccount(lines)) as bench, asyncio.timeout(DEADLINE_S):
        reader, writer, status, headers = await ask(bench.port, request())
        document = json.loads(await read_body(reader))
        writer.write(request("/healthz"))
        again, _, _ = await read_answer(reader)
        writer.close()

    assert (status, again) == (200, 200)
    assert headers["transfer-encoding"] == "chunked"
    assert "content-length" not in headers
    assert len(document["lines"]) == lines
    assert document["closing_balance"] == lines * AMOUNT


async def test_the_head_alone_reads_no_line():
    account = LongAccount(5)
    async with api_over(account) as bench, asyncio.timeout(DEADLINE_S):
        reader, writer, status, headers = await ask(bench.port, request(method="HEAD"))
        writer.write(request("/healthz"))
        again, _, _ = await read_answer(reader)
        writer.close()

    assert (status, again) == (200, 200)
    assert headers["transfer-encoding"] == "chunked"
    assert account.readings == 0


async def test_a_client_of_http_1_0_gets_it_up_to_the_end_of_the_connection():
    async with api_over(LongAccount(700)) as bench, asyncio.timeout(DEADLINE_S):
        raw = request(version="1.0", Connection="keep-alive")
        reader, writer, status, headers = await ask(bench.port, raw)
        document = json.loads(await reader.read())
        writer.close()

    assert (status, headers["connection"]) == (200, "close")
    assert "transfer-encoding" not in headers
    assert len(document["lines"]) == 700


async def test_a_fault_before_the_first_byte_is_a_problem():
    account = LongAccount(5)
    account.breaks_at, account.fault = 0, Unavailable("postgresql", "gone", retry_after_s=3)
    async with api_over(account) as bench:
        status, headers, body = await bench.ask(request())

    assert (status, headers["retry-after"]) == (503, "3")
    assert json.loads(body)["code"] == "unavailable"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Unavailable("postgresql", "gone"), "unavailable"),
        (ZeroDivisionError("a secret"), "internal_error"),
        (InvariantBroken("two truths"), "internal_error"),
    ],
)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_a_stream_that_breaks_off_does_not_look_whole(fault, reason, version):
    account = LongAccount(10 * STREAMED_LINES)
    account.breaks_at, account.fault = 2 * STREAMED_LINES, fault
    before = broken(reason)
    async with api_over(account) as bench, asyncio.timeout(DEADLINE_S):
        reader, writer, status, _ = await ask(bench.port, request(version=version))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await read_body(reader, version)
        writer.close()
        await until(lambda: bench.api.watch.in_flight == 0)

    assert status == 200
    assert broken(reason) == before + 1
    assert bench.broken == ([fault] if isinstance(fault, InvariantBroken) else [])


async def test_balances_that_do_not_continue_each_other_break_it_off_and_stop_the_process():
    account = LongAccount(STREAMED_LINES * 2)
    proper = account.lines

    async def skewed(period, *, after, limit, bytes_max):
        lines = await proper(period, after=after, limit=limit, bytes_max=bytes_max)
        if after < STREAMED_LINES:
            return lines
        return lines._replace(rows=lines.rows[1:])

    account.lines = skewed
    async with api_over(account) as bench, asyncio.timeout(DEADLINE_S):
        reader, writer, _, _ = await ask(bench.port, request())
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await read_body(reader)
        writer.close()
        await until(lambda: bench.broken)

    assert "chronos verify" in str(bench.broken[0])


async def test_a_client_that_hangs_up_ends_the_reading():
    account = LongAccount(2000 * STREAMED_LINES)
    before = broken("client_gone")
    async with api_over(account) as bench, asyncio.timeout(DEADLINE_S):
        reader, writer, _, _ = await ask(bench.port, request())
        await reader.readexactly(1000)
        assert bench.api.watch.in_flight == 1
        writer.transport.abort()
        await until(lambda: bench.api.watch.in_flight == 0)

    assert broken("client_gone") == before + 1
    assert account.readings < 2000


async def test_a_client_that_does_not_read_is_waited_for_and_then_cut_off():
    account = LongAccount(2000 * STREAMED_LINES)
    before = broken("client_slow")
    async with api_over(account, send_deadline_s=1) as bench, asyncio.timeout(DEADLINE_S):
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(slow, ("127.0.0.1", bench.port))
            await loop.sock_sendall(slow, request())
            await until(lambda: broken("client_slow") == before + 1)

    assert account.readings < 200, "it was read on although nobody took it"


async def test_a_long_stream_takes_no_more_memory_than_a_short_one():
    lines = 50_000
    async with api_over(LongAccount(lines)) as bench, asyncio.timeout(4 * DEADLINE_S):
        reader, writer, _, _ = await ask(bench.port, request())
        received = 0
        tracemalloc.start()
        async for chunk in read_chunks(reader):
            received += len(chunk)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        writer.close()

    assert received > 14_000_000
    assert peak < 6_000_000


@pytest.mark.parametrize(
    ("path", "headers", "content_type"),
    [
        (PATH, {}, "application/json"),
        (PATH, {"Accept": "*/*"}, "application/json"),
        (PATH, {"Accept": "text/csv"}, "text/csv"),
        (PATH, {"Accept": "text/*, application/json;q=0.5"}, "text/csv"),
        (PATH, {"Accept": "text/csv;q=0.5, application/json"}, "application/json"),
        (PATH, {"Accept": "text/csv, */*;q=0.1"}, "text/csv"),
        (f"{PATH}?format=csv", {}, "text/csv"),
        (f"{PATH}?format=csv", {"Accept": "application/json"}, "text/csv"),
        (f"{PATH}?format=json", {"Accept": "text/csv"}, "application/json"),
    ],
)
async def test_the_form_is_what_was_asked_for(path, headers, content_type):
    async with api_over(LongAccount(2)) as bench, asyncio.timeout(DEADLINE_S):
        reader, writer, status, answered = await ask(bench.port, request(path, **headers))
        body = await read_body(reader)
        writer.close()

    assert status == 200
    assert answered["content-type"].partition(";")[0] == content_type
    assert answered["vary"] == "accept"
    assert ("content-disposition" in answered) is (content_type == "text/csv")
    assert body.startswith(b"type,version" if content_type == "text/csv" else b"{")


@pytest.mark.parametrize("accept", ["text/html", "image/*", "text/csv;q=0"])
async def test_a_client_that_takes_neither_form_is_refused(accept):
    async with api_over(LongAccount(2)) as bench:
        status, _, body = await bench.ask(request(Accept=accept))

    assert (status, json.loads(body)["code"]) == (406, "not_acceptable")


async def test_a_draining_process_ends_the_connection_with_the_stream():
    async with api_over(LongAccount(2)) as bench, asyncio.timeout(DEADLINE_S):
        bench.api.health.draining = True
        reader, writer, _, headers = await ask(bench.port, request())
        document = json.loads(await read_body(reader))
        assert await reader.read() == b""
        writer.close()

    assert headers["connection"] == "close"
    assert len(document["lines"]) == 2


async def test_a_process_that_stops_breaks_off_what_it_cannot_finish():
    account = LongAccount(2000 * STREAMED_LINES)
    before = broken("cancelled")
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.setblocking(False)
        loop = asyncio.get_running_loop()
        async with api_over(account) as bench:
            await loop.sock_connect(slow, ("127.0.0.1", bench.port))
            await loop.sock_sendall(slow, request())
            await until(lambda: bench.api.watch.in_flight == 1 and account.readings > 0)

        with pytest.raises(ConnectionResetError):
            await read_all(slow)

    assert broken("cancelled") == before + 1
