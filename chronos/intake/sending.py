"""Sends rows in batches, each under its own key, and tells what came of each.

A key answers for ever what it answered first, a refusal too. So a row that was refused in an
earlier run, and the refused ones behind it, are sent once more under new keys: what made them
fail may be mended. That is safe because every row has an id of its own: nothing can be booked
twice, whatever its key. A row whose id is taken is compared with what the bank has by that id.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from chronos.client.answers import Problem
from chronos.client.codes import Code
from chronos.client.ledger_client import LedgerClient
from chronos.client.refusals import Refused
from chronos.clock import IdSource
from chronos.intake.outcome import Judged, Outcome
from chronos.intake.rows import Command, Row
from chronos.wire.batch import EntriesItem, OpenAccountItem, TransferItem

READS_AT_ONCE: Final = 16
_TAKEN: Final = frozenset({Code.ACCOUNT_EXISTS, Code.TRANSFER_EXISTS})
_ABOUT_ROWS: Final = frozenset({400, 413, 422})
"""Statuses of a batch that cannot be read because of what is in it."""
_PLACE = re.compile(r"/commands/([0-9]{1,6})(?:/|\Z)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the bank said to one command."""

    refusal: Problem | None
    replayed: bool


class Sender:
    """Sends rows to the bank.

    Args:
        client: Speaks to it.
        ids: Makes new keys for rows that were refused before.
    """

    def __init__(self, client: LedgerClient, ids: IdSource) -> None:
        self._client = client
        self._ids = ids

    async def send(self, rows: Sequence[Row]) -> list[Judged]:
        """Sends rows in their order, and gives what came of each.

        Raises:
            Refused: The API key may not do this.
            DeadlineExceeded: The bank does not answer; bring the same file in again.
        """
        answers = await execute(self._client, [_keyed(row, row.key) for row in rows])
        old = [number for number, one in enumerate(answers) if one.refusal and one.replayed]
        if old:
            again = [n for n in range(old[0], len(rows)) if answers[n].refusal is not None]
            fresh = [_keyed(rows[n], self._ids.new_id("import:")) for n in again]
            for number, one in zip(again, await execute(self._client, fresh), strict=True):
                answers[number] = one
        return await judge(self._client, rows, answers)


async def execute(
    client: LedgerClient, commands: Sequence[Command], *, dry_run: bool = False
) -> list[Answered]:
    """Executes commands as one batch.

    Each was held against the API's own shapes, but a server of another version may find the
    batch unreadable: what it names is left out then, or the batch is halved.

    Raises:
        Refused: The API key may not do this, or the server knows no batches.
        DeadlineExceeded: The bank does not answer.
    """
    if not commands:
        return []
    try:
        done = await client.batches.run(list(commands), dry_run=dry_run)
    except Refused as refused:
        if refused.status not in _ABOUT_ROWS:
            raise
        if len(commands) == 1:
            return [Answered(refusal=refused.problem, replayed=False)]
        return await _execute_parts(client, commands, refused.problem, dry_run=dry_run)
    return [Answered(refusal=one.refusal, replayed=one.replayed) for one in done.results]


async def _execute_parts(
    client: LedgerClient, commands: Sequence[Command], problem: Problem, *, dry_run: bool
) -> list[Answered]:
    named = {number: error for number, error in _named(problem) if number < len(commands)}
    if not named:
        middle = len(commands) // 2
        return [
            *await execute(client, commands[:middle], dry_run=dry_run),
            *await execute(client, commands[middle:], dry_run=dry_run),
        ]
    others = [one for number, one in enumerate(commands) if number not in named]
    answers = iter(await execute(client, others, dry_run=dry_run))
    return [
        Answered(refusal=named[number], replayed=False) if number in named else next(answers)
        for number in range(len(commands))
    ]


def _named(problem: Problem) -> Iterator[tuple[int, Problem]]:
    """Yields the places of the commands that a problem speaks of, each with its own."""
    for error in problem.errors:
        if place := _PLACE.match(error.pointer):
            one = Problem(status=problem.status, code=error.code, detail=error.detail)
            yield int(place[1]), one


async def judge(
    client: LedgerClient, rows: Sequence[Row], answers: Sequence[Answered]
) -> list[Judged]:
    """Tells what came of each row; reads what the bank has where an id is taken."""
    turn = asyncio.Semaphore(READS_AT_ONCE)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_judged(client, row, answer, turn))
            for row, answer in zip(rows, answers, strict=True)
        ]
    return [task.result() for task in tasks]


async def _judged(
    client: LedgerClient, row: Row, answer: Answered, turn: asyncio.Semaphore
) -> Judged:
    refusal = answer.refusal
    if refusal is None:
        return judged(row, Outcome.THERE if answer.replayed else Outcome.DONE)
    if refusal.code not in _TAKEN:
        return judged(row, Outcome.REFUSED, code=refusal.code, detail=refusal.detail)
    async with turn:
        other = await _difference(client, row.command)
    if other is None:
        return judged(row, Outcome.THERE)
    detail = f"{refusal.detail} {other}".rstrip()
    return judged(row, Outcome.REFUSED, code=refusal.code, detail=detail)


def judged(
    row: Row, outcome: Outcome, *, code: str | None = None, detail: str | None = None
) -> Judged:
    """Says what came of a row."""
    return Judged(
        line=row.line,
        outcome=outcome,
        type=row.type,
        id=row.command.id,
        key=row.key,
        code=code,
        detail=detail,
    )


async def _difference(client: LedgerClient, command: Command) -> str | None:
    """Tells how what the bank has by a command's id differs; None when it is the same.

    Empty when the bank has nothing by it, in a dry run.
    """
    name = command.id or ""
    try:
        if isinstance(command, OpenAccountItem):
            account = await client.accounts.read(name)
            pairs = _account_pairs(
                command,
                account.currency,
                account.kind,
                account.external_id,
                str(account.opened_on),
            )
        else:
            entry = await client.transfers.read(name)
            said = {one.account: one.amount for one in entry.postings}
            currency = entry.postings[0].currency
            pairs = _entry_pairs(command, said, currency, str(entry.value_date))
    except Refused:
        return ""
    for what, wanted, has in pairs:
        if wanted is not None and wanted != has:
            return f"Its {what} is {has}, the row says {wanted}."
    return None


_Pairs = tuple[tuple[str, object, object], ...]


def _account_pairs(
    command: OpenAccountItem, currency: str, kind: str, external_id: str | None, opened_on: str
) -> _Pairs:
    day = None if command.opened_on is None else str(command.opened_on)
    return (
        ("currency", command.currency, currency),
        ("kind", command.kind.value, kind),
        ("external id", command.external_id, external_id),
        ("day of opening", day, opened_on),
    )


def _entry_pairs(
    command: TransferItem | EntriesItem, postings: dict[str, int], currency: str, day: str
) -> _Pairs:
    wanted = (
        {command.source: -command.amount, command.destination: command.amount}
        if isinstance(command, TransferItem)
        else {one.account: one.amount for one in command.postings}
    )
    value_date = None if command.value_date is None else str(command.value_date)
    return (
        ("currency", command.currency, currency),
        ("movement of money", wanted, postings),
        ("value date", value_date, day),
    )


def _keyed(row: Row, key: str) -> Command:
    return msgspec.structs.replace(row.command, idempotency_key=key)
