"""Batches out of a stream of pages: what came while the last batch was worked on, together.

Faust's own take counts messages, and a message is a page here: of three records or of a
thousand. Counting pages, a worker under a steady load stepped through 16 small ones at a time
while thousands of records waited behind them, and in a backlog it slept through its time for a
sixteenth page that flow control would not let in. So records are counted, and time runs from
the last batch, not from the first page: a lone record is taken at once, a steady stream is
taken in steps of `pace_s`, and half a batch waits for nothing.

Several batches may be under way at once, never two with pages of one partition: what waits
there is passed over until the earlier batch is done, so order holds within each partition.
Beside another batch only half a one is worth taking: a steady stream would come in more and
smaller pieces, just when whoever writes them is slow.

The stream's pages are drawn by a task of its own, which acknowledges nothing. It draws until a
whole batch waits for each who takes. What is drawn has to be done before a rebalance or a stop
goes on; what is not stays in Faust's queue, which a rebalance empties.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from typing import Any

ENOUGH_SHARE = 2
"""This part of a batch is worth no wait: flow control may let no more in before it is done."""


class Pages:
    """Collects the pages of one stream, in order, until they are taken.

    Args:
        stream: A Faust stream that acknowledges nothing by itself.
        records_max: Of one batch, unless a single page has more.
        pace_s: Shortest time between two batches of fewer than half as many records.
        takers: How many take, side by side.
    """

    def __init__(self, stream: Any, *, records_max: int, pace_s: float, takers: int = 1):
        self._records_max = records_max
        self._drawn_max = takers * records_max
        self._enough = -(-records_max // ENOUGH_SHARE)
        self._pace_s = pace_s
        self._waiting: deque[Any] = deque()
        self._records: Counter[Any] = Counter()
        """What waits, by partition."""
        self._busy: set[Any] = set()
        """The partitions of batches under way."""
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._taken_at_s = float("-inf")
        self._drawing = asyncio.create_task(self._draw(stream), name="page-drawing")
        self._drawing.add_done_callback(lambda _: self._news.set())

    async def take(self) -> list[Any]:
        """Waits for pages and gives the next batch of them.

        Returns:
            Faust's events, one a page, each to be given back to `done`; none once the stream
            has ended.

        Raises:
            Exception: What ended the stream.
        """
        clock = asyncio.get_running_loop().time
        while True:
            ready = self._ready()
            if ready:
                left_s = self._taken_at_s + self._pace_s - clock()
                is_due = left_s <= 0 and not self._busy
                if is_due or ready >= self._enough or self._drawing.done():
                    self._taken_at_s = clock()
                    return self._pop()
                await self._until_news(None if self._busy else left_s)
            elif self._drawing.done() and not self._waiting:
                self._drawing.result()
                return []
            else:
                await self._until_news(None)

    def done(self, pages: Sequence[Any]) -> None:
        """Notes that a batch is no longer under way: what waits behind it may be taken."""
        self._busy.difference_update(page.message.tp for page in pages)
        self._news.set()

    async def close(self) -> None:
        """Draws no more; what was not taken stays unacknowledged."""
        self._drawing.cancel()
        await asyncio.gather(self._drawing, return_exceptions=True)

    async def _draw(self, stream: Any) -> None:
        async for page in stream.events():
            self._waiting.append(page)
            self._records[page.message.tp] += _length(page)
            self._news.set()
            while self._records.total() >= self._drawn_max:
                self._room.clear()
                await self._room.wait()

    def _ready(self) -> int:
        return self._records.total() - sum(self._records[tp] for tp in self._busy)

    async def _until_news(self, longest_s: float | None) -> None:
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await self._news.wait()

    def _pop(self) -> list[Any]:
        pages: list[Any] = []
        passed: list[Any] = []
        records = 0
        while self._waiting:
            page = self._waiting[0]
            if page.message.tp in self._busy:
                passed.append(self._waiting.popleft())
                continue
            records += _length(page)
            if pages and records > self._records_max:
                break
            pages.append(self._waiting.popleft())
        self._waiting.extendleft(reversed(passed))
        for page in pages:
            self._records[page.message.tp] -= _length(page)
            self._busy.add(page.message.tp)
        self._room.set()
        return pages


def _length(page: Any) -> int:
    # One of no records has to be acknowledged too, so it must be taken.
    return max(1, len(page.value))


@contextlib.asynccontextmanager
async def pages_of(
    stream: Any, *, records_max: int, pace_s: float, takers: int = 1
) -> AsyncIterator[Pages]:
    """Draws the pages of a stream while the context is open; see `Pages`."""
    pages = Pages(stream, records_max=records_max, pace_s=pace_s, takers=takers)
    try:
        yield pages
    finally:
        await pages.close()
