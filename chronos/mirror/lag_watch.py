"""Tells the metrics now and then how far each read model's group is behind its topic.

Kafka itself is asked, over a connection of its own: what a worker has fetched says nothing of
what it could not fetch, and a worker that waits for its store fetches nothing. Every worker
tells of every group, since one that is gone tells nothing of itself. While Kafka does not
answer, the last known values stand, and a lag that was there grows older.

Bounds: one look every `EVERY_S`, each within `chronos.mirror.lag.DEADLINE_S`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import structlog

from chronos.clock import Clock
from chronos.errors import MissingPart, Unavailable
from chronos.mirror.lag import GroupLag
from chronos.telemetry.sink_metrics import SINK_LAG_EVENTS, SINK_LAG_SECONDS
from chronos.wire.topics import Names

EVERY_S: Final = 5.0
STALE_AFTER_S: Final = 15.0
"""From when on an answer is old, and the lag that it told grows with time."""

log = structlog.get_logger("mirror")


class Measure(Protocol):
    """Tells where a group stands in a topic; `KafkaLag` is the real one."""

    async def measure(self, group: str, topic: str) -> GroupLag:
        """Measures; raises `Unavailable` or `MissingPart`."""
        ...


class LagWatch:
    """Keeps the lag of the sinks in the metrics.

    Args:
        lag: Is asked.
        names: Of the topics and groups.
        clock: Tells how long an answer is old.
    """

    def __init__(self, lag: Measure, names: Names, clock: Clock):
        self._lag = lag
        self._sinks: Mapping[str, tuple[str, str]] = {
            "table": (names.app_id("balances"), names.events),
            "entries": (names.app_id("mirror"), names.events),
            "accounts": (names.app_id("mirror"), names.balances_changelog),
        }
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begins to look."""
        self._task = asyncio.create_task(self._look_again_and_again(), name="lag-watch")

    async def close(self) -> None:
        """Ends it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def look(self) -> None:
        """Looks once at every sink."""
        for sink, (group, topic) in self._sinks.items():
            try:
                lag = await self._lag.measure(group, topic)
            except (Unavailable, MissingPart) as fault:
                log.info("lag_unknown", sink=sink, reason=str(fault))
                continue
            SINK_LAG_EVENTS.labels(sink).set(lag.records)
            if lag.seconds is not None:
                SINK_LAG_SECONDS.labels(sink).set_function(self._ageing(lag.seconds))

    def _ageing(self, seconds: float) -> Callable[[], float]:
        stale_at_s = self._clock.monotonic_s() + STALE_AFTER_S

        def age_s() -> float:
            if not seconds:
                return 0.0
            return seconds + max(0.0, self._clock.monotonic_s() - stale_at_s)

        return age_s

    async def _look_again_and_again(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)
