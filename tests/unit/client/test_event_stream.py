"""The live stream: what is cut from the bytes, and how it goes on when its line breaks."""

import asyncio
import json
from dataclasses import replace

import pytest
from aiohttp import web

from chronos.client.event_stream import BLOCK_BYTES_MAX, Block, Blocks
from chronos.client.refusals import Refused, UnreadableAnswer
from chronos.errors import DeadlineExceeded
from tests.unit.client.samples import event
from tests.unit.client.served import QUICK, Scripted, cut, refuse


def test_blocks_are_the_same_however_the_bytes_come():
    text = b"retry: 20\nid: a\n\n: heartbeat\r\n\r\nid: b\nevent: E\ndata: {\ndata: }\n\n"
    expected = [Block("a", "message", b""), Block("b", "E", b"{\n}")]

    for size in range(1, len(text) + 1):
        blocks = Blocks()
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        assert [block for piece in pieces for block in blocks.take(piece)] == expected
        assert blocks.retry_ms == 20


def test_a_block_without_an_id_keeps_the_one_before():
    assert list(Blocks("x").take(b"data: 1\n\n")) == [Block("x", "message", b"1")]


@pytest.mark.parametrize(
    "endless", [b"data: " + b"x" * BLOCK_BYTES_MAX, b"data: x\n" * 200_000]
)
def test_a_block_without_end_is_not_kept(endless):
    with pytest.raises(UnreadableAnswer):
        list(Blocks().take(endless))


def stream(*texts: str, breaks: bool = False):
    """Answers with these texts; then ends, or breaks the line."""

    async def step(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: 1\n\n")
        for text in texts:
            await response.write(text.encode())
        if breaks:
            request.transport.abort()
        return response

    return step


def block(version: int) -> str:
    return f"id: at-{version}\nevent: MoneyDeposited\ndata: {json.dumps(event(version))}\n\n"


async def test_a_stream_goes_on_behind_the_last_event_when_its_line_breaks(serve):
    half = block(3)[:40]
    script = Scripted(
        stream(block(1), block(2), half, breaks=True),
        refuse(503, "unavailable"),
        stream(block(3), 'event: bye\ndata: {"reason":"stopping"}\n\n'),
        stream(block(4)),
    )
    client = await serve(script)

    async with client.views.stream("alice") as events:
        seen = [(await anext(events)).event.version for _ in range(4)]

    assert seen == [1, 2, 3, 4]
    assert events.begun_again == 2
    ids = [request.headers.get("Last-Event-ID") for request in script.requests]
    assert ids == [None, "at-2", "at-2", "at-3"]
    assert all(request.query == {"account": "alice"} for request in script.requests)


async def test_an_id_without_an_event_moves_the_place_on(serve):
    script = Scripted(stream("id: quiet\n: heartbeat\n\n"), stream(block(1)))
    client = await serve(script)

    async with client.views.stream() as events:
        first = await anext(events)

    assert first.id == "at-1"
    assert script.requests[1].headers["Last-Event-ID"] == "quiet"


async def test_another_process_goes_on_with_an_id(serve):
    script = Scripted(stream(block(8)))
    client = await serve(script)

    async with client.views.stream(from_beginning=True, last_event_id="at-7") as events:
        assert json.loads((await anext(events)).data)["version"] == 8

    assert script.requests[0].headers["Last-Event-ID"] == "at-7"
    assert script.requests[0].query == {"from": "beginning"}


async def test_a_refusal_ends_a_stream(serve):
    client = await serve(Scripted(stream(block(1)), refuse(401, "unauthenticated")))

    async with client.views.stream() as events:
        await anext(events)
        with pytest.raises(Refused, match="unauthenticated"):
            await anext(events)


async def test_a_server_that_stays_away_ends_a_stream(serve):
    script = Scripted(stream(block(1)), cut)
    client = await serve(script, patience=replace(QUICK, deadline_s=1.0))

    async with client.views.stream() as events:
        await anext(events)
        with pytest.raises(DeadlineExceeded):
            await anext(events)


async def test_leaving_a_stream_closes_its_line(serve):
    left = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(block(1).encode())
        try:
            while True:
                await response.write(b": heartbeat\n\n")
                await asyncio.sleep(0.01)
        finally:
            left.set()

    client = await serve(Scripted(endless))

    async with client.views.stream() as events:
        await anext(events)

    async with asyncio.timeout(5):
        await left.wait()
