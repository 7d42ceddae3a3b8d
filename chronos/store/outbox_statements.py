"""What the relay asks of the outbox tables and its checkpoints, in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TABLES: Final = ("outbox_0", "outbox_1", "outbox_2")

REFILLING: Final = 0
"""Stands in a checkpoint for the cluster while Kafka is made anew from the journal."""
BY_ITSELF: Final = 0
WITH_ALL: Final = 1
REFILLED_BY: Final[Mapping[int, str]] = {
    BY_ITSELF: "chronos rebuild kafka",
    WITH_ALL: "chronos rebuild all",
}
"""What the timeline says meanwhile: which command has to come to its end."""

_COLUMNS = "position, partition, topic, key, headers, value"


def _over_tables(branches: str) -> str:
    return "\nUNION ALL\n".join(branches.format(table=table) for table in TABLES)


# New rows between two snapshots, by the index on xid. Starting from the oldest transaction that
# was open in the first snapshot would read the table anew while a long transaction lives.
HEAD = f"""
{
    _over_tables(f'''
SELECT {_COLUMNS}
FROM {{table}}
WHERE shard = $1::smallint
  AND xid >= $2::xid8
  AND xid < $3::xid8
  AND pg_visible_in_snapshot(xid, $4::pg_snapshot)
UNION ALL
SELECT {_COLUMNS}
FROM {{table}}
WHERE shard = $1::smallint
  AND xid = ANY ($5::xid8[])''')
}
ORDER BY position
LIMIT $6::bigint
"""  # noqa: S608 - made of constants of this module

# The same rows past a position, by the primary key: a window of any size, page by page.
BACKLOG = f"""
{
    _over_tables(f'''
(
SELECT {_COLUMNS}
FROM {{table}}
WHERE shard = $1::smallint
  AND position > $2::bigint
  AND pg_visible_in_snapshot(xid, $3::pg_snapshot)
  AND NOT pg_visible_in_snapshot(xid, $4::pg_snapshot)
ORDER BY position
LIMIT $5::bigint
)''')
}
ORDER BY position
LIMIT $5::bigint
"""  # noqa: S608 - made of constants of this module

UNPUBLISHED = f"""
SELECT count(*)
FROM (
  SELECT xid
  FROM (
{
    _over_tables('''
SELECT xid
FROM {table}
WHERE shard = $1::smallint AND xid >= $2::xid8''')
}
  ) AS candidates
  WHERE NOT pg_visible_in_snapshot(xid, $3::pg_snapshot)
  LIMIT $4::bigint
) AS unpublished
"""  # noqa: S608 - made of constants of this module

IDENTITY = """
SELECT
  system_identifier,
  CASE WHEN NOT pg_is_in_recovery() THEN
    ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
  END AS timeline_id
FROM pg_control_system()
"""

CHECKPOINT = """
SELECT epoch, snapshot, frozen_snapshot, window_last_position, system_identifier, timeline_id
FROM relay_checkpoints
WHERE shard = $1::smallint
"""

# Asks for the shard's lock without waiting; the session keeps it.
TRY_LOCK = "SELECT pg_try_advisory_lock($1::int, $2::int)"

NEXT_EPOCH = """
UPDATE relay_checkpoints
SET
  epoch = epoch + 1,
  system_identifier = $2::bigint,
  timeline_id = $3::int
WHERE shard = $1::smallint
RETURNING epoch
"""

SAVE = """
UPDATE relay_checkpoints
SET
  snapshot = $3::text,
  frozen_snapshot = $4::text,
  window_last_position = $5::bigint
WHERE shard = $1::smallint AND epoch = $2::bigint
"""

# Ends the session that holds the shard's lock; a role may end its own sessions.
END_HOLDER = """
SELECT count(pg_terminate_backend(pid))
FROM pg_locks
WHERE locktype = 'advisory'
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND classid::bigint = $1::bigint
  AND objid::bigint = $2::bigint
  AND objsubid = 2
  AND granted
  AND pid <> pg_backend_pid()
"""

DO_NOT_SORT = "SET enable_sort = off"
SORT = "SET enable_sort = on"
