"""The fault proxy on real sockets."""

import asyncio
import contextlib
import time
from contextlib import asynccontextmanager

import pytest

from chronos.chaos.proxy import Proxy, Speed, Way
from chronos.embedded.ports import LOOPBACK, free_block

SILENCE_S = 0.2
SOON_S = 5.0


@asynccontextmanager
async def echo_server():
    """A server that sends back what it gets, and ends when its client has."""
    tasks = set()

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        with contextlib.suppress(OSError):
            while piece := await reader.read(65_536):
                writer.write(piece)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, free_block())
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def proxy():
    async with (
        echo_server() as port,
        Proxy("api to echo", port=free_block() + 50, target_port=port) as made,
    ):
        yield made


@asynccontextmanager
async def connected(proxy):
    reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def echoed(reader, writer, text=b"hello"):
    writer.write(text)
    return await asyncio.wait_for(reader.readexactly(len(text)), SOON_S)


async def is_silent(reader):
    try:
        await asyncio.wait_for(reader.read(1), SILENCE_S)
    except TimeoutError:
        return True
    return False


async def eventually(condition):
    async with asyncio.timeout(SOON_S):
        while not condition():  # noqa: ASYNC110 - a proxy tells nobody
            await asyncio.sleep(0.01)


async def test_what_is_sent_comes_back_whole_however_large(proxy):
    sent = bytes(range(256)) * 40_000

    async with connected(proxy) as (reader, writer):
        writer.write(sent)
        got = await asyncio.wait_for(reader.readexactly(len(sent)), SOON_S)

    assert got == sent


async def test_a_connection_that_is_over_is_forgotten(proxy):
    async with connected(proxy) as (reader, writer):
        await echoed(reader, writer)
        assert proxy.connections == 1
        writer.write_eof()
        assert await reader.read() == b""

    await eventually(lambda: proxy.connections == 0)


async def test_a_cut_is_silent_and_what_was_sent_into_it_arrives_when_it_heals(proxy):
    async with connected(proxy) as (reader, writer):
        await echoed(reader, writer)
        proxy.cut()
        writer.write(b"into the dark")
        assert await is_silent(reader)

        await proxy.heal()

        assert await asyncio.wait_for(reader.readexactly(13), SOON_S) == b"into the dark"


async def test_a_new_connection_is_accepted_during_a_cut_and_served_after_it(proxy):
    proxy.cut()

    async with connected(proxy) as (reader, writer):
        writer.write(b"hello")
        assert await is_silent(reader)
        await proxy.heal()
        assert await asyncio.wait_for(reader.readexactly(5), SOON_S) == b"hello"


async def test_a_cut_of_one_way_lets_the_other_through():
    heard = []

    async def listen(reader, writer):
        writer.write(b"greeting")
        while piece := await reader.read(100):
            heard.append(piece)
            writer.write(b"answer")
        writer.close()

    server = await asyncio.start_server(listen, LOOPBACK, free_block())
    port = server.sockets[0].getsockname()[1]
    async with server, Proxy("one", port=free_block() + 50, target_port=port) as proxy:
        async with connected(proxy) as (reader, writer):
            await asyncio.wait_for(reader.readexactly(8), SOON_S)
            proxy.cut(Way.TO_CLIENT)
            writer.write(b"command")
            await eventually(lambda: heard == [b"command"])
            assert await is_silent(reader)
            await proxy.heal()
            assert await asyncio.wait_for(reader.readexactly(6), SOON_S) == b"answer"
        await eventually(lambda: proxy.connections == 0)


async def test_a_sender_into_a_cut_is_held_back_and_not_buffered_without_bound(proxy):
    async with connected(proxy) as (reader, writer):
        await echoed(reader, writer)
        proxy.cut()
        writer.write(b"x" * (64 << 20))

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 0.5)

        await proxy.heal()
        await asyncio.wait_for(reader.readexactly(64 << 20), 30)


async def test_a_reset_breaks_connections_and_refuses_new_ones_until_it_heals(proxy):
    async with connected(proxy) as (reader, writer):
        await echoed(reader, writer)
        await proxy.reset()
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), SOON_S)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(LOOPBACK, proxy.port)

    await proxy.heal()

    async with connected(proxy) as (reader, writer):
        assert await echoed(reader, writer) == b"hello"


async def test_a_slow_link_takes_the_time_that_its_rate_says(proxy):
    proxy.slow(Speed(bytes_per_s=20_000), Way.TO_SERVER)
    async with connected(proxy) as (reader, writer):
        began = time.monotonic()

        await echoed(reader, writer, b"x" * 10_000)

        assert time.monotonic() - began >= 0.5


async def test_a_drip_lets_single_bytes_through(proxy):
    proxy.slow(Speed(bytes_per_s=1, delay_s=0.0), Way.TO_CLIENT)
    async with connected(proxy) as (reader, writer):
        writer.write(b"abcdef")

        assert await asyncio.wait_for(reader.read(100), SOON_S) == b"a"


async def test_a_half_closed_connection_still_carries_the_other_way(proxy):
    async with connected(proxy) as (reader, writer):
        await echoed(reader, writer)

        proxy.half_close(Way.TO_CLIENT)

        assert await asyncio.wait_for(reader.read(), SOON_S) == b""
        writer.write(b"still heard")
        await writer.drain()
        assert proxy.connections == 1


async def test_a_server_that_is_away_is_a_reset_and_is_served_when_it_is_back():
    target = free_block()
    async with Proxy("away", port=free_block() + 50, target_port=target) as proxy:
        async with connected(proxy) as (reader, _):
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(1), SOON_S)

        await eventually(lambda: proxy.connections == 0)


async def test_leaving_ends_every_task_also_in_a_cut(proxy):
    before = len(asyncio.all_tasks())
    async with (
        Proxy("inner", port=free_block() + 51, target_port=proxy.port) as inner,
        connected(inner) as (reader, writer),
    ):
        await echoed(reader, writer)
        inner.cut()
        async with connected(inner) as (late, _):
            assert await is_silent(late)
            await eventually(lambda: inner.connections == 2)

    await eventually(lambda: len(asyncio.all_tasks()) == before)
