"""How long a lane waits for a fuller batch, and when it does not wait at all.

Callers that are answered together come back together: a closed loop of clients, or a service
that works through a list. A lane that began with the first of them would leave the others to
the next transaction, and so for ever: two halves that take turns, each with the whole cost of
a transaction (locks, four round trips, a write to disk) and half of its use. So a lane waits
until as many attempts are there as were known when its last transaction ended, but

* only if those were at least `KNOWN_MIN`: where few wait, nobody waits longer for company,
* no longer than that transaction took, and never longer than `PATIENCE_MAX_S`: a caller that
  does not come back costs its neighbours one short wait, after which fewer are expected.

Meanwhile the lanes of other processes have the locks, the disk and the processor to themselves.
"""

from __future__ import annotations

import asyncio
from typing import Final

KNOWN_MIN: Final = 8
"""Attempts below which no lane waits for more."""
PATIENCE_MAX_S: Final = 0.010


class Gathering:
    """The patience of one lane."""

    __slots__ = ("_enough", "_expected", "_missing", "_patience_s")

    def __init__(self) -> None:
        self._expected = 0
        self._patience_s = 0.0
        self._missing = 0
        self._enough = asyncio.Event()

    def ended(self, *, known: int, took_s: float) -> None:
        """Learns from a transaction that ended.

        Args:
            known: Attempts that it held, and those that waited for the next one.
            took_s: How long it took.
        """
        self._expected = known if known >= KNOWN_MIN else 0
        self._patience_s = min(took_s, PATIENCE_MAX_S)

    def arrived(self, commands: int) -> None:
        """Learns that an attempt joined the queue, with so many commands."""
        if self._missing > 0:
            self._missing -= commands
            if self._missing <= 0:
                self._enough.set()

    def stop(self) -> None:
        """Ends the wait, if there is one."""
        self._missing = 0
        self._enough.set()

    async def wait(self, waiting: int) -> None:
        """Waits until enough attempts are there, or its patience ends.

        Args:
            waiting: Commands that are there now.
        """
        missing = self._expected - waiting
        if missing <= 0:
            return
        self._missing = missing
        self._enough.clear()
        timer = asyncio.get_running_loop().call_later(self._patience_s, self._enough.set)
        try:
            await self._enough.wait()
        finally:
            timer.cancel()
            self._missing = 0
