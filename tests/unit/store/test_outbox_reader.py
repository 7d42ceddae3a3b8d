"""The reader of a shard moves the checkpoint after Kafka's answer, never before."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from chronos.errors import Unavailable
from chronos.store import outbox_reader
from chronos.store.outbox_cursor import Cursor, Row, Snapshot
from chronos.store.outbox_reader import Page, ShardReader

START = Cursor(snapshot=Snapshot(1, 1, ()))


def snapshot(xmax: int) -> Snapshot:
    return Snapshot(xmax, xmax, ())


class FakeHold:
    """A shard with one row per transaction."""

    def __init__(self):
        self.shard, self.cursor, self.is_lost = 0, START, False
        self.read: list[Snapshot] = []
        self.saved: list[int] = []
        self.answers = asyncio.Event()
        self.answers.set()

    async def snapshot(self):
        return self.cursor.snapshot

    async def page(self, cursor, target, _rows_max):
        self.read.append(target)
        await self.answers.wait()
        first, last = cursor.snapshot.xmax, target.xmax
        rows = [Row(n, 0, "t", b"k", b"", b"") for n in range(first, last)]
        return rows, Cursor(snapshot=target)

    async def save(self, cursor):
        self.saved.append(cursor.snapshot.xmax)


class FakePoller:
    """Shows the snapshot that the test sets."""

    def __init__(self):
        self.newest = START.snapshot
        self.changed = asyncio.Event()

    def show(self, newest):
        self.newest = newest
        self.changed.set()

    def newest_after(self, known, *, asked_since_s):
        self.asked_since_s = asked_since_s
        return self.newest if self.newest.is_newer_than(known) else None

    async def wait_newer(self, known, timeout_s, *, asked_since_s):
        self.changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(timeout_s, 0.01)):
                while self.newest_after(known, asked_since_s=asked_since_s) is None:
                    await self.changed.wait()


class Scene:
    """A reader at work, and the pages that it has offered."""

    def __init__(self):
        self.hold, self.poller = FakeHold(), FakePoller()
        self.offered: list[Page] = []
        self.on_offer = lambda: None
        self.reader = ShardReader(self.hold, self.poller, offer=self._take, rows_max=100)
        self.task = asyncio.create_task(self.reader.run())

    async def _take(self, page):
        self.offered.append(page)
        self.on_offer()

    async def until(self, condition):
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.001)


@pytest.fixture
async def scene(monkeypatch):
    monkeypatch.setattr(outbox_reader, "SAVE_PAUSE_S", 0.0)
    monkeypatch.setattr(outbox_reader, "LEAVE_S", 0.1)
    made = Scene()
    yield made
    made.task.cancel()
    await asyncio.gather(made.task, return_exceptions=True)


async def test_the_checkpoint_waits_for_the_page(scene):
    scene.on_offer = lambda: scene.poller.show(snapshot(9))
    scene.poller.show(snapshot(5))
    await scene.until(lambda: snapshot(9) in scene.hold.read)

    assert scene.hold.saved == [], "a page was taken for published"
    assert len(scene.offered) == 1, "two pages of one shard were on their way"

    scene.offered[0].published.set()
    await scene.until(lambda: scene.hold.saved == [5])
    await scene.until(lambda: len(scene.offered) == 2)
    scene.offered[1].published.set()
    await scene.until(lambda: scene.hold.saved == [5, 9])
    positions = [row.position for page in scene.offered for row in page.rows]
    assert positions == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_a_page_that_nobody_begun_is_offered_again(scene, monkeypatch):
    monkeypatch.setattr(outbox_reader, "OFFER_AGAIN_S", 0.02)
    scene.poller.show(snapshot(5))
    await scene.until(lambda: len(scene.offered) >= 2)
    assert scene.offered[0] is scene.offered[1]

    scene.offered[0].is_begun = True
    offers = len(scene.offered) + 1
    scene.offered[0].published.set()
    await scene.until(lambda: scene.hold.saved == [5])
    assert len(scene.offered) <= offers


async def test_a_lost_connection_ends_the_reader_and_drops_its_page(scene, monkeypatch):
    monkeypatch.setattr(outbox_reader, "OFFER_AGAIN_S", 0.02)
    scene.poller.show(snapshot(5))
    await scene.until(lambda: scene.offered)
    scene.offered[0].is_begun = True
    scene.hold.is_lost = True

    with pytest.raises(Unavailable):
        await asyncio.wait_for(scene.task, 5)

    assert scene.offered[0].is_obsolete
    assert scene.hold.saved == []


async def test_a_reader_that_is_told_to_leave_saves_what_was_published(scene, monkeypatch):
    monkeypatch.setattr(outbox_reader, "SAVE_PAUSE_S", 60.0)
    scene.poller.show(snapshot(5))
    await scene.until(lambda: scene.offered)
    scene.offered[0].is_begun = True
    scene.task.cancel()
    scene.offered[0].published.set()

    await asyncio.gather(scene.task, return_exceptions=True)

    assert scene.hold.saved == [5]


async def test_others_are_told_while_the_next_page_is_read(scene):
    scene.hold.answers.clear()
    scene.poller.show(snapshot(5))
    await scene.until(lambda: snapshot(5) in scene.hold.read)
    assert scene.reader.is_reading_next

    scene.hold.answers.set()
    await asyncio.wait_for(scene.reader.until_read(), 5)

    assert not scene.reader.is_reading_next
    assert len(scene.reader.on_its_way.rows) == 4


async def test_what_is_read_ahead_is_next_once_the_page_before_it_is_published(scene):
    def show_more():
        scene.hold.answers.clear()
        scene.poller.show(snapshot(9))

    scene.on_offer = show_more
    scene.poller.show(snapshot(5))
    await scene.until(lambda: snapshot(9) in scene.hold.read)
    assert not scene.reader.is_reading_next

    scene.offered[0].published.set()

    assert scene.reader.is_reading_next


async def test_nobody_waits_for_a_reader_that_has_ended(scene):
    scene.hold.answers.clear()
    scene.poller.show(snapshot(5))
    await scene.until(lambda: scene.reader.is_reading_next)

    scene.task.cancel()
    await asyncio.gather(scene.task, return_exceptions=True)

    await asyncio.wait_for(scene.reader.until_read(), 5)
    assert not scene.reader.is_reading_next


async def test_a_page_that_nobody_begun_is_dropped_before_the_checkpoint_is_saved(scene):
    scene.poller.show(snapshot(5))
    await scene.until(lambda: scene.offered)
    scene.offered[0].published.set()
    await scene.until(lambda: scene.hold.saved == [5])
    scene.poller.show(snapshot(9))
    await scene.until(lambda: len(scene.offered) == 2)
    dropped = []

    async def save(_):
        dropped.append(scene.offered[1].is_dropped)

    scene.hold.save = save
    scene.reader._published = scene.offered[1].after
    scene.task.cancel()
    await asyncio.gather(scene.task, return_exceptions=True)

    assert dropped == [True]
