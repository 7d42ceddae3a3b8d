"""The checkers' own fold: from an event's type and its JSON body to balances and a hash.

Written from the description of the events, not from the code that makes them. It takes rows in
the order of accounts and versions and tells where a row, its body and the reckoning disagree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from chronos.chaos.readers.facts import Event, Journal

FLAWS_MAX = 200
_ENDS = ("HoldCaptured", "HoldVoided", "HoldExpired")
_STATUSES = {"AccountUnfrozen": 0, "AccountClosed": 3}
_SCOPES = {"debits": 1, "all": 2}
_SAME = (
    "account_id",
    "version",
    "position",
    "type",
    "transfer_id",
    "leg",
    "hold_id",
    "reverses_transfer_id",
    "currency",
    "amount",
    "booked_after",
    "held_after",
    "overdraft_limit_after",
    "status_after",
    "principal",
)
"""Columns that repeat a member of the body."""


class _Body(msgspec.Struct, kw_only=True):
    account_id: str
    version: int
    position: int
    event_id: str
    type: str
    recorded_at: datetime
    principal: str
    causation_id: str
    currency: str
    booked_after: int
    held_after: int
    available_after: int
    overdraft_limit_after: int | None
    status_after: int
    metadata: dict[str, str] = {}
    description: str | None = None
    external_id: str | None = None
    kind: str = ""
    transfer_id: str | None = None
    leg: int | None = None
    legs: int = 2
    amount: int | None = None
    reverses_transfer_id: str | None = None
    hold_id: str | None = None
    hold_amount: int = 0
    captured_amount: int = 0
    destination: str = ""
    expires_at: datetime | None = None
    scope: str = ""


_decode = msgspec.json.Decoder(_Body).decode


class Folder:
    """Folds rows into a journal, one account after the other."""

    def __init__(self, journal: Journal):
        self._journal = journal
        self._texts: dict[str, str] = {}
        self._hash = b""
        self._begin("")

    def take(self, row: Mapping[str, Any]) -> None:
        """Adds the next row; rows come by account and version."""
        account_id: str = row["account_id"]
        if account_id != self._account_id:
            self._begin(account_id)
        raw: bytes = row["body"]
        self._hash = hashlib.sha256(self._hash + raw).digest()
        if row["hash"] != self._hash:
            self._flaw(row, "its hash does not continue the account's chain")
        try:
            body = _decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._flaw(row, f"its body cannot be read: {error}")
            return
        self._compare(row, body)
        self._apply(row, body)
        self._check_after(row, body)
        self._events.append(self._event(row, body, raw))

    def _begin(self, account_id: str) -> None:
        self._account_id = account_id
        self._hash = b""
        self._booked = self._held = self._status = 0
        self._limit: int | None = None
        self._kind = ""
        self._holds: dict[str, _Body] = {}
        self._recorded_at: datetime | None = None
        self._events: list[Event] = []
        if account_id:
            self._journal.accounts[account_id] = self._events

    def _flaw(self, row: Mapping[str, Any], what: str) -> None:
        self._journal.flaws_count += 1
        if len(self._journal.flaws) < FLAWS_MAX:
            place = f"{row['account_id']} version {row['version']} ({row['type']})"
            self._journal.flaws.append(f"{place}: {what}")

    def _compare(self, row: Mapping[str, Any], body: _Body) -> None:
        told = msgspec.structs.asdict(body)
        for name in _SAME:
            if row[name] != told[name] and not _is_column_free(body, name):
                self._flaw(row, f"{name} is {row[name]}, in the body {told[name]}")
        if str(row["event_id"]) != body.event_id:
            self._flaw(row, f"event_id is {row['event_id']}, in the body {body.event_id}")
        if self._recorded_at is not None and body.recorded_at < self._recorded_at:
            self._flaw(row, f"recorded_at goes back from {self._recorded_at}")
        self._recorded_at = body.recorded_at

    def _apply(self, row: Mapping[str, Any], body: _Body) -> None:
        kind = body.type
        if kind in ("MoneyWithdrawn", "MoneyDeposited"):
            amount = body.amount or 0
            if amount == 0 or (amount < 0) != (kind == "MoneyWithdrawn"):
                self._flaw(row, f"moves {body.amount}")
            self._booked += amount
        elif kind == "HoldPlaced":
            self._place(row, body)
        elif kind in _ENDS:
            self._end(row, body)
        else:
            self._administer(row, body)

    def _administer(self, row: Mapping[str, Any], body: _Body) -> None:
        kind = body.type
        if kind in ("AccountOpened", "OverdraftLimitSet"):
            self._limit = body.overdraft_limit_after
            self._kind = self._same(body.kind) or self._kind
        elif kind == "AccountFrozen":
            self._status = _SCOPES.get(body.scope, -1)
        elif kind in _STATUSES:
            self._status = _STATUSES[kind]
        elif kind != "AccountAnnotated":
            self._flaw(row, "is no type of event that these checkers know")

    def _place(self, row: Mapping[str, Any], body: _Body) -> None:
        hold_id = body.hold_id or ""
        if body.hold_amount <= 0 or hold_id in self._holds:
            self._flaw(
                row, f"places hold {hold_id} of {body.hold_amount}, open or not positive"
            )
        self._holds[hold_id] = body
        self._held += body.hold_amount

    def _end(self, row: Mapping[str, Any], body: _Body) -> None:
        placed = self._holds.pop(body.hold_id or "", None)
        if placed is None or placed.hold_amount != body.hold_amount:
            self._flaw(row, f"ends hold {body.hold_id}, which is not open with this amount")
            return
        self._held -= placed.hold_amount
        if body.type == "HoldCaptured" and not 0 < body.captured_amount <= body.hold_amount:
            self._flaw(row, f"captures {body.captured_amount} of a hold of {body.hold_amount}")
        if body.type == "HoldExpired" and (
            placed.expires_at is None or placed.expires_at > body.recorded_at
        ):
            self._flaw(row, f"expires hold {body.hold_id}, which ends at {placed.expires_at}")

    def _check_after(self, row: Mapping[str, Any], body: _Body) -> None:
        available = self._booked - self._held + (self._limit or 0)
        reckoned = (self._booked, self._held, available, self._limit, self._status)
        told = (
            body.booked_after,
            body.held_after,
            body.available_after,
            body.overdraft_limit_after,
            body.status_after,
        )
        if reckoned != told:
            self._flaw(
                row,
                "booked, held, available, limit and status are "
                f"{told} in the body, {reckoned} by its events",
            )

    def _event(self, row: Mapping[str, Any], body: _Body, raw: bytes) -> Event:
        same = self._same
        return Event(
            account_id=self._account_id,
            version=row["version"],
            position=row["position"],
            event_id=row["event_id"].bytes,
            type=same(body.type),
            currency=same(body.currency),
            principal=same(body.principal),
            key=same(body.causation_id),
            digest=hashlib.sha256(raw).digest(),
            hash=self._hash,
            booked=self._booked,
            held=self._held,
            overdraft_limit=self._limit,
            kind=self._kind,
            note=same(note_of(body.description, body.metadata, body.external_id)),
            amount=body.amount or 0,
            transfer_id=same(body.transfer_id or ""),
            leg=body.leg or 0,
            legs=body.legs if body.amount is not None else 0,
            reverses=same(body.reverses_transfer_id or ""),
            hold_id=same(body.hold_id or ""),
            hold_amount=body.hold_amount,
            captured_amount=body.captured_amount,
            destination=same(body.destination),
        )

    def _same(self, text: str) -> str:
        """Gives one object for equal texts: both legs of a transfer have the same names."""
        return self._texts.setdefault(text, text)


def note_of(
    description: str | None, metadata: Mapping[str, str] | None, external_id: str | None
) -> str:
    """Writes what a sender said on an event as one text; empty for nothing."""
    if not (description or metadata or external_id):
        return ""
    return f"{description!r} {sorted((metadata or {}).items())} {external_id!r}"


def _is_column_free(body: _Body, name: str) -> bool:
    # The movement of a capture is told by its own events; this one only names it.
    return body.type == "HoldCaptured" and name == "transfer_id"
