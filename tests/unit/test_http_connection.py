"""One task serves a connection, request by request; none leaves anything to the next."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp.web import Response, Server

from chronos.http_connection import OneTaskHandler
from chronos.telemetry.logs import _add_correlation, bind_correlation

GET = b"GET /%b HTTP/1.1\r\nHost: h\r\n\r\n"
PIPELINED = 200


def line_now():
    """Gives the ids that a log line would carry."""
    return _add_correlation(None, "info", {})


class Noting(OneTaskHandler):
    """Notes what a log line would carry where no request is."""

    __slots__ = ()
    between: list[dict]

    def _next_message(self):
        self.between.append(line_now())
        return super()._next_message()

    def handle_error(self, request, status=500, exc=None, message=None):
        self.between.append(line_now())
        return super().handle_error(request, status, exc, message)


class NotingServer(Server):
    def __call__(self):
        return Noting(self, loop=self._loop, **self._kwargs)


@pytest.fixture
async def served():
    """Serves a handler on a port; gives what opens a connection to it."""
    opened = []

    async def serve(handler):
        Noting.between = []
        server = NotingServer(handler, access_log=None)
        listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
        opened.append((server, listener))
        return listener.sockets[0].getsockname()

    yield serve
    for server, listener in opened:
        listener.close()
        await server.shutdown(1)


async def connected(address):
    made = socket.create_connection(address)
    reader, writer = await asyncio.open_connection(sock=made)
    return made, reader, writer


async def answered(reader):
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return head.split()[1], await reader.readexactly(length)


async def ask(reader, writer, text):
    writer.write(text)
    return await answered(reader)


async def test_a_line_between_two_requests_has_the_ids_of_neither(served):
    within = []

    async def handle(request):
        bind_correlation(request_id=f"req{request.path}", trace_id="t")
        within.append(line_now()["request_id"])
        return Response(text="x")

    address = await served(handle)
    _, reader, writer = await connected(address)
    await ask(reader, writer, GET % b"1")
    await ask(reader, writer, GET % b"2")
    assert (await ask(reader, writer, b"no HTTP\r\n\r\n"))[0] == b"400"
    writer.close()

    assert within == ["req/1", "req/2"]
    assert Noting.between == [{}] * 4, "before three requests, and where the third is refused"


async def test_who_sends_many_requests_at_once_lets_others_have_their_turn(served):
    order = []

    async def handle(request):
        order.append(request.path)
        if order == ["/many"]:
            other.sendall(GET % b"one")
        return Response(text="x")

    address = await served(handle)
    _, many_reader, many_writer = await connected(address)
    other, other_reader, other_writer = await connected(address)
    # Both connections wait for a request in their tasks before the many are sent.
    await ask(many_reader, many_writer, GET % b"first")
    await ask(other_reader, other_writer, GET % b"first")
    order.clear()
    many_writer.write(GET % b"many" * PIPELINED)
    await answered(other_reader)
    for _ in range(PIPELINED):
        await answered(many_reader)
    many_writer.close()
    other_writer.close()

    assert order.count("/many") == PIPELINED
    assert order.index("/one") <= 10
