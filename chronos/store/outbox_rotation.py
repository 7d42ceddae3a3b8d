"""Three outbox tables take turns, so that published rows go without a single DELETE.

Commands write the table that `outbox_current` names. When it is big or old, the relay names
the next one that is empty. An old table is truncated under its own lock once every row in it is
visible in the published snapshot of its shard. No command ever waits: it writes another table.
A transaction that stays open keeps the one table that it wrote; the two others go on taking
turns. A command that read `outbox_current` before the switch may still write the old
table; its row is published like any other and keeps the table from being truncated until
then.

One process does this at a time, by an advisory lock of the transaction.
"""

from __future__ import annotations

from time import monotonic
from typing import Final

import asyncpg

from chronos.errors import DeadlineExceeded
from chronos.store.faults import translated
from chronos.store.outbox import LOCK_CLASS
from chronos.store.outbox_statements import TABLES

_ROTATION_LOCK: Final = 1_000_000
"""Second half of the advisory lock, above every shard."""
_LOCK_WAIT_MS: Final = 50

_TRY_TURN = "SELECT pg_try_advisory_xact_lock($1::int, $2::int)"
_CURRENT = "SELECT which FROM outbox_current"
# Waits for nobody: commands read the row without a lock.
_SWITCH = """
UPDATE outbox_current
SET which = $2::smallint
WHERE which = $1::smallint
"""
_IS_EMPTY = "SELECT NOT EXISTS (SELECT FROM {table})"
_HAS_ROWS = (
    "SELECT count(*) >= $1::bigint FROM (SELECT FROM {table} LIMIT $1::bigint) AS counted"
)
_LOCK_WAIT = f"SET LOCAL lock_timeout = {_LOCK_WAIT_MS}"
# Waits for open writers of this table, briefly; keeps the relay's readers out meanwhile.
_LOCK_TABLE = "LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"
_IS_PUBLISHED = """
SELECT
  NOT EXISTS (
    SELECT
    FROM {table} AS o
    LEFT JOIN relay_checkpoints AS c ON c.shard = o.shard
    WHERE
      o.xid >= $1::text::xid8
      AND (c.shard IS NULL OR NOT pg_visible_in_snapshot(o.xid, c.snapshot::pg_snapshot))
  ) AS is_published,
  pg_snapshot_xmin(pg_current_snapshot())::text AS seen_below
"""
_EVERY_XID = "0"
_TRUNCATE = "TRUNCATE {table}"


class Rotation:
    """Switches and empties the outbox tables; call `turn` every few seconds.

    Args:
        rows_max: Rows after which the current table is left.
        age_max_s: Age after which it is left, if it has any row.
    """

    def __init__(self, *, rows_max: int, age_max_s: float):
        self._rows_max = rows_max
        self._age_max_s = age_max_s
        self._current: int | None = None
        self._since_s = monotonic()

    async def turn(self, connection: asyncpg.Connection) -> tuple[int, int]:
        """Does what is due.

        Returns:
            How many switches and how many truncations were made.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        truncated = 0
        with translated():
            current: int = await connection.fetchval(_CURRENT)
            if current != self._current:
                self._current, self._since_s = current, monotonic()
            for number, table in enumerate(TABLES):
                if number != current:
                    truncated += await _truncate_if_published(connection, table)
            switched = await self._switch_if_due(connection, current)
        return switched, truncated

    async def _switch_if_due(self, connection: asyncpg.Connection, current: int) -> int:
        old = monotonic() - self._since_s >= self._age_max_s
        rows_wanted = 1 if old else self._rows_max
        async with connection.transaction():
            if not await connection.fetchval(_TRY_TURN, LOCK_CLASS, _ROTATION_LOCK):
                return 0
            due = await connection.fetchval(
                _HAS_ROWS.format(table=TABLES[current]), rows_wanted
            )
            following = await _first_empty(connection, after=current) if due else None
            if following is None:
                return 0
            done = await connection.execute(_SWITCH, current, following)
        return int(done == "UPDATE 1")


async def _first_empty(connection: asyncpg.Connection, *, after: int) -> int | None:
    for step in range(1, len(TABLES)):
        number = (after + step) % len(TABLES)
        if await connection.fetchval(_IS_EMPTY.format(table=TABLES[number])):
            return number
    return None


async def _truncate_if_published(connection: asyncpg.Connection, table: str) -> int:
    if await connection.fetchval(_IS_EMPTY.format(table=table)):
        return 0
    # Asked twice: without the lock, to disturb nobody for nothing; with it, to be sure. Then
    # only of rows that the first look may not have seen: it read every row of a table that may
    # be as long as an outage, and under the lock no reader of the relay gets on.
    seen = await connection.fetchrow(_IS_PUBLISHED.format(table=table), _EVERY_XID)
    if not seen["is_published"]:
        return 0
    try:
        with translated():
            return await _truncate(connection, table, seen["seen_below"])
    except DeadlineExceeded:
        return 0  # somebody still writes it


async def _truncate(connection: asyncpg.Connection, table: str, seen_below: str) -> int:
    async with connection.transaction():
        if not await connection.fetchval(_TRY_TURN, LOCK_CLASS, _ROTATION_LOCK):
            return 0
        await connection.execute(_LOCK_WAIT)
        await connection.execute(_LOCK_TABLE.format(table=table))
        later = await connection.fetchrow(_IS_PUBLISHED.format(table=table), seen_below)
        if not later["is_published"]:
            return 0
        await connection.execute(_TRUNCATE.format(table=table))
    return 1
