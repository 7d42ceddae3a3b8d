"""A lane whose transactions are recorded in the traces of the requests that they commit.

It stands in the place of the lane only where spans are recorded: elsewhere nothing is added to
the way of a command, not even a comparison.
"""

from __future__ import annotations

from collections.abc import Sequence

from chronos.store.event_store import EventStore
from chronos.store.found import Prepared
from chronos.telemetry.span_shapes import append
from chronos.telemetry.spans import working
from chronos.wire.booking import Booked


class TracedLane:
    """Commits as its lane does."""

    def __init__(self, lane: EventStore):
        self._lane = lane

    async def commit(self, batch: Sequence[Prepared]) -> Booked:
        """Decides and writes a batch in one transaction; raises what the lane raises."""
        served = (prepared.attempt.traceparent for prepared in batch)
        with working(served, lambda: append(len(batch), self._lane.phases)):
            return await self._lane.commit(batch)

    async def close(self) -> None:
        """Closes the lane."""
        await self._lane.close()
