"""A writer that takes no lock of ours: what the unique keys are for."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from chronos.clock import SystemIds
from chronos.store.statements import append_to
from chronos.wire.booking import Attempt, Booked, Head
from tests.builders import account, bookkeeper, found

HEAD = """
SELECT version, hash, recorded_at
FROM events
WHERE account_id = $1
ORDER BY version DESC
LIMIT 1
"""
POSITIONS = "SELECT nextval('journal_position') FROM generate_series(1, 10)"
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"


class Rival:
    """Books what it is told on accounts as it is told they are, and commits when it likes."""

    def __init__(self, owner: asyncpg.Connection):
        self._owner = owner
        self._transaction = owner.transaction()

    async def book(self, attempt: Attempt, *accounts: str, **known: Any) -> Booked:
        """Writes the rows of an attempt in a transaction that stays open.

        Args:
            attempt: The attempt.
            accounts: Accounts that are there; each is taken to have 500, of it 100 held.
            known: More of what was found, as the rival believes.
        """
        heads = [await self._head(name) for name in accounts]
        drawn = tuple(row[0] for row in await self._owner.fetch(POSITIONS))
        seen = found(*heads, positions=drawn, **known)
        booked = bookkeeper(ids=SystemIds()).book([attempt], seen)
        assert booked.receipts[0].status < 300
        await self._transaction.start()
        append = await self._owner.prepare(append_to(0))
        await append.fetchrow(
            booked.account_rows, booked.event_rows, booked.outbox_rows, booked.receipt_rows
        )
        return booked

    async def commit(self) -> None:
        await self._transaction.commit()

    async def _head(self, name: str) -> Head:
        version, digest, recorded_at = await self._owner.fetchrow(HEAD, name)
        state = account(name, version=version, booked=500, held=100, open_holds=1)
        return Head(state=state, hash=digest, recorded_at=recorded_at)


async def until_someone_waits(owner_dsn: str) -> None:
    """Returns when a transaction waits for the row of another."""
    watcher = await asyncpg.connect(owner_dsn)
    try:
        async with asyncio.timeout(5):
            while not await watcher.fetchval(WAITING):
                pass
    finally:
        await watcher.close()
