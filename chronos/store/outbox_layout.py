"""How the rows of the outbox are dealt out: two counts, decided once for a database.

The partition of an account follows from the count of partitions, the shard that has it from the
count of shards. A process that counted differently would put an account's next event where it
can be read before its last one, or where no relay reads. Kafka's topics are checked too, but a
command process does not ask Kafka; so this is asked of PostgreSQL, before the first command.

Who comes first to an empty journal decides: `chronos migrate up`, `chronos up`, or a process
that writes. A journal that has events and no decision is of an older version, and its counts
are those of its topics; so there only decide those who have compared the topics: the relay,
`chronos up`, and a rebuild that makes them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

import asyncpg

from chronos.errors import SettingFault
from chronos.settings import Settings
from chronos.store import pool
from chronos.store.faults import older_schema_named, translated

# Who starts at the same moment waits here for the row of the other, and then reads it.
_DECIDE: Final = """
INSERT INTO outbox_layout (partitions, shards)
VALUES ($1::smallint, $2::smallint)
ON CONFLICT DO NOTHING
"""
_IS_EMPTY: Final = "SELECT NOT EXISTS (SELECT FROM events)"
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


async def compare(connection: asyncpg.Connection, layout: Layout) -> bool:
    """Proves that the database is not written for another layout; False: nobody decided yet.

    Raises:
        SettingFault: It is written for another one.
    """
    decided = await connection.fetchrow(_READ)
    if decided is None:
        return False
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
    return True


async def agree(connection: asyncpg.Connection, layout: Layout, *, topics_agree: bool) -> None:
    """Proves that the database is written for this layout; decides it where nobody has yet.

    Args:
        connection: Of the owner, the writer or the relay.
        layout: What the settings of this process say.
        topics_agree: Whether Kafka's topics were found to have the same counts. Without that,
            nothing is decided for a journal that has events already.

    Raises:
        SettingFault: It is written for another one.
    """
    if await compare(connection, layout):
        return
    if not topics_agree and not await connection.fetchval(_IS_EMPTY):
        return
    async with connection.transaction():
        # The relay's role does not wait for the disk; what is decided here has to last.
        await connection.execute("SET LOCAL synchronous_commit = on")
        await connection.execute(_DECIDE, layout.partitions, layout.shards)
    await compare(connection, layout)


async def agree_on(dsn: str, layout: Layout, *, topics_agree: bool) -> None:
    """Does as `agree` does, on a connection of its own.

    Raises:
        SettingFault: The database is written for another layout.
        UnsafeSetting: It has an older schema.
        Unavailable: PostgreSQL does not answer.
    """
    async with _connected(dsn) as connection:
        await agree(connection, layout, topics_agree=topics_agree)


async def compare_on(dsn: str, layout: Layout) -> None:
    """Does as `compare` does, on a connection of its own; changes nothing.

    Raises:
        SettingFault: The database is written for another layout.
        UnsafeSetting: It has an older schema.
        Unavailable: PostgreSQL does not answer.
    """
    async with _connected(dsn) as connection:
        await compare(connection, layout)


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await pool.connect(
        dsn, application_name="chronos-layout", deadline_s=_DEADLINE_S
    )
    try:
        with translated(), older_schema_named():
            yield connection
    finally:
        await pool.close(connection)
