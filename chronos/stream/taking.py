"""Batches out of a stream of pages: what came while the last batch was worked on, together.

Faust's own take counts messages, and a message is a page here: of three records or of a
thousand. Counting pages, a worker under a steady load stepped through 16 small ones at a time
while thousands of records waited behind them, and in a backlog it slept through its time for a
sixteenth page that flow control would not let in. So records are counted, and time runs from
the last batch, not from the first page: a lone record is taken at once, a steady stream is
taken in steps of `pace_s`, and half a batch waits for nothing.

The stream's pages are drawn by a task of its own, which acknowledges nothing. It draws until a
whole batch waits. What is drawn has to be done before a rebalance or a stop goes on; what is
not stays in Faust's queue, which a rebalance empties.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

ENOUGH_SHARE = 2
"""This part of a batch is worth no wait: flow control may let no more in before it is done."""


class Pages:
    """Collects the pages of one stream, in order, until they are taken.

    Args:
        stream: A Faust stream that acknowledges nothing by itself.
        records_max: Of one batch, unless a single page has more.
        pace_s: Shortest time between two batches of fewer than half as many records.
    """

    def __init__(self, stream: Any, *, records_max: int, pace_s: float):
        self._records_max = records_max
        self._enough = -(-records_max // ENOUGH_SHARE)
        self._pace_s = pace_s
        self._waiting: deque[Any] = deque()
        self._records = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._taken_at_s = float("-inf")
        self._drawing = asyncio.create_task(self._draw(stream), name="page-drawing")
        self._drawing.add_done_callback(lambda _: self._news.set())

    async def take(self) -> list[Any]:
        """Waits for pages and gives the next batch of them.

        Returns:
            Faust's events, one a page; none once the stream has ended.

        Raises:
            Exception: What ended the stream.
        """
        while not self._waiting:
            if self._drawing.done():
                self._drawing.result()
                return []
            await self._until_news(None)
        clock = asyncio.get_running_loop().time
        due_s = self._taken_at_s + self._pace_s
        while self._records < self._enough and not self._drawing.done():
            if (left_s := due_s - clock()) <= 0:
                break
            await self._until_news(left_s)
        self._taken_at_s = clock()
        return self._pop()

    async def close(self) -> None:
        """Draws no more; what was not taken stays unacknowledged."""
        self._drawing.cancel()
        await asyncio.gather(self._drawing, return_exceptions=True)

    async def _draw(self, stream: Any) -> None:
        async for page in stream.events():
            self._waiting.append(page)
            self._records += len(page.value)
            self._news.set()
            while self._records >= self._records_max:
                self._room.clear()
                await self._room.wait()

    async def _until_news(self, longest_s: float | None) -> None:
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await self._news.wait()

    def _pop(self) -> list[Any]:
        pages: list[Any] = []
        records = 0
        while self._waiting:
            records += len(self._waiting[0].value)
            if pages and records > self._records_max:
                break
            pages.append(self._waiting.popleft())
            self._records -= len(pages[-1].value)
        self._room.set()
        return pages


@contextlib.asynccontextmanager
async def pages_of(stream: Any, *, records_max: int, pace_s: float) -> AsyncIterator[Pages]:
    """Draws the pages of a stream while the context is open; see `Pages`."""
    pages = Pages(stream, records_max=records_max, pace_s=pace_s)
    try:
        yield pages
    finally:
        await pages.close()
