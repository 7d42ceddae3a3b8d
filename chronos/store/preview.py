"""Dry runs: a decision on what one snapshot shows, with no lock and nothing written."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from chronos.store.event_store import Rules
from chronos.store.found import Prepared, Wanted, found_in
from chronos.store.pool import Pool
from chronos.store.statements import READ_FOUND
from chronos.wire.booking import AnyAttempt
from chronos.wire.receipt import Receipt

_NO_POSITION: Final = 0


class Preview:
    """Decides attempts for their senders' curiosity only."""

    def __init__(self, pool: Pool, rules: Rules):
        self._pool = pool
        self._rules = rules

    async def preview(self, attempt: AnyAttempt) -> Receipt:
        """Tells what the attempt would bring on the present state; its position is 0.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        wanted = Wanted.of((Prepared.of(attempt, self._rules.needs_of),))
        _, *others = wanted.parameters()
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(READ_FOUND, 0, *others)
        found = found_in(row, frozenset(), self._rules.zone)
        undrawn = (_NO_POSITION,) * wanted.positions
        fresh = replace(found, positions=undrawn, receipts={})
        return self._rules.book((attempt,), fresh).receipts[0]
