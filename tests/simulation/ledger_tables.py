"""The journal's tables in memory: what commands read, and the unique keys of their rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg

from chronos.domain.chart import AccountKind
from chronos.wire.booking import AccountRow, EventRow, ReceiptRow

UniqueKey = tuple[Any, ...]
_ENDS = ("HoldCaptured", "HoldVoided", "HoldExpired")


class LedgerTables:
    """`accounts`, `events` and `receipts`, as they are committed."""

    def __init__(self) -> None:
        self.accounts: dict[str, AccountRow] = {}
        self.events: dict[str, list[EventRow]] = {}
        self.receipts: dict[tuple[str, str], ReceiptRow] = {}
        self.legs: dict[str, list[EventRow]] = {}
        self._external: dict[str, str] = {}
        self._reversals: dict[str, str] = {}
        self._placed: dict[str, EventRow] = {}
        self._ended: dict[str, EventRow] = {}
        self.keys: set[UniqueKey] = set()

    def every_event(self) -> Iterable[EventRow]:
        return (row for rows in self.events.values() for row in rows)

    def event(self, account_id: str, version: int) -> EventRow | None:
        rows = self.events.get(account_id, ())
        return rows[version - 1] if 0 < version <= len(rows) else None

    def take(
        self,
        accounts: Sequence[AccountRow],
        events: Sequence[EventRow],
        receipts: Sequence[ReceiptRow],
    ) -> None:
        """Makes rows part of what everybody sees; their keys were asked before."""
        self.keys.update(unique_keys(accounts, events, receipts))
        for account in accounts:
            self.accounts[account.account_id] = account
            if account.external_id is not None:
                self._external[account.external_id] = account.account_id
        for row in events:
            self.events.setdefault(row.account_id, []).append(row)
            if row.transfer_id is not None:
                self._take_leg(row, row.transfer_id)
            if row.hold_id is not None:
                of_hold = self._placed if row.type == "HoldPlaced" else self._ended
                of_hold[row.hold_id] = row
        for receipt in receipts:
            self.receipts[receipt.principal, receipt.idempotency_key] = receipt

    def _take_leg(self, row: EventRow, transfer_id: str) -> None:
        self.legs.setdefault(transfer_id, []).append(row)
        if row.reverses_transfer_id is not None:
            self._reversals[row.reverses_transfer_id] = transfer_id

    def found(self, wanted: Sequence[Any]) -> dict[str, Any]:
        """Answers READ_FOUND, but for what a sequence or a clock says."""
        accounts, transfers, external_ids, principals, keys, holds, entries, unmet = wanted
        named = zip(principals, keys, strict=True)
        return {
            "heads": [self._head(name) for name in accounts if name in self.accounts],
            "transfers": [name for name in transfers if name in self.legs],
            "external_ids": [
                (name, self._external[name]) for name in external_ids if name in self._external
            ],
            "receipts": [self.receipts[key][:5] for key in named if key in self.receipts],
            "holds": [self._hold(name) for name in holds if name in self._placed],
            "entries": [
                posting for name in sorted(entries) for posting in self._postings(name)
            ],
            "identities": [self._identity(name) for name in unmet if name in self.accounts],
        }

    def referred(self, wanted: Sequence[Any]) -> dict[str, Any]:
        """Answers READ_REFERENCES."""
        entries, holds, accounts, currencies = wanted
        known = [(n, self.accounts[n].currency) for n in accounts if n in self.accounts]
        kept = dict.fromkeys([currency for _, currency in known] + list(currencies))
        positions = [(currency, self._position(currency)) for currency in kept]
        return {
            "postings": [
                (name, row.account_id)
                for name in sorted(entries)
                for row in sorted(self.legs.get(name, ()), key=lambda row: row.leg or 0)
            ],
            "holds": [(n, self._placed[n].account_id) for n in holds if n in self._placed],
            "accounts": known,
            "positions": [(currency, name) for currency, name in positions if name is not None],
        }

    def _position(self, currency: str) -> str | None:
        found = [
            (self.events[row.account_id][-1].status_after != 0, row.opened_at, row.account_id)
            for row in self.accounts.values()
            if row.kind == AccountKind.POSITION and row.currency == currency
        ]
        return min(found)[2] if found else None

    def _head(self, name: str) -> tuple[Any, ...]:
        last = self.events[name][-1]
        return (
            name,
            last.version,
            last.booked_after,
            last.held_after,
            last.overdraft_limit_after,
            last.status_after,
            last.open_holds_after,
            last.hash,
            last.recorded_at,
        )

    def _identity(self, name: str) -> tuple[Any, ...]:
        account = self.accounts[name]
        return name, account.currency, account.kind, account.opened_at, account.opened_on

    def _hold(self, name: str) -> tuple[bytes, str | None]:
        ended = self._ended.get(name)
        return self._placed[name].body, None if ended is None else ended.type

    def _postings(self, name: str) -> list[tuple[Any, ...]]:
        return [
            (
                name,
                row.account_id,
                row.amount,
                row.currency,
                row.reverses_transfer_id,
                self._reversals.get(name),
            )
            for row in sorted(self.legs.get(name, ()), key=lambda row: row.leg or 0)
        ]


def unique_keys(
    accounts: Sequence[AccountRow],
    events: Sequence[EventRow],
    receipts: Sequence[ReceiptRow],
) -> list[UniqueKey]:
    """The unique keys that rows take, as the migrations declare them."""
    keys: list[UniqueKey] = []
    for account in accounts:
        keys.append(("accounts_pkey", account.account_id))
        if account.external_id is not None:
            keys.append(("accounts_external_id", account.external_id))
    for row in events:
        keys.append(("events_account_version", row.account_id, row.version))
        keys.append(("events_position", row.position))
        if row.transfer_id is not None:
            keys.append(("events_transfer_leg", row.transfer_id, row.leg))
        if row.reverses_transfer_id is not None:
            keys.append(("events_reversal_leg", row.reverses_transfer_id, row.leg))
        if row.type == "HoldPlaced":
            keys.append(("events_hold_placed", row.hold_id))
        elif row.type in _ENDS:
            keys.append(("events_hold_ended", row.hold_id))
    keys.extend(
        ("receipts_pkey", receipt.principal, receipt.idempotency_key) for receipt in receipts
    )
    return keys


def check_zero_sum(events: Sequence[EventRow]) -> None:
    """Does what the trigger on `events` does."""
    sums: Counter[tuple[str, str]] = defaultdict(int)  # type: ignore[assignment]
    for row in events:
        if row.transfer_id is not None and row.amount is not None:
            sums[row.transfer_id, row.currency] += row.amount
    for (transfer_id, currency), left in sums.items():
        if left:
            raise asyncpg.CheckViolationError(
                f"transfer {transfer_id} does not sum to zero in {currency}: {left} left over"
            )
