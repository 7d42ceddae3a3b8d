"""Mistakes of the relay: M3, M4, M15."""

from __future__ import annotations

import asyncio
from typing import Any

from agents.relay import Relay
from chronos.errors import Unavailable
from chronos.store import outbox_statements
from chronos.store.outbox import ShardHold
from chronos.store.outbox_cursor import Cursor
from chronos.stream.publisher import Publisher
from tests.mutants.planting import Planting

POLL_PAUSE_S = 0.002

_BEYOND_LAST = "\nUNION ALL\n".join(
    f"""
SELECT position, partition, topic, key, headers, value
FROM {table}
WHERE shard = $1::smallint AND position > $2::bigint
"""
    for table in outbox_statements.TABLES
)


def m3_marked_before_the_ack(planting: Planting) -> None:
    """The relay counts a page as published when it hands it to its producer."""

    def make(_: Any) -> Any:
        async def hasty(self: Relay, page: Any) -> None:
            page.is_begun = True
            page.published.set()
            try:
                await self._publisher.publish(page.rows)
            except Unavailable:
                return

        return hasty

    planting.swap(Relay, "publish", make)


def m4_polls_beyond_the_last_position(planting: Planting) -> None:
    """The relay reads the rows beyond the last position that it saw."""

    def make(_: Any) -> Any:
        async def beyond(
            self: ShardHold, cursor: Cursor, target: Any, rows_max: int
        ) -> tuple[Any, Cursor]:
            last = -1 if cursor.last_position is None else cursor.last_position
            statement = f"{_BEYOND_LAST} ORDER BY position LIMIT $3::bigint"
            rows = await self._rows(statement, self.shard, last, rows_max)
            if not rows:
                await asyncio.sleep(POLL_PAUSE_S)
            else:
                last = rows[-1].position
            # As a frozen window, a cursor keeps its position.
            frozen = cursor.frozen or target
            return rows, Cursor(snapshot=cursor.snapshot, frozen=frozen, last_position=last)

        return beyond

    planting.swap(ShardHold, "page", make)


def m15_two_readers_of_one_shard(planting: Planting) -> None:
    """Two readers share the rows of a shard as SKIP LOCKED deals them out, and both publish."""

    twins: dict[Publisher, Publisher] = {}

    def make(publish: Any) -> Any:
        async def side_by_side(self: Publisher, records: Any) -> Any:
            twin = twins.get(self)
            if twin is None:
                twin = Publisher(self._kafka, client_id=f"{self._client_id}-too")
                twins[self] = twin
            await asyncio.gather(publish(self, records[::2]), publish(twin, records[1::2]))
            return {}

        return side_by_side

    planting.swap(Publisher, "publish", make)
