"""Brings one file in: reads its rows, sends them in batches, and tells what came of each.

Phases, again and again until the file ends: read rows until a batch is full; make sure that the
accounts on the other side of its opening balances are there; send it; judge its rows. One batch
is under way at a time, because a row may build on every row before it. Memory is bounded by one
batch, and by what `Naming` and `Rehearsal` remember.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import msgspec

from chronos.client.codes import Code
from chronos.client.ledger_client import LedgerClient
from chronos.client.refusals import Refused
from chronos.clock import Clock, IdSource
from chronos.domain.chart import AccountKind
from chronos.domain.checks import VALUE_DATE_BACK_MAX
from chronos.intake.files import Said, Unreadable
from chronos.intake.outcome import Judged, Outcome, Tally
from chronos.intake.rehearsal import Rehearsal
from chronos.intake.rows import Nothing, Reading, Row
from chronos.intake.sending import Sender
from chronos.wire.batch import COMMANDS_MAX, OpenAccountItem

BATCH_ROWS_MAX: Final = 500
BATCH_BYTES_MAX: Final = 1 << 20
_REHEARSED_MAX: Final = COMMANDS_MAX - 50
"""Leaves room for what a rehearsal opens in each currency."""
# The bank's day may be a day ahead of UTC's.
_OPENED_BEFORE: Final = VALUE_DATE_BACK_MAX - timedelta(days=2)

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True, kw_only=True)
class _Batch:
    is_rehearsed: bool
    rows: list[Row] = field(default_factory=list)
    size_bytes: int = 0
    accounts: set[str] = field(default_factory=set)

    def add(self, row: Row) -> bool:
        """Takes a row in, unless it is full: False then."""
        size_bytes = self.size_bytes + len(_encode(row.command))
        if self.rows and (len(self.rows) >= BATCH_ROWS_MAX or size_bytes > BATCH_BYTES_MAX):
            return False
        if self.is_rehearsed:
            accounts = self.accounts.union(row.effects)
            if self.rows and len(self.rows) + 1 + 2 * len(accounts) > _REHEARSED_MAX:
                return False
            self.accounts = accounts
        self.rows.append(row)
        self.size_bytes = size_bytes
        return True


class Intake:
    """Brings rows in through one client.

    Args:
        client: Speaks to the bank.
        reading: Says how rows are read.
        clock: Says how long ago an account on the other side may be opened.
        ids: Makes new keys.
        dry_run: Decide only, write nothing.
    """

    def __init__(
        self,
        client: LedgerClient,
        reading: Reading,
        *,
        clock: Clock,
        ids: IdSource,
        dry_run: bool,
    ) -> None:
        self._client = client
        self._reading = reading
        self._clock = clock
        self._dry_run = dry_run
        self._rehearsal = Rehearsal(client, ids)
        self._sender = Sender(client, ids)
        self._others: set[str] = set()

    async def bring_in(
        self, said: Iterator[Said | Unreadable], tell: Callable[[Judged], None]
    ) -> Tally:
        """Brings all rows in, and tells what comes of each.

        Args:
            said: The rows of the file.
            tell: Called with each row once it is judged.

        Raises:
            UnusableFile: The file cannot be read any further.
            Refused: The API key may not do this.
            DeadlineExceeded: The bank does not answer; bring the same file in again.
        """
        tally = Tally(is_dry_run=self._dry_run)

        def note(judged: Judged) -> None:
            tally.add(judged)
            tell(judged)

        batch = _Batch(is_rehearsed=self._dry_run)
        for one in said:
            row = one if isinstance(one, Unreadable) else self._reading.row(one)
            if not isinstance(row, Row):
                note(_judged(row))
                continue
            if not batch.add(row):
                await self._send(batch, note)
                batch = _Batch(is_rehearsed=self._dry_run)
                batch.add(row)
        await self._send(batch, note)
        return tally

    async def _send(self, batch: _Batch, note: Callable[[Judged], None]) -> None:
        if not batch.rows:
            return
        for currency in {row.currency for row in batch.rows if row.type == "balance"}:
            await self._ensure_other_side(currency)
        send = self._rehearsal.send if self._dry_run else self._sender.send
        for judged in await send(batch.rows):
            note(judged)

    async def _ensure_other_side(self, currency: str) -> None:
        """Opens the account on the other side of opening balances, if nobody has.

        Raises:
            Refused: It cannot be opened.
        """
        name = self._reading.against(currency)
        if name in self._others:
            return
        try:
            await self._client.accounts.read(name)
        except Refused as refused:
            if refused.code != Code.ACCOUNT_NOT_FOUND:
                raise
            await self._open_other_side(name, currency)
        self._others.add(name)

    async def _open_other_side(self, name: str, currency: str) -> None:
        # As early as can be: a balance may be valued on any day that the bank still takes.
        opened_on = self._clock.now().date() - _OPENED_BEFORE
        if self._dry_run:
            self._rehearsal.remember(
                OpenAccountItem(
                    id=name, currency=currency, kind=AccountKind.EQUITY, opened_on=opened_on
                )
            )
            return
        try:
            await self._client.accounts.open(
                name, currency=currency, kind=AccountKind.EQUITY, opened_on=opened_on
            )
        except Refused as refused:
            if refused.code != Code.ACCOUNT_EXISTS:
                raise


def _judged(row: Unreadable | Nothing) -> Judged:
    if isinstance(row, Nothing):
        return Judged(line=row.line, outcome=Outcome.NOTHING, type=row.type)
    return Judged(line=row.line, outcome=Outcome.UNREADABLE, code=row.code, detail=row.detail)
