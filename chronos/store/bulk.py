"""Puts booked rows into a journal of one's own, many at once: for measurements, as its owner.

The rows are a bookkeeper's, so they are what commands would have written: hashes continue, the
trigger for double entry sees every statement, positions are the journal's. What is left out is
the outbox and the receipts, so nothing is published and no key is known: a bank at work must
never be filled like this.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from chronos.store import pool
from chronos.store.faults import translated
from chronos.wire.booking import AccountRow, EventRow

_DEADLINE_S: Final = 600.0
_NEXT_POSITION: Final = "SELECT nextval('journal_position')"
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

    async def settle(self, last_position: int) -> None:
        """Keeps the positions that were used, and leaves the tables as hours of work would.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        with translated():
            await self._connection.fetchval(_KEEP_POSITIONS, last_position)
            for statement in _SETTLE:
                await self._connection.execute(statement)

    async def _copy(
        self, table: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]
    ) -> None:
        await self._connection.copy_records_to_table(table, records=rows, columns=columns)


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
