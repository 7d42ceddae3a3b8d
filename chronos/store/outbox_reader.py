"""Reads one shard of the outbox page by page, one page ahead of its publishing.

Phases: read a page, hand it over, read the next one while the first is published, wait for
the first, save the checkpoint when it is due. A page is read again when it was lost with its
process or its connection: the checkpoint moves only after the page is published.

The shards of a process see a new snapshot at the same moment, and a page each of two or three
rows is there a moment later. Sent one after another they cost a request to Kafka each, and the
last waits for the first; so small pages go together (`pages_together`).

Bounds: two pages in memory. A checkpoint is saved at most every 50 ms or 5,000 rows while
pages are published, and every 10 s while nothing is; saving changes the snapshot itself, so
saving whenever the snapshot changed would never end.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Final

from chronos.crash_points import CrashPoint, pass_point
from chronos.errors import Unavailable

if TYPE_CHECKING:
    from chronos.store.outbox import ShardHold
    from chronos.store.outbox_cursor import Cursor, Row, Snapshot
    from chronos.store.outbox_poller import SnapshotPoller

SAVE_PAUSE_S: Final = 0.05
SAVE_ROWS_MAX: Final = 5_000
SAVE_IDLE_S: Final = 10.0
OFFER_AGAIN_S: Final = 5.0
LEAVE_S: Final = 2.0
TOGETHER_S: Final = 0.003
"""The longest that a page waits for others to go with it; reading one takes about 1 ms."""


class Page:
    """Is a run of rows on its way to Kafka.

    Attributes:
        shard: The shard they belong to.
        rows: The rows, by position.
        after: The shard's cursor for when they are published.
        is_begun: Somebody is publishing it.
        published: Is set once Kafka has all of it.
    """

    def __init__(self, hold: ShardHold, rows: list[Row], after: Cursor):
        self._hold = hold
        self.shard = hold.shard
        self.rows = rows
        self.after = after
        self.is_begun = False
        self.is_dropped = False
        self.published = asyncio.Event()

    @property
    def is_obsolete(self) -> bool:
        """Tells whether the shard is known to be in other hands, or the page is finished."""
        return self.is_dropped or self._hold.is_lost or self.published.is_set()


Offer = Callable[[Page], Awaitable[None]]


class ShardReader:
    """Walks one held shard.

    Args:
        hold: The shard.
        poller: Knows the newest snapshot.
        offer: Hands a page to whoever publishes; a page may be offered twice.
        rows_max: Most rows of a page.
    """

    def __init__(self, hold: ShardHold, poller: SnapshotPoller, *, offer: Offer, rows_max: int):
        self._hold = hold
        self._poller = poller
        self._offer = offer
        self._rows_max = rows_max
        self._published = self._saved = hold.cursor
        self._published_rows = 0
        self._taken_at_s = self._saved_at_s = monotonic()
        self._on_its_way: Page | None = None
        self._has_read = asyncio.Event()
        self._has_read.set()

    @property
    def on_its_way(self) -> Page | None:
        """The page that is being published, if any."""
        return self._on_its_way

    @property
    def is_reading_next(self) -> bool:
        """Tells that a page is being read that is the next to be published."""
        page = self._on_its_way
        return not self._has_read.is_set() and (page is None or page.published.is_set())

    async def until_read(self) -> None:
        """Waits for the end of the reading, if anything is read."""
        await self._has_read.wait()

    async def run(self) -> None:
        """Walks until cancelled.

        Raises:
            Fenced: Another process took the shard.
            Unavailable: The connection, and with it the shard, is lost.
        """
        try:
            await self._walk()
        except asyncio.CancelledError:
            await self._leave()
            raise
        finally:
            self._has_read.set()
            if self._on_its_way is not None:
                self._on_its_way.is_dropped = True

    async def _walk(self) -> None:
        read_up_to = self._hold.cursor
        # The poller's newest may be older than the checkpoint of the holder before.
        first: Snapshot | None = await self._hold.snapshot()
        while True:
            target = read_up_to.frozen or first
            target = target or self._poller.newest_after(
                read_up_to.snapshot, asked_since_s=self._taken_at_s
            )
            first = None
            if target is None:
                await self._rest(read_up_to)
                continue
            self._has_read.clear()
            rows, read_up_to = await self._hold.page(read_up_to, target, self._rows_max)
            await self._settle()
            if rows:
                self._on_its_way = Page(self._hold, rows, read_up_to)
            self._has_read.set()
            if self._on_its_way is not None:
                await self._offer(self._on_its_way)
            else:
                self._published = read_up_to
            await self._save_if_due()

    async def _rest(self, read_up_to: Cursor) -> None:
        if self._on_its_way is not None:
            await self._settle()
        else:
            await self._poller.wait_newer(
                read_up_to.snapshot,
                max(0.001, self._due_in_s()),
                asked_since_s=self._taken_at_s,
            )
        await self._save_if_due()

    async def _settle(self) -> None:
        page = self._on_its_way
        if page is None:
            return
        while not page.published.is_set():
            try:
                async with asyncio.timeout(OFFER_AGAIN_S):
                    await page.published.wait()
            except TimeoutError:
                if self._hold.is_lost:
                    raise Unavailable("postgresql", "the shard's connection is lost") from None
                # A rebalance empties the channel; a page that nobody begun was lost there.
                if not page.is_begun:
                    await self._offer(page)
        self._published, self._on_its_way = page.after, None
        self._published_rows += len(page.rows)

    async def _save_if_due(self) -> None:
        if self._published != self._saved and self._due_in_s() <= 0:
            await self._save()

    async def _save(self) -> None:
        await self._hold.save(self._published)
        pass_point(CrashPoint.AFTER_CHECKPOINT)
        self._saved, self._published_rows = self._published, 0
        self._saved_at_s = monotonic()

    def _due_in_s(self) -> float:
        if self._published_rows >= SAVE_ROWS_MAX:
            return 0.0
        pause_s = SAVE_PAUSE_S if self._published_rows else SAVE_IDLE_S
        return pause_s - (monotonic() - self._saved_at_s)

    async def _leave(self) -> None:
        # What is under way may still be acknowledged; saving it spares the next holder a page.
        try:
            async with asyncio.timeout(LEAVE_S):
                if self._on_its_way is not None and self._on_its_way.is_begun:
                    await self._on_its_way.published.wait()
                    self._published, self._on_its_way = self._on_its_way.after, None
                elif self._on_its_way is not None:
                    # Nobody may begin it while the checkpoint is saved: who has the shard next
                    # could have published what follows it.
                    self._on_its_way.is_dropped = True
                if self._published != self._saved:
                    await self._save()
        except (Unavailable, TimeoutError):
            return


async def pages_together(
    page: Page, readers: Iterable[ShardReader], *, rows_max: int
) -> list[Page]:
    """Gives a page and the pages of other shards that can go with it, after a short wait.

    Args:
        page: The one whose turn it is; of half of `rows_max` it goes alone, at once.
        readers: Of the shards whose pages may go with it.
        rows_max: Of all pages together.

    Returns:
        That page first, then others; none at all if that page is obsolete.
    """
    pages, rows = [page], len(page.rows)
    if rows <= rows_max // 2:
        others = [reader for reader in readers if reader.on_its_way is not page]
        await _until_read([reader for reader in others if reader.is_reading_next])
        for other in (reader.on_its_way for reader in others):
            if other is None or other.is_obsolete or rows + len(other.rows) > rows_max:
                continue
            pages.append(other)
            rows += len(other.rows)
    return [] if page.is_obsolete else pages


async def _until_read(readers: Sequence[ShardReader]) -> None:
    if readers:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TOGETHER_S):
                for reader in readers:
                    await reader.until_read()
