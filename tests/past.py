"""A journal that began long ago: what the core books at instants of a test's choice."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any

import asyncpg

from chronos.domain.commands import Command
from chronos.wire.booking import AccountRow, EventRow
from tests.builders import MemoryBank, attempt


class Past:
    """Books commands at instants of the test's choice, each batch one transaction."""

    def __init__(self, owner: asyncpg.Connection):
        self._owner = owner
        self._numbers = count(1)
        self.bank = MemoryBank.empty()
        self.events: list[EventRow] = []

    async def book(self, now: datetime, *commands: Command) -> tuple[EventRow, ...]:
        """Books a batch of commands at an instant and gives its events."""
        self.bank.state = replace(self.bank.state, now=now)
        attempts = [attempt(command, f"past-{next(self._numbers)}") for command in commands]
        booked = self.bank.book(attempts)
        assert {receipt.status for receipt in booked.receipts} <= {200, 201}
        await self._insert("accounts", AccountRow._fields, booked.account_rows)
        await self._insert("events", EventRow._fields, booked.event_rows)
        self.events += booked.event_rows
        return booked.event_rows

    def of(self, account_id: str) -> list[EventRow]:
        """Gives the events of an account in order."""
        return [row for row in self.events if row.account_id == account_id]

    async def _insert(self, table: str, columns: tuple[str, ...], rows: Any) -> None:
        await self._owner.copy_records_to_table(table, records=rows, columns=columns)
