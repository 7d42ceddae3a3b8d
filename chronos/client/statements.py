"""Statements: what moved money on an account, between its opening and closing balance."""

from __future__ import annotations

from datetime import date

import msgspec

from chronos.client.pages import Page


class StatementLine(msgspec.Struct, frozen=True, kw_only=True):
    """One event that moved money; `amount` is its signed effect on the booked balance."""

    version: int
    position: int
    type: str
    recorded_at: str
    booking_date: date
    value_date: date
    transfer_id: str
    counterparty: str | None
    description: str | None
    external_id: str | None
    reverses_transfer_id: str | None
    metadata: dict[str, str]
    amount: int
    booked_after: int


class StatementPage(Page[StatementLine], frozen=True, kw_only=True):
    """A page of a statement; the balances are those of the whole, whichever page it is."""

    data: tuple[StatementLine, ...] = msgspec.field(name="lines")
    account: str
    currency: str
    time_zone: str
    since: str = msgspec.field(name="from")
    until: str = msgspec.field(name="to")
    final: bool
    """False while a line may still come between."""
    opening_balance: int
    opening_version: int
    closing_balance: int
    closing_version: int
