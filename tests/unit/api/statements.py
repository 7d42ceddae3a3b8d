"""A long account that is made line by line as it is read: a fake of the store's `Moments`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chronos.domain.chart import AccountKind
from chronos.store.moments import Lines, Mark, NotYetOpened, Period, StatementLine
from tests.builders import MemoryBank, attempt, open_account, transfer

BEGAN = datetime(2026, 3, 2, 23, 30, 0, 123456, tzinfo=UTC)
AMOUNT = 5


def stored_lines(*transfers) -> list[StatementLine]:
    """Lines of bob's account, as the core books these transfers."""
    bank = MemoryBank.empty()
    opened = [open_account("bank", kind=AccountKind.SETTLEMENT), open_account("bob")]
    bank.book([attempt(command, f"open-{n}") for n, command in enumerate(opened)])
    booked = bank.book([attempt(moved, f"move-{n}") for n, moved in enumerate(transfers)])
    return [
        StatementLine(
            row.version, row.position, row.recorded_at, row.amount, row.booked_after, row.body
        )
        for row in booked.event_rows
        if row.account_id == "bob"
    ]


class LongAccount:
    """Has so many lines, each of `AMOUNT`; breaks where it is told to."""

    def __init__(self, lines: int = 0, *, metadata: dict[str, str] | None = None):
        self.closing = lines + 1
        self.readings = 0
        self.breaks_at: int | None = None
        self.fault: Exception | None = None
        moved = transfer("bank", "bob", AMOUNT, metadata=metadata or {})
        (self.body,) = (line.body for line in stored_lines(moved))

    async def period(self, account_id, *, since, until):
        if account_id == "nobody":
            return None
        if account_id == "unborn":
            return NotYetOpened(opened_at=BEGAN)
        return Period(
            account_id=account_id,
            currency="EUR",
            since=since or BEGAN,
            until=until or BEGAN + timedelta(days=1),
            is_final=True,
            opening=Mark(0, 0),
            closing=Mark(self.closing, AMOUNT * (self.closing - 1)),
        )

    async def lines(self, period, *, after, limit, bytes_max):
        self.readings += 1
        if self.breaks_at is not None and after >= self.breaks_at:
            raise self.fault
        first = max(after, 1) + 1
        most = min(limit, -(-bytes_max // len(self.body)))
        versions = range(first, min(first + most, period.closing.version + 1))
        rows = tuple(
            StatementLine(v, 2 * v, BEGAN, AMOUNT, AMOUNT * (v - 1), self.body)
            for v in versions
        )
        return Lines(rows, versions[-1] if versions else period.closing.version)
