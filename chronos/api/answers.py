"""Shapes of the successful answers, for their encoding and for the OpenAPI document."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec


class Balances(msgspec.Struct, frozen=True, kw_only=True):
    """An account's balances after a command, in minor units."""

    version: int
    booked: int
    held: int
    available: int


class OpenedAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of an opened account."""

    id: str
    currency: str
    kind: str
    status: str
    overdraft_limit: int | None
    external_id: str | None
    metadata: dict[str, str]
    opened_at: str
    version: int
    booked: int
    held: int
    available: int
    position: int
    accounts: dict[str, Balances]


class BookedTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of a transfer."""

    id: str
    status: str
    position: int
    recorded_at: str
    value_date: date
    source: str = msgspec.field(name="from")
    destination: str = msgspec.field(name="to")
    amount: int
    currency: str
    description: str | None
    metadata: dict[str, str]
    reverses: str | None
    accounts: dict[str, Balances]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account as the journal has it now; amounts in minor units."""

    id: str
    currency: str
    kind: str
    status: str
    version: int
    booked: int
    held: int
    available: int
    overdraft_limit: int | None
    external_id: str | None
    metadata: dict[str, str]
    opened_at: str


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """An account's balances as the journal has them now; amounts in minor units."""

    account: str
    currency: str
    booked: int
    held: int
    available: int
    version: int
    as_of: str
    source: str = "journal"


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """How to go on reading a list: `next` is the `after` of the following page."""

    next: str | None
    has_more: bool


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """A page of an account's events, oldest first, each with its hash."""

    data: tuple[dict[str, Any], ...]
    page: Page


class TrialBalanceLine(msgspec.Struct, frozen=True, kw_only=True):
    """All accounts of one kind and currency; `booked` is signed, credit positive."""

    currency: str
    kind: str
    account_class: str = msgspec.field(name="class")
    normal_side: str
    accounts: int
    booked: int
    debit: int
    credit: int


class TrialBalance(msgspec.Struct, frozen=True, kw_only=True):
    """The bank's books in one snapshot; each total is zero."""

    at: str
    balanced: bool
    totals: dict[str, int]
    lines: tuple[TrialBalanceLine, ...]


class Currency(msgspec.Struct, frozen=True, kw_only=True):
    """One currency; the exponent is the number of decimal digits of its minor unit."""

    code: str
    exponent: int


class Currencies(msgspec.Struct, frozen=True, kw_only=True):
    """Every currency in use."""

    data: tuple[Currency, ...]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the process lives, or is ready for work."""

    status: str
