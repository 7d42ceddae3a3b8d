"""Where the journal and the outbox stand, for people and dashboards; nothing depends on it.

Every statement is an index look-up or bounded, so that asking never burdens the writers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import msgspec

from chronos.errors import MissingPart
from chronos.store.faults import translated
from chronos.store.outbox_statements import CHECKPOINT, TABLES
from chronos.store.pool import Pool

UNPUBLISHED_COUNTED_MAX = 100_000

_HEAD = """
SELECT position, recorded_at
FROM events
ORDER BY position DESC
LIMIT 1
"""

_UNPUBLISHED_ROWS = "\nUNION ALL\n".join(
    f"""
SELECT position, value
FROM {table}
WHERE shard = $1::smallint
  AND xid >= pg_snapshot_xmin($2::text::pg_snapshot)
  AND NOT pg_visible_in_snapshot(xid, $2::text::pg_snapshot)
"""  # noqa: S608 - the tables are constants
    for table in TABLES
)

_UNPUBLISHED_COUNT = f"""
SELECT count(*)
FROM ({_UNPUBLISHED_ROWS} LIMIT $3::bigint) AS unpublished
"""  # noqa: S608 - made of constants of this module

_UNPUBLISHED_OLDEST = f"""
SELECT value
FROM ({_UNPUBLISHED_ROWS}) AS unpublished
ORDER BY position
LIMIT 1
"""  # noqa: S608 - made of constants of this module


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardState:
    """How far the relay is in one shard of the outbox."""

    shard: int
    epoch: int
    unpublished: int
    """Rows past the stored checkpoint, counted up to `UNPUBLISHED_COUNTED_MAX`."""
    oldest_recorded_at: datetime | None
    """When the oldest of them was recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineState:
    """Where the write side stands."""

    position: int
    """The newest event's place in the journal; 0 in an empty one."""
    recorded_at: datetime | None
    shards: tuple[ShardState, ...]


class _Recorded(msgspec.Struct):
    recorded_at: datetime | None = None


async def read_pipeline_state(pool: Pool, shards: int) -> PipelineState:
    """Reads the head of the journal and the state of every shard of the outbox.

    Raises:
        Unavailable: PostgreSQL does not answer.
        MissingPart: The database has no schema of the ledger, or not so many shards.
    """
    async with pool.connection() as connection:
        with translated():
            try:
                head = await connection.fetchrow(_HEAD)
                states = [await _shard(connection, shard) for shard in range(shards)]
            except asyncpg.UndefinedTableError as error:
                raise MissingPart(
                    "The database has no tables of the ledger: run `chronos migrate up` as its "
                    "owner."
                ) from error
    return PipelineState(
        position=head["position"] if head else 0,
        recorded_at=head["recorded_at"] if head else None,
        shards=tuple(states),
    )


async def _shard(connection: asyncpg.Connection, shard: int) -> ShardState:
    stored = await connection.fetchrow(CHECKPOINT, shard)
    if stored is None:
        raise MissingPart(
            f"The outbox has no shard {shard}: set CHRONOS_RELAY_SHARDS to what it was at the "
            "first start."
        )
    snapshot = stored["snapshot"]
    count: int = await connection.fetchval(
        _UNPUBLISHED_COUNT, shard, snapshot, UNPUBLISHED_COUNTED_MAX
    )
    oldest: Sequence[asyncpg.Record] = []
    if count:
        oldest = await connection.fetch(_UNPUBLISHED_OLDEST, shard, snapshot)
    return ShardState(
        shard=shard,
        epoch=stored["epoch"],
        unpublished=count,
        oldest_recorded_at=recorded_at(oldest[0]["value"]) if oldest else None,
    )


def recorded_at(value: bytes) -> datetime | None:
    """Reads when the event of an outbox row was recorded; None where it does not say."""
    try:
        return msgspec.json.decode(value, type=_Recorded).recorded_at
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
