"""What becomes of the records of one index, as metrics: how many, how long, how old."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from chronos.clock import Clock
from chronos.mirror.bulk import BulkOutcome
from chronos.telemetry.balances_metrics import COMMIT_TO_TABLE_SECONDS
from chronos.telemetry.mirror_metrics import MIRROR_BULK_SECONDS, MIRROR_DOCUMENTS


class Outcomes:
    """Counts and times what is sent.

    Args:
        index: Label of the metrics: "entries" or "accounts".
        clock: Tells the age of what was sent.
    """

    def __init__(self, index: str, clock: Clock):
        self._index = index
        self._clock = clock
        self._seconds = MIRROR_BULK_SECONDS.labels(index)
        self._age = COMMIT_TO_TABLE_SECONDS.labels(index)

    async def send(
        self, write: Callable[[], Awaitable[BulkOutcome]], recorded_at: datetime
    ) -> None:
        """Writes once; `recorded_at` is of the newest record in the batch."""
        started_s = self._clock.monotonic_s()
        outcome = await write()
        self.count("applied", outcome.applied)
        self.count("already_applied", outcome.already_applied)
        self._seconds.observe(self._clock.monotonic_s() - started_s)
        age = self._clock.now() - recorded_at
        self._age.observe(max(0.0, age.total_seconds()))

    def count(self, outcome: str, records: int) -> None:
        """Counts records by what became of them."""
        MIRROR_DOCUMENTS.labels(self._index, outcome).inc(records)
