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
a little less of ours; at the most that a process can do it is as fast. So a second lane is
there for those who would wait for somebody's long transaction, or for a lock that it waits for.
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
            self._is_beside = False
            self._enough.set()

    def stop(self) -> None:
        """Ends the wait, if there is one."""
        self._missing = 0
        self._enough.set()

    async def wait(self, waiting: int, *, beside: bool = False) -> bool:
        """Waits until enough attempts are there, or its patience ends.

        Args:
            waiting: Commands that are there now.
            beside: Whether another lane's transaction is under way, or about to begin.

        Returns:
            False if the other lane's transaction has ended: then all is to be looked at anew,
            for that lane may have taken what was waited for and begun another one.
        """
        missing = (BESIDE_MIN if beside else self._expected) - waiting
        if missing <= 0:
            return True
        self._missing = missing
        self._is_beside = beside
        self._enough.clear()
        patience_s = BESIDE_PATIENCE_S if beside else self._patience_s
        timer = asyncio.get_running_loop().call_later(patience_s, self._enough.set)
        try:
            await self._enough.wait()
            return self._is_beside is beside
        finally:
            timer.cancel()
            self._missing = 0
            self._is_beside = False
