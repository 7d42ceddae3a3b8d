"""Dry runs: a decision on what one snapshot shows, with no lock and nothing written."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from chronos.store.event_store import Rules
from chronos.store.found import Prepared, Wanted, found_in
from chronos.store.identities import Identities
from chronos.store.pool import Pool
from chronos.store.statements import READ_FOUND
from chronos.wire.booking import AnyAttempt
from chronos.wire.receipt import Receipt, too_large_receipt

AT_ONCE_MAX: Final = 4
"""Dry runs of one process that may hold their answers in memory at once."""
_NO_POSITION: Final = 0


class Preview:
    """Decides attempts for their senders' curiosity only."""

    def __init__(self, pool: Pool, rules: Rules):
        self._pool = pool
        self._rules = rules
        self._turns = asyncio.Semaphore(AT_ONCE_MAX)

    async def preview(self, attempt: AnyAttempt) -> Receipt:
        """Tells what the attempt would bring on the present state; its position is 0.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        prepared = Prepared.of(attempt, self._rules.needs_of)
        if prepared.is_too_large:
            return too_large_receipt(instance=attempt.instance, request_id=attempt.request_id)
        async with self._turns:
            return await self._preview(attempt, Wanted.of((prepared,)))

    async def _preview(self, attempt: AnyAttempt, wanted: Wanted) -> Receipt:
        identities = Identities(self._rules.zone)
        _, *others = wanted.parameters(identities)
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(READ_FOUND, 0, *others)
        found = found_in(row, frozenset(), identities)
        undrawn = (_NO_POSITION,) * wanted.positions
        fresh = replace(found, positions=undrawn, receipts={})
        *_, last = self._rules.book_in_parts((attempt,), fresh)
        return last.receipts[0]
