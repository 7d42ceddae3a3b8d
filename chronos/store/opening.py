"""Opens all that executing commands needs of PostgreSQL, and closes it in the reverse order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

from chronos.settings import Settings
from chronos.store.api_keys import ApiKeyTable
from chronos.store.books import Books
from chronos.store.event_store import EventStore, Rules
from chronos.store.group_commit import GroupCommit, Limits
from chronos.store.moments import Moments
from chronos.store.pool import LOOKUPS_ONLY, Pool
from chronos.store.preview import Preview
from chronos.store.reads import Reads
from chronos.store.references import References
from chronos.store.traced import TracedLane
from chronos.telemetry.spans import is_on

API: Final = "chronos-api"
KEY_CONNECTIONS_MAX: Final = 2
"""Connections of one process that look up API keys and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of the server one process uses, and how much it takes in."""

    lanes: int
    """Connections that commit at once."""
    reader_connections_max: int
    limits: Limits

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Takes them from the settings."""
        return cls(
            lanes=settings.writer_lanes,
            reader_connections_max=settings.reader_connections_max,
            limits=Limits(
                pending_max=settings.commands_pending_max,
                batch_max=settings.batch_commands_max,
                deadline_s=settings.command_deadline_s,
                drain_s=settings.drain_s,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """One process's PostgreSQL: commands, reads, credentials."""

    journal: GroupCommit
    reads: Reads
    references: References
    moments: Moments
    books: Books
    keys: ApiKeyTable
    pool: Pool
    """The connections of the reads."""


@asynccontextmanager
async def open_store(
    dsn: str, rules: Rules, sizes: Sizes, *, name: str = API
) -> AsyncIterator[Store]:
    """Opens a store as the role that `dsn` names; PostgreSQL need not answer yet.

    On leaving, attempts under way are finished before their connections close.

    Args:
        dsn: PostgreSQL as the role `chronos_writer`.
        rules: What the ledger tells the store.
        sizes: How much of the server it uses.
        name: First part of the names by which PostgreSQL's own views show its connections.
    """
    pool = await Pool.open(
        dsn,
        application_name=f"{name}-reads",
        connections_max=sizes.reader_connections_max,
        label="reads",
        server_settings=LOOKUPS_ONLY,
    )
    # Its own: a look-up that waited behind slow reads would leave a revoked key believed.
    keys = await Pool.open(
        dsn,
        application_name=f"{name}-keys",
        connections_max=KEY_CONNECTIONS_MAX,
        label="keys",
        server_settings=LOOKUPS_ONLY,
    )
    try:
        lanes = [
            EventStore(dsn, rules, name=f"{name}-lane-{number}")
            for number in range(sizes.lanes)
        ]
        journal = GroupCommit(
            [TracedLane(lane) for lane in lanes] if is_on() else lanes,
            Preview(pool, rules),
            needs_of=rules.needs_of,
            limits=sizes.limits,
        )
        async with journal:
            yield Store(
                journal=journal,
                reads=Reads(pool, rules.zone),
                references=References(pool),
                moments=Moments(
                    pool,
                    rules.zone,
                    pages_at_once_max=max(1, sizes.reader_connections_max // 2),
                ),
                books=Books(pool),
                keys=ApiKeyTable(keys),
                pool=pool,
            )
    finally:
        await keys.close()
        await pool.close()
