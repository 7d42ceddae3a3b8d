"""Balances, entries and whole banks for the mirror's tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import msgspec

from chronos.domain.chart import AccountKind
from chronos.domain.commands import Command
from chronos.domain.ids import AccountId, TransferId
from chronos.mirror.entries import Entry
from chronos.wire.balance import Balance, OpenHold, fold
from chronos.wire.booking import OutboxRow
from chronos.wire.codec import decode_event
from chronos.wire.topics import Names
from tests.builders import MemoryBank, attempt, bookkeeper, found, open_account, transfer

INSTANT = "2026-03-02T12:00:00.123456Z"


def balance(account_id: str = "alice", version: int = 1, **changes: Any) -> Balance:
    value = Balance(
        account_id=account_id,
        currency="EUR",
        kind=AccountKind.CUSTOMER,
        version=version,
        booked=100 * version,
        held=0,
        overdraft_limit=0,
        status="open",
        holds=(),
        hash=f"{version:064x}",
        event_id=f"00000000-0000-7000-8000-{version:012x}",
        position=version,
        recorded_at=INSTANT,
        opened_at=INSTANT,
        opened_on=date(2026, 3, 2),
        external_id=None,
        metadata={},
    )
    return msgspec.structs.replace(value, **changes)


def rich_balance() -> Balance:
    return balance(
        version=2**53 - 1,
        booked=-(2**53 - 1),
        held=2**53 - 1,
        overdraft_limit=None,
        status="frozen_debits",
        holds=(OpenHold(id="hld_1", amount=3, expires_at=None),),
        external_id="null",
        metadata={"a.b": "1", "name": "Zoë ☃", "": "x", "empty": ""},
    )


@dataclass
class Bank:
    """Books transfers, and keeps what Kafka would carry and what each balance should be."""

    names: Names
    rows: list[OutboxRow] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    balances: dict[str, Balance] = field(default_factory=dict)
    _transfers: int = 0

    def __post_init__(self) -> None:
        self._bank = MemoryBank(keeper=bookkeeper(names=self.names), state=found())
        self._book(
            attempt(open_account("world", kind=AccountKind.SETTLEMENT), key="open world")
        )

    def open(self, *account_ids: str, **changes: Any) -> None:
        for account_id in account_ids:
            self._book(attempt(open_account(account_id, **changes), key=f"open {account_id}"))

    def pay(self, account_id: str, amount: int = 5, **changes: Any) -> None:
        self._transfers += 1
        number = f"trf_{self._transfers}"
        command = transfer(
            "world", account_id, amount, transfer_id=TransferId(number), **changes
        )
        self._book(attempt(command, key=number))

    def do(self, command: Command, *, key: str, also: tuple[AccountId, ...] = ()) -> None:
        """Does a command; `also` are the accounts that it only refers to."""
        self._book(attempt(command, key=key, also=also))

    def _book(self, one: Any) -> None:
        booked = self._bank.book([one])
        self.rows.extend(row for row in booked.outbox_rows if row.topic == self.names.events)
        for event in booked.event_rows:
            recorded = decode_event(event.body)
            before = self.balances.get(event.account_id)
            self.balances[event.account_id] = fold(before, recorded, event.body, event.hash)
            self.entries.append(
                Entry(
                    event_id=recorded.event_id,
                    account_id=event.account_id,
                    version=event.version,
                    recorded_at=recorded.recorded_at,
                    body=event.body,
                    digest=event.hash,
                )
            )
