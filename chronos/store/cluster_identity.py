"""Tells whether this cluster is the one that Kafka, and all that follows it, was fed from.

A database that was restored has another timeline, a copy under another name another system
identifier. It may lack events that Kafka, the table, Redis and Elasticsearch have, and will use
their versions again for others. So nobody publishes from it, and nobody shows what was made of
the events that it lacks, until a rebuild has made everything after it anew.

A copy that was taken from a disk and started as if after a crash has the same identity; the
relay finds that out by what Kafka holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from chronos.errors import UnsafeSetting
from chronos.store import outbox_statements as statements
from chronos.store.faults import translated
from chronos.store.pool import Pool

_ALL: Final = """
SELECT shard, system_identifier, timeline_id
FROM relay_checkpoints
WHERE system_identifier IS NOT NULL
ORDER BY shard
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Names one history of one cluster; a restored copy has another timeline or cluster."""

    system_identifier: int
    timeline_id: int


async def check_identity(connection: asyncpg.Connection, shard: int) -> Identity:
    """Compares the cluster with the one that this shard was last published from.

    Raises:
        UnsafeSetting: It is another one: Kafka may hold events that this one never had.
        Unavailable: PostgreSQL does not answer.
    """
    with translated():
        found = await connection.fetchrow(statements.IDENTITY)
        known = await connection.fetchrow(statements.CHECKPOINT, shard)
    if known is None:
        raise UnsafeSetting("relay_shards", f"shard {shard} has no checkpoint in this database")
    identity = Identity(
        system_identifier=found["system_identifier"], timeline_id=found["timeline_id"]
    )
    refuse_another(identity, shard, known)
    return identity


async def check_all(pool: Pool) -> Identity | None:
    """Compares the cluster with the one that every shard was last published from; gives it.

    A standby is not judged: which history it belongs to is known when it is promoted. Nor is a
    database without a schema, from which nothing was published. None stands for both.

    Raises:
        UnsafeSetting: It is another one: the read models may show what it never had.
        Unavailable: PostgreSQL does not answer.
    """
    async with pool.connection() as connection:
        with translated():
            found = await connection.fetchrow(statements.IDENTITY)
            try:
                known = await connection.fetch(_ALL)
            except asyncpg.UndefinedTableError:
                return None
    if found["timeline_id"] is None:
        return None
    identity = Identity(
        system_identifier=found["system_identifier"], timeline_id=found["timeline_id"]
    )
    for checkpoint in known:
        refuse_another(identity, checkpoint["shard"], checkpoint)
    return identity


def refuse_another(identity: Identity, shard: int, known: Any) -> None:
    """Lets nobody on who would mix two histories.

    Args:
        identity: The cluster's own.
        shard: Whose checkpoint it is compared with.
        known: The checkpoint, with the cluster that it was saved on.

    Raises:
        UnsafeSetting: They differ, or a rebuild is under way or was killed.
    """
    if known["system_identifier"] == statements.REFILLING:
        command = statements.REFILLED_BY[known["timeline_id"]]
        raise UnsafeSetting(
            "system_identifier",
            f"`{command}` was begun and did not end: run it again, unless it still runs",
        )
    for name, now in (
        ("system_identifier", identity.system_identifier),
        ("timeline_id", identity.timeline_id),
    ):
        was = known[name]
        if was is not None and was != now:
            raise UnsafeSetting(
                name,
                f"of PostgreSQL is {now}, but shard {shard} came from {was}: a restored "
                "or another database, and Kafka may hold events that it never had; nothing is "
                "published or shown until `chronos rebuild all` has made Kafka and the read "
                "models anew from it, or until it runs on the database that Kafka was fed from",
            )
