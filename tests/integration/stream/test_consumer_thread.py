"""The consumer's thread on a real broker: whoever calls into it hears of its end."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import ConsumerStoppedError
from faust.types import TP

from chronos.clock import SystemIds
from chronos.settings import Settings
from chronos.stream.app import make_app

ANSWER_S = 30


@pytest.fixture
async def thread(servers, tmp_path):
    namespace = SystemIds().new_id("t")
    app = make_app(
        Settings(namespace=namespace, kafka=servers.kafka, state_dir=tmp_path), "mirror"
    )
    thread = app.consumer._thread
    await thread.start()
    yield thread
    if not thread.crashed:
        await thread.stop()
    await asyncio.to_thread(thread._thread.join, ANSWER_S)


async def test_every_call_ends_with_its_thread(thread):
    place = TP("nowhere", 0)
    is_called = asyncio.Event()

    async def never() -> None:
        thread.parent_loop.call_soon_threadsafe(is_called.set)
        await asyncio.Event().wait()

    waiting = asyncio.create_task(thread.call_thread(never))
    async with asyncio.timeout(ANSWER_S):
        await is_called.wait()
        await thread.crash(OSError("planted"))
        with pytest.raises(ConsumerStoppedError):
            await waiting
        for call in (
            thread.position(place),
            thread.seek_wait({place: 3}),
            thread.earliest_offsets(place),
            thread.highwaters(place),
            thread.seek_to_committed(),
            thread.getmany({place}, timeout=1.0),
        ):
            with pytest.raises(ConsumerStoppedError):
                await call
        assert await thread.commit({place: 3}) is False
