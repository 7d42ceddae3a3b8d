"""The events from a position on as records, for a topic that needs them again.

What a relay has still to publish is not among them: a record must not come before its account's
record before it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from chronos.store.faults import translated
from chronos.store.outbox import connect
from chronos.store.outbox_cursor import Row
from chronos.store.outbox_statements import TABLES
from chronos.store.republish import event_row
from chronos.wire.topics import partition_of

FROM_ROWS: Final = 2_000

_COUNT = """
SELECT count(*)
FROM events
WHERE position BETWEEN $1::bigint AND $2::bigint
"""

_FROM = """
SELECT position, account_id, hash, body
FROM events
WHERE position > $1::bigint AND position <= $2::bigint
ORDER BY position
LIMIT $3::bigint
"""

_UNPUBLISHED = "\nUNION ALL\n".join(
    f"""
SELECT position
FROM {table}
WHERE shard = c.shard
  AND xid >= pg_snapshot_xmin(c.snapshot::pg_snapshot)
  AND NOT pg_visible_in_snapshot(xid, c.snapshot::pg_snapshot)
"""  # noqa: S608 - the tables are constants
    for table in TABLES
)

# The position before the oldest that is not published; the newest of all when every one is.
_PUBLISHED = f"""
SELECT coalesce(
  (
    SELECT min(o.position) - 1
    FROM relay_checkpoints AS c
    CROSS JOIN LATERAL ({_UNPUBLISHED}) AS o
  ),
  (SELECT max(position) FROM events),
  0
)
"""  # noqa: S608 - made of constants of this module


class JournalFrom:
    """The events from a position on, up to the newest that every relay has published."""

    def __init__(self, connection: asyncpg.Connection, position: int, end: int) -> None:
        self._connection = connection
        self._position = position
        self._end = end

    async def count(self) -> int:
        """Counts them."""
        with translated():
            counted: int = await self._connection.fetchval(_COUNT, self._position, self._end)
        return counted

    async def pages(self, *, topic: str, partitions: int) -> AsyncIterator[list[Row]]:
        """Yields their records by position, page by page."""
        after = self._position - 1
        while True:
            with translated():
                found = await self._connection.fetch(_FROM, after, self._end, FROM_ROWS)
            if not found:
                return
            after = found[-1]["position"]
            yield [
                event_row(
                    row,
                    account_id=row["account_id"],
                    topic=topic,
                    partition=partition_of(row["account_id"].encode(), partitions),
                )
                for row in found
            ]


@asynccontextmanager
async def open_journal_from(dsn: str, position: int) -> AsyncIterator[JournalFrom]:
    """Opens one snapshot of the events from a position on.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    connection = await connect(dsn, "republish")
    try:
        with translated():
            await connection.transaction(isolation="repeatable_read", readonly=True).start()
            end: int = await connection.fetchval(_PUBLISHED)
        yield JournalFrom(connection, position, end)
    finally:
        connection.terminate()
