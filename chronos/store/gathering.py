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

Beside a transaction of the same process a lane begins one for `BESIDE_MIN` commands only, or
when that transaction is older than `BESIDE_PATIENCE_S`: two lanes that take turns have half as
many commands each, and nothing is gained but a busier PostgreSQL. At 1,200 transfers a second,
with all servers on two processors, one at a time takes a quarter less of PostgreSQL's time and
a little less of ours; at the most that a process can do it is as fast. The price is paid by
whoever comes just after a transaction began: half of one more, 20 ms on that busy machine. So a
second lane is there for those who would wait for somebody's long transaction, or for a lock
that it waits for.
"""

from __future__ import annotations

import asyncio
from typing import Final

KNOWN_MIN: Final = 8
"""Attempts below which no lane waits for more."""
PATIENCE_MAX_S: Final = 0.010
BESIDE_MIN: Final = 64
"""Commands that are worth a transaction while another one is under way."""
BESIDE_PATIENCE_S: Final = 0.050
"""Age of a transaction beside which nobody waits any more."""


class Gathering:
    """The patience of one lane."""

    __slots__ = ("_enough", "_expected", "_is_beside", "_missing", "_patience_s")

    def __init__(self) -> None:
        self._expected = 0
        self._patience_s = 0.0
        self._missing = 0
        self._is_beside = False
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

    def other_ended(self) -> None:
        """Learns that a transaction of another lane has ended."""
        if self._is_beside:
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
        if missing > 0:
            await self._until(missing, self._patience_s)

    async def wait_beside(self, missing: int, longest_s: float) -> None:
        """Waits for a reason to look again whether to begin beside another transaction.

        Args:
            missing: So many more commands are one; the end of that transaction is another.
            longest_s: This time is the last, above 0.
        """
        self._is_beside = True
        try:
            await self._until(missing, longest_s)
        finally:
            self._is_beside = False

    async def _until(self, missing: int, longest_s: float) -> None:
        self._missing = missing
        self._enough.clear()
        timer = asyncio.get_running_loop().call_later(longest_s, self._enough.set)
        try:
            await self._enough.wait()
        finally:
            timer.cancel()
            self._missing = 0
