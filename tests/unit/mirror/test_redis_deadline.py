"""Whatever becomes of a connection to Redis is `Unavailable` to those who ask."""

import asyncio
import socket
import struct

import pytest
import uvloop

from chronos.errors import Unavailable
from chronos.mirror.redis import deadline


async def write_to_a_connection_that_was_reset():
    """Writes as the client does: without looking whether the transport is still open."""
    reset = asyncio.Event()

    def hang_up(_, writer):
        linger = struct.pack("ii", 1, 0)
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
        reset.set()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await reset.wait()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        async with deadline(5):
            writer.write(b"PING\r\n")
            await writer.drain()


@pytest.mark.parametrize("make_loop", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_a_write_to_a_connection_that_was_reset_finds_redis_unavailable(make_loop):
    with asyncio.Runner(loop_factory=make_loop) as runner, pytest.raises(Unavailable):
        runner.run(write_to_a_connection_that_was_reset())


async def test_a_mistake_of_ours_is_not_hidden():
    with pytest.raises(RuntimeError):
        async with deadline(5):
            raise RuntimeError("no running event loop")
