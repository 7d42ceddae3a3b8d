"""Notices that this process slept: stopped by a signal, a debugger, a machine put aside.

A worker that slept longer than its session has lost its partitions without knowing it. What it
had in hand must not be written any more. A task notes the time again and again; whoever is
about to write asks how long ago the last note is. Both must be done, because nobody knows which
of them runs first after the sleep.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from chronos.clock import Clock
from chronos.errors import ChronosError

TICK_S = 0.5


class Slept(ChronosError):
    """Says that this process slept through its session; started again it is as good as new."""


class SleepGuard:
    """Tells those who slept from those who wait.

    Args:
        clock: Its monotonic seconds go on while the process sleeps.
        longest_s: The longest sleep that does no harm: less than the session's time.
        end: Ends the process for the reason it is given.
    """

    def __init__(
        self, clock: Clock, *, longest_s: float, end: Callable[[Slept], Awaitable[None]]
    ):
        self._clock = clock
        self._longest_s = longest_s
        self._end = end
        self._noted_s = clock.monotonic_s()
        self._slept_s = 0.0
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begins to note the time."""
        self._noted_s = self._clock.monotonic_s()
        self._task = asyncio.create_task(self._note(), name="sleep-guard")

    async def close(self) -> None:
        """Ends it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def check(self) -> None:
        """Lets the one pass who was awake.

        Raises:
            Slept: The process slept too long, now or at some time before.
        """
        self._look()
        if self._slept_s > self._longest_s:
            raise self._fault()

    async def _note(self) -> None:
        while self._slept_s <= self._longest_s:
            await asyncio.sleep(TICK_S)
            self._look()
        await self._end(self._fault())

    def _fault(self) -> Slept:
        return Slept(
            f"This process slept for {self._slept_s:.0f} s and lost its partitions; "
            "what it had in hand is left to others."
        )

    def _look(self) -> None:
        now_s = self._clock.monotonic_s()
        if self._task is not None:
            self._slept_s = max(self._slept_s, now_s - self._noted_s - TICK_S)
        self._noted_s = now_s
