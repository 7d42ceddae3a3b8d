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
    opened_on: date
    version: int
    booked: int
    held: int
    available: int
    position: int
    accounts: dict[str, Balances]


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """One posting; the amount is signed, in minor units."""

    account: str
    amount: int
    currency: str


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
    external_id: str | None
    description: str | None
    metadata: dict[str, str]
    reverses: str | None
    accounts: dict[str, Balances]


class BookedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Any journal entry: a transfer, an entry, an exchange, a reversal, a capture's movement.

    `from`, `to`, `amount` and `currency` are null where there is more than one withdrawal and
    one deposit in one currency; `postings` always tells all.
    """

    id: str
    status: str
    position: int
    recorded_at: str
    value_date: date
    source: str | None = msgspec.field(name="from")
    destination: str | None = msgspec.field(name="to")
    amount: int | None
    currency: str | None
    external_id: str | None
    description: str | None
    metadata: dict[str, str]
    reverses: str | None
    postings: tuple[Posting, ...]
    accounts: dict[str, Balances]


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A hold; the members about its end are null while it is open."""

    id: str
    status: str
    """open, captured, voided or expired."""
    account: str
    amount: int
    currency: str
    expires_at: str | None
    description: str | None
    metadata: dict[str, str]
    placed_at: str
    recorded_at: str
    """Of its newest event."""
    captured_amount: int | None
    destination: str | None = msgspec.field(name="to")
    transfer_id: str | None
    ended_at: str | None


class PlacedHold(Hold, frozen=True, kw_only=True):
    """The receipt of a new hold."""

    position: int
    accounts: dict[str, Balances]


class EndedHold(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of a capture or a void."""

    id: str
    status: str
    account: str
    amount: int
    currency: str
    recorded_at: str
    captured_amount: int | None
    destination: str | None = msgspec.field(name="to")
    transfer_id: str | None
    ended_at: str
    position: int
    accounts: dict[str, Balances]


class ChangedAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of a verb on an account."""

    id: str
    currency: str
    kind: str
    status: str
    overdraft_limit: int | None
    recorded_at: str
    version: int
    booked: int
    held: int
    available: int
    position: int
    accounts: dict[str, Balances]
    metadata: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    """All of it, when the verb was to annotate."""


class BatchResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one command of a batch came to."""

    status: int
    replayed: bool
    """Whether its own key had been used before."""
    location: str | None
    body: dict[str, Any]
    """Its receipt: a document, or a problem."""


class ExecutedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of a batch: one result for each command, in their order."""

    atomic: bool
    results: tuple[BatchResult, ...]
    position: int
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
    opened_on: date


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """An account's balances as the journal has them; amounts in minor units.

    Now; or, with `at`, as recorded by that moment: `version` and `as_of` are of the last event
    by then, and while `final` is false another may still be recorded before it. With
    `value_date`, `booked` leaves out what is valued after that day, `available` follows from
    it, and the rest is as now; a day asked again answers otherwise when something was booked
    for it since.
    """

    account: str
    currency: str
    booked: int
    held: int
    available: int
    version: int
    as_of: str
    source: str = "journal"
    at: str | msgspec.UnsetType = msgspec.UNSET
    final: bool | msgspec.UnsetType = msgspec.UNSET
    value_date: date | msgspec.UnsetType = msgspec.UNSET


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """How to go on reading a list: `next` is the `after`, or `cursor`, of the next page."""

    next: str | None
    has_more: bool


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """A page of an account's events, oldest first, each with its hash."""

    data: tuple[dict[str, Any], ...]
    page: Page


class StatementLine(msgspec.Struct, frozen=True, kw_only=True):
    """One event that moved money; `amount` is its signed effect on booked, in minor units."""

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


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What moved money on an account from an instant up to, not including, another.

    Opening balance and amounts sum to the closing balance. While `final` is false, a line may
    still come between. `page` is there when a page was asked for.
    """

    account: str
    currency: str
    time_zone: str
    since: str = msgspec.field(name="from")
    until: str = msgspec.field(name="to")
    final: bool
    opening_balance: int
    opening_version: int
    lines: tuple[StatementLine, ...]
    closing_balance: int
    closing_version: int
    page: Page | msgspec.UnsetType = msgspec.UNSET


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
    """The bank's books at a moment, in one snapshot; each total is zero.

    While `final` is false, something may still be recorded before `at`.
    """

    at: str
    final: bool
    balanced: bool
    totals: dict[str, int]
    lines: tuple[TrialBalanceLine, ...]


class Currency(msgspec.Struct, frozen=True, kw_only=True):
    """One currency of ISO 4217; the exponent is the number of digits of its minor unit."""

    code: str
    number: str
    exponent: int
    name: str


class Currencies(msgspec.Struct, frozen=True, kw_only=True):
    """Every currency in use."""

    data: tuple[Currency, ...]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the process lives, or is ready for work."""

    status: str
