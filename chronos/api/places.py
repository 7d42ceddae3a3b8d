"""Places for answers that may be heavy: how many of them one process makes and sends at once.

Each holds its bytes until its client has taken them, and a client may take its time. So there
are only so many: what all of them hold together is bounded, whatever is asked for and however
slowly it is read. A burst waits for its turn; where clients that do not read have taken every
place, it is 503, and the deadline of a piece frees the place.

Bounds of one process: a stream holds its first piece, one more, and what the socket has not
taken of it; a page itself and what the socket has not taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from chronos.api.problems import HttpProblem
from chronos.telemetry import metrics

STREAMS_AT_ONCE_MAX: Final = 64
PAGES_AT_ONCE_MAX: Final = 32
PAGE_BYTES_MAX: Final = 1 << 20
"""Of the events on one page; when they have more, it has fewer items than its limit."""
WAIT_S: Final = 1.0
_RETRY_AFTER: Final = {"Retry-After": "5"}


class Places:
    """So many answers of a kind at once; must be made on the event loop.

    Args:
        kind: What they are, for the metrics: "stream" or "page".
        most: Places there are.
    """

    def __init__(self, kind: str, most: int):
        self._kind = kind
        self._most = most
        self._free = asyncio.Semaphore(most)
        self._taken = 0
        metrics.HTTP_HEAVY_ANSWERS.labels(kind=kind).set_function(lambda: self._taken)

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Takes a place; waits a moment when there is none.

        Raises:
            HttpProblem: 503, there is still none.
        """
        try:
            async with asyncio.timeout(WAIT_S):
                await self._free.acquire()
        except TimeoutError as error:
            metrics.HTTP_HEAVY_ANSWERS_REFUSED.labels(kind=self._kind).inc()
            raise HttpProblem(
                "unavailable",
                f"This process answers {self._most} requests of this kind at once, and their "
                "clients are still reading; send the same request again.",
                headers=_RETRY_AFTER,
            ) from error
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
            self._free.release()
