"""Fakes: each keeps the promises of its port, as the contract tests show, without a server."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from chronos.errors import Unavailable
from chronos.wire.booking import AnyAttempt
from chronos.wire.receipt import Receipt
from tests.builders import MemoryBank


class FakeJournal:
    """A journal in memory: one attempt after the other, all of them lost with the process."""

    def __init__(self, bank: MemoryBank | None = None):
        self.bank = bank or MemoryBank.empty()
        self.is_down = False

    async def submit(self, attempt: AnyAttempt) -> Receipt:
        await self._answer_or_fail()
        return self.bank.book((attempt,)).receipts[0]

    async def preview(self, attempt: AnyAttempt) -> Receipt:
        await self._answer_or_fail()
        fresh = replace(self.bank.state, receipts={}, positions=(0,) * 1000)
        return self.bank.keeper.book((attempt,), fresh).receipts[0]

    async def _answer_or_fail(self) -> None:
        await asyncio.sleep(0)
        if self.is_down:
            raise Unavailable("postgresql", "the fake is down")
