"""The poller answers only with snapshots that were asked for late enough.

A server that crashes forgets transaction numbers that were never written down, and gives them
out again. A snapshot from before the crash would count their next owners as published.
"""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from chronos.errors import Unavailable
from chronos.store import outbox_poller
from chronos.store.outbox_cursor import Snapshot
from chronos.store.outbox_poller import SnapshotPoller

BEFORE_THE_CRASH = Snapshot(955, 955, ())
AFTER_THE_CRASH = Snapshot(925, 925, ())


class Connection:
    def terminate(self):
        pass


class Server:
    """Answers the poller's question until it crashes."""

    def __init__(self, monkeypatch):
        self.snapshot = BEFORE_THE_CRASH
        self.is_down = False
        monkeypatch.setattr(outbox_poller, "connect", self.connect)
        monkeypatch.setattr(outbox_poller, "current_snapshot", self.current_snapshot)

    async def connect(self, _dsn, _purpose):
        if self.is_down:
            raise Unavailable("postgresql", "the fake is down")
        return Connection()

    async def current_snapshot(self, _connection):
        if self.is_down:
            raise Unavailable("postgresql", "the fake is down")
        return self.snapshot


@pytest.fixture
def server(monkeypatch):
    return Server(monkeypatch)


@pytest.fixture
async def poller(server):
    assert not server.is_down
    made = SnapshotPoller("")
    task = asyncio.create_task(made.run())
    async with asyncio.timeout(5):
        await made.wait_newer(Snapshot(1, 1, ()), 5, asked_since_s=0)
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_snapshot_from_before_a_crash_is_no_news_after_it(server, poller):
    server.is_down = True
    taken_at_s = monotonic()
    server.snapshot, server.is_down = AFTER_THE_CRASH, False

    assert poller.newest_after(AFTER_THE_CRASH, asked_since_s=taken_at_s) is None


async def test_a_snapshot_asked_for_since_then_is(server, poller):
    taken_at_s = monotonic()
    server.snapshot = Snapshot(960, 960, ())

    await poller.wait_newer(BEFORE_THE_CRASH, 5, asked_since_s=taken_at_s)

    assert poller.newest_after(BEFORE_THE_CRASH, asked_since_s=taken_at_s) == server.snapshot
