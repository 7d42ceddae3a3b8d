"""How big and how old each outbox table is, for the metrics; nothing depends on it.

Sizes are of the disk, rows are of PostgreSQL's statistics, and the age is one look-up a shard
by the primary key: asking every few seconds costs the writers nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from chronos.store.faults import translated
from chronos.store.outbox_statements import TABLES
from chronos.store.pipeline_state import recorded_at

_SIZES: Final = "\nUNION ALL\n".join(
    f"""
SELECT
  '{table}' AS name,
  pg_total_relation_size('{table}'::regclass) AS size_bytes,
  pg_stat_get_live_tuples('{table}'::regclass) AS about_rows,
  ARRAY(
    SELECT oldest.value
    FROM generate_series(0, $1::int - 1) AS shards (shard),
      LATERAL (
        SELECT o.value
        FROM {table} AS o
        WHERE o.shard = shards.shard::smallint
        ORDER BY o.position
        LIMIT 1
      ) AS oldest
  ) AS oldest_values
"""  # noqa: S608 - the tables are constants
    for table in TABLES
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """One outbox table as it stands."""

    table: str
    size_bytes: int
    """On disk, with its indexes."""
    rows: int
    """About; published ones included."""
    oldest_recorded_at: datetime | None
    """When the event of its oldest row was recorded; None for an empty one."""


async def table_sizes(connection: asyncpg.Connection, shards: int) -> tuple[TableSize, ...]:
    """Looks at every outbox table.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    with translated():
        found = await connection.fetch(_SIZES, shards)
    return tuple(_table(*record) for record in found)


def _table(name: str, size_bytes: int, rows: int, oldest: list[bytes]) -> TableSize:
    moments = [moment for value in oldest if (moment := recorded_at(value)) is not None]
    return TableSize(
        table=name,
        size_bytes=size_bytes,
        rows=rows,
        oldest_recorded_at=min(moments, default=None),
    )
