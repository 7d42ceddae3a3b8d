"""How the rows of the outbox are dealt out; decided once for a database, by who starts first.

The partition of an account follows from the count of partitions, the shard that has it from the
count of shards. A process that counted differently would put an account's next event where it
can be read before its last one, or where no relay reads. Kafka's topics are checked too, but a
command process does not ask Kafka; so this is asked of PostgreSQL, before the first command.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import asyncpg

from chronos.errors import SettingFault
from chronos.settings import Settings
from chronos.store import pool
from chronos.store.faults import translated

# Who starts at the same moment waits here for the row of the other, and then reads it.
_DECIDE: Final = """
INSERT INTO outbox_layout (partitions, shards)
VALUES ($1::smallint, $2::smallint)
ON CONFLICT DO NOTHING
"""
_READ: Final = "SELECT partitions, shards FROM outbox_layout"
_DEADLINE_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The two counts, as a process has them in its settings."""

    partitions: int
    """Of the topic of events."""
    shards: int
    """Of the outbox."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Takes them from the settings."""
        return cls(partitions=settings.partitions, shards=settings.relay_shards)


async def agree(connection: asyncpg.Connection, layout: Layout) -> None:
    """Proves that the database is written for this layout; decides it where nobody has yet.

    Raises:
        SettingFault: It is written for another one.
    """
    decided = await connection.fetchrow(_READ)
    if decided is None:
        await connection.execute(_DECIDE, layout.partitions, layout.shards)
        decided = await connection.fetchrow(_READ)
    for setting, ours, there in (
        ("CHRONOS_PARTITIONS", layout.partitions, decided["partitions"]),
        ("CHRONOS_RELAY_SHARDS", layout.shards, decided["shards"]),
    ):
        if ours != there:
            raise SettingFault(
                setting,
                f"is {ours}, but the outbox of this database is written for {there}; set "
                f"{setting}={there}: the count is fixed at the first start",
            )


async def agree_on(dsn: str, layout: Layout) -> None:
    """Does so on a connection of its own.

    Raises:
        SettingFault: The database is written for another layout.
        Unavailable: PostgreSQL does not answer.
    """
    connection = await pool.connect(
        dsn, application_name="chronos-layout", deadline_s=_DEADLINE_S
    )
    try:
        with translated():
            await agree(connection, layout)
    finally:
        await pool.close(connection)
