"""Rehearses rows: each batch is run dry, on what the rows before it would have left.

A dry run writes nothing, so a batch knows nothing of the batches before it. Therefore it begins
with commands that lead its accounts to where those would have left them: the openings that were
granted, and one transfer for each account that money was granted to or from. Their own answers
do not matter.

What a rehearsal cannot tell is what others will have done to the bank by then. It remembers a
bounded number of accounts; a refusal of a row of one that it forgot is no decision.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from chronos.client.ledger_client import LedgerClient
from chronos.clock import IdSource
from chronos.domain.chart import AccountKind
from chronos.intake.outcome import Judged, Outcome
from chronos.intake.rows import Command, Row
from chronos.intake.sending import Answered, execute, judge, judged
from chronos.wire.batch import OpenAccountItem, TransferItem

ACCOUNTS_MAX: Final = 200_000


class Rehearsal:
    """Runs rows dry, batch by batch.

    Args:
        client: Speaks to the bank.
        ids: Makes the names of what only a rehearsal needs.
        accounts_max: How many accounts it remembers.
    """

    def __init__(
        self, client: LedgerClient, ids: IdSource, *, accounts_max: int = ACCOUNTS_MAX
    ) -> None:
        self._client = client
        self._ids = ids
        self._accounts_max = accounts_max
        self._opened: dict[str, OpenAccountItem] = {}
        self._moved: dict[str, tuple[str, int]] = {}
        self._has_forgotten = False

    async def send(self, rows: Sequence[Row]) -> list[Judged]:
        """Decides rows in their order, and gives what would come of each.

        Raises:
            Refused: The API key may not do this.
            DeadlineExceeded: The bank does not answer.
        """
        before = list(self._led_to(rows))
        commands = [*before, *(row.command for row in rows)]
        answers = await execute(self._client, commands, dry_run=True)
        decided = self._compared(rows, answers[len(before) :])
        verdicts = await judge(self._client, rows, decided)
        for row, verdict in zip(rows, verdicts, strict=True):
            if verdict.outcome is Outcome.DONE:
                self._remember(row)
        return [self._doubted(row, one) for row, one in zip(rows, verdicts, strict=True)]

    def remember(self, command: OpenAccountItem) -> None:
        """Remembers an account that would have been opened beside the rows."""
        self._opened[str(command.id)] = command

    def _led_to(self, rows: Sequence[Row]) -> Iterator[Command]:
        names = dict.fromkeys(name for row in rows for name in row.effects)
        for name in names:
            if name in self._opened:
                yield self._opened[name]
        moved = {name: self._moved[name] for name in names if name in self._moved}
        currencies = dict.fromkeys(currency for currency, _ in moved.values())
        others = {currency: self._ids.new_id("rehearsal:") for currency in currencies}
        for currency, other in others.items():
            yield OpenAccountItem(id=other, currency=currency, kind=AccountKind.SETTLEMENT)
        for name, (currency, amount) in moved.items():
            if amount:
                source, destination = others[currency], name
                if amount < 0:
                    source, destination = destination, source
                yield TransferItem(
                    source=source,
                    destination=destination,
                    amount=abs(amount),
                    currency=currency,
                )

    def _compared(self, rows: Sequence[Row], answers: Sequence[Answered]) -> list[Answered]:
        """Takes a row for the replay that it would be, when the same row was granted before."""
        granted: set[str] = set()
        compared = []
        for row, answer in zip(rows, answers, strict=True):
            command, one = row.command, answer
            is_opened = (
                isinstance(command, OpenAccountItem)
                and self._opened.get(str(command.id)) == command
            )
            if is_opened or row.key in granted:
                one = Answered(refusal=None, replayed=True)
            elif answer.refusal is None:
                granted.add(row.key)
            compared.append(one)
        return compared

    def _remember(self, row: Row) -> None:
        if isinstance(row.command, OpenAccountItem):
            if self._has_room(self._opened):
                self._opened[str(row.command.id)] = row.command
            return
        for name, amount in row.effects.items():
            _, before = self._moved.get(name, (row.currency, 0))
            if name in self._moved or self._has_room(self._moved):
                self._moved[name] = (row.currency, before + amount)

    def _has_room(
        self, remembered: dict[str, OpenAccountItem] | dict[str, tuple[str, int]]
    ) -> bool:
        has_room = len(remembered) < self._accounts_max
        self._has_forgotten |= not has_room
        return has_room

    def _doubted(self, row: Row, verdict: Judged) -> Judged:
        if verdict.outcome is not Outcome.REFUSED or not self._has_forgotten:
            return verdict
        if all(name in self._opened or name in self._moved for name in row.effects):
            return verdict
        return judged(row, Outcome.UNDECIDED, code=verdict.code, detail=verdict.detail)
