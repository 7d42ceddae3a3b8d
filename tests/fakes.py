"""Fakes: each keeps the promises of its port, as the contract tests show, without a server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime

from chronos.domain.ids import HoldId
from chronos.errors import Unavailable
from chronos.store.due_holds import DueHold, LookedAt, Moment, Next
from chronos.wire.booking import AnyAttempt
from chronos.wire.receipt import Receipt
from tests.builders import NOW, MemoryBank


class FakeJournal:
    """A journal in memory: one attempt after the other, all of them lost with the process."""

    def __init__(self, bank: MemoryBank | None = None):
        self.bank = bank or MemoryBank.empty()
        self.is_down = False

    async def submit(self, attempt: AnyAttempt) -> Receipt:
        await self._answer_or_fail()
        return self.bank.commit((attempt,)).receipts[0]

    async def preview(self, attempt: AnyAttempt) -> Receipt:
        await self._answer_or_fail()
        found = self.bank.found_for((attempt,))
        fresh = replace(found, receipts={}, positions=(0,) * len(found.positions))
        return self.bank.keeper.book((attempt,), fresh).receipts[0]

    async def _answer_or_fail(self) -> None:
        await asyncio.sleep(0)
        if self.is_down:
            raise Unavailable("postgresql", "the fake is down")


@dataclass
class FakeHolds:
    """The index of expiries in a list, and a clock that the test sets."""

    now: datetime = NOW
    oldest_transaction: datetime | None = None
    placed: list[DueHold] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    rows_max: int = 3
    looked_at: int = 0

    def place(self, hold_id: str, expires_at: datetime) -> None:
        self.placed.append(DueHold(expires_at, HoldId(hold_id)))

    async def moment(self):
        return Moment(self.now, self.oldest_transaction)

    async def page(self, after, until):
        found = sorted(
            hold for hold in self.placed if after < hold and hold.expires_at <= until
        )
        rows = found[: self.rows_max]
        self.looked_at += len(rows)
        last = rows[-1] if len(rows) == self.rows_max else None
        return LookedAt([hold for hold in rows if hold.hold_id not in self.ended], last)

    async def next_after(self, instant):
        later = [hold.expires_at for hold in self.placed if hold.expires_at > instant]
        return Next(self.now, min(later, default=None))
