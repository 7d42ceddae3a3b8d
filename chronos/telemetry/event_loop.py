"""How late the event loop of a process is, measured ten times a second for a few microseconds.

What a callback waits, every request and every record waits too: a loop that is late by 50 ms
adds 50 ms to each. One handle is armed at a time; nothing is awaited.
"""

from __future__ import annotations

import asyncio
from typing import Final, Self

from prometheus_client import Histogram

from chronos.telemetry.metrics import REGISTRY

TICK_S: Final = 0.1

EVENT_LOOP_LAG_SECONDS = Histogram(
    "chronos_event_loop_lag_seconds",
    "How late the event loop ran a callback that was due, looked at ten times a second.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
    registry=REGISTRY,
)


class EventLoopWatch:
    """Measures the running loop from its opening to its close."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None
        self._due_s = 0.0

    async def open(self) -> None:
        """Begins to measure."""
        self._arm(asyncio.get_running_loop())

    async def close(self) -> None:
        """Ends it."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    async def __aenter__(self) -> Self:
        """Begins to measure."""
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends it."""
        await self.close()

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due_s = loop.time() + TICK_S
        self._handle = loop.call_at(self._due_s, self._run, loop)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        EVENT_LOOP_LAG_SECONDS.observe(max(0.0, loop.time() - self._due_s))
        self._arm(loop)
