"""Puts booked rows into a journal of one's own, many at once: for measurements, as its owner.

The rows are a bookkeeper's, so they are what commands would have written: hashes continue, the
trigger for double entry sees every statement, positions are the journal's. What is left out is
the receipts, so no key is known, and the outbox unless it is filled too: a bank at work must
never be filled like this.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from chronos.store import pool, roles
from chronos.store.faults import translated
from chronos.wire.booking import AccountRow, EventRow, OutboxRow

_DEADLINE_S: Final = 600.0
_DATABASE: Final = re.compile(r"[a-z][a-z0-9]{0,30}")
_NEXT_POSITION: Final = "SELECT nextval('journal_position')"
_OUTBOX_IN_USE: Final = "SELECT which FROM outbox_current"
_KEEP_POSITIONS: Final = "SELECT setval('journal_position', $1::bigint)"
# What autovacuum and the checkpointer would do in the hours that a real journal takes to grow.
_SETTLE: Final = ("VACUUM (ANALYZE) accounts", "VACUUM (ANALYZE) events", "CHECKPOINT")


class Bulk:
    """Fills a journal over one connection."""

    def __init__(self, connection: asyncpg.Connection):
        self._connection = connection

    async def first_position(self) -> int:
        """Gives the position from which on all are free, as long as nobody else writes."""
        return int(await self._connection.fetchval(_NEXT_POSITION))

    async def insert(self, accounts: Sequence[AccountRow], events: Sequence[EventRow]) -> None:
        """Puts rows into the journal, both postings of a transfer in one call.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        with translated():
            async with self._connection.transaction():
                await self._copy("accounts", AccountRow._fields, accounts)
                await self._copy("events", EventRow._fields, events)

    async def insert_outbox(self, rows: Sequence[OutboxRow]) -> None:
        """Puts rows into the outbox that commands write now, for the relay to publish.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        with translated():
            which = int(await self._connection.fetchval(_OUTBOX_IN_USE))
            await self._copy(f"outbox_{which:d}", OutboxRow._fields, rows)

    @asynccontextmanager
    async def at_once(self) -> AsyncIterator[None]:
        """Has all that is put in meanwhile appear in one moment, at the end.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        with translated():
            async with self._connection.transaction():
                yield

    async def keep_positions(self, last_position: int) -> None:
        """Lets nobody draw the positions up to this one again.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        with translated():
            await self._connection.fetchval(_KEEP_POSITIONS, last_position)

    async def settle(self, last_position: int) -> None:
        """Keeps the positions that were used, and leaves the tables as hours of work would.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        await self.keep_positions(last_position)
        with translated():
            for statement in _SETTLE:
                await self._connection.execute(statement)

    async def _copy(
        self, table: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]
    ) -> None:
        await self._connection.copy_records_to_table(table, records=rows, columns=columns)


async def make_database(owner_dsn: str, name: str) -> str:
    """Makes an empty database in the same cluster, and gives its address.

    Args:
        owner_dsn: A database of the cluster, as the cluster's owner.
        name: Lower-case letters and digits.

    Raises:
        Unavailable: PostgreSQL does not answer, or the name is taken.
    """
    if not _DATABASE.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a database of a measurement")
    connection = await pool.connect(
        owner_dsn, application_name="chronos-bulk", deadline_s=_DEADLINE_S
    )
    try:
        with translated():
            await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await pool.close(connection)
    return roles.database_dsn(owner_dsn, name)


@asynccontextmanager
async def open_bulk(owner_dsn: str) -> AsyncIterator[Bulk]:
    """Opens a connection for filling, as the journal's owner.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    connection = await pool.connect(
        owner_dsn, application_name="chronos-bulk", deadline_s=_DEADLINE_S
    )
    try:
        yield Bulk(connection)
    finally:
        await pool.close(connection)
