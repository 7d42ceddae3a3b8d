"""Shapes of the successful answers, for their encoding and for the OpenAPI document."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import msgspec

from chronos.domain.chart import AccountClass, AccountKind, Side
from chronos.domain.states import HoldStatus
from chronos.wire import shown


class Balances(msgspec.Struct, frozen=True, kw_only=True):
    """An account's balances after a command, in minor units."""

    version: shown.Version
    booked: shown.Money
    held: shown.Held
    available: shown.Money


class OpenedAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of an opened account."""

    id: shown.Name
    currency: shown.Currency
    kind: AccountKind
    status: shown.Status
    overdraft_limit: shown.Limit | None
    external_id: str | None
    metadata: dict[str, str]
    opened_at: shown.Moment
    opened_on: date
    version: shown.Version
    booked: shown.Money
    held: shown.Held
    available: shown.Money
    position: shown.Position
    accounts: dict[str, Balances]


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """One posting; the amount is signed, in minor units."""

    account: shown.Name
    amount: shown.Money
    currency: shown.Currency


class BookedTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of a transfer."""

    id: shown.Name
    status: Literal["booked"]
    position: shown.Position
    recorded_at: shown.Moment
    value_date: date
    source: shown.Name = msgspec.field(name="from")
    destination: shown.Name = msgspec.field(name="to")
    amount: shown.Amount
    currency: shown.Currency
    external_id: str | None
    description: str | None
    metadata: dict[str, str]
    reverses: shown.Name | None
    accounts: dict[str, Balances]


class BookedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Any journal entry: a transfer, an entry, an exchange, a reversal, a capture's movement.

    `from`, `to`, `amount` and `currency` are null where there is more than one withdrawal and
    one deposit in one currency; `postings` always tells all.
    """

    id: shown.Name
    status: Literal["booked"]
    position: shown.Position
    recorded_at: shown.Moment
    value_date: date
    source: shown.Name | None = msgspec.field(name="from")
    destination: shown.Name | None = msgspec.field(name="to")
    amount: shown.Amount | None
    currency: shown.Currency | None
    external_id: str | None
    description: str | None
    metadata: dict[str, str]
    reverses: shown.Name | None
    postings: tuple[Posting, ...]
    accounts: dict[str, Balances]


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A hold; the members about its end are null while it is open."""

    id: shown.Name
    status: HoldStatus
    """open, captured, voided or expired."""
    account: shown.Name
    amount: shown.Amount
    currency: shown.Currency
    expires_at: shown.Moment | None
    description: str | None
    metadata: dict[str, str]
    placed_at: shown.Moment
    recorded_at: shown.Moment
    """Of its newest event."""
    captured_amount: shown.Amount | None
    destination: shown.Name | None = msgspec.field(name="to")
    transfer_id: shown.Name | None
    ended_at: shown.Moment | None


class PlacedHold(Hold, frozen=True, kw_only=True):
    """The receipt of a new hold."""

    position: shown.Position
    accounts: dict[str, Balances]


class EndedHold(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of a capture or a void."""

    id: shown.Name
    status: Literal["captured", "voided"]
    account: shown.Name
    amount: shown.Amount
    currency: shown.Currency
    recorded_at: shown.Moment
    captured_amount: shown.Amount | None
    destination: shown.Name | None = msgspec.field(name="to")
    transfer_id: shown.Name | None
    ended_at: shown.Moment
    position: shown.Position
    accounts: dict[str, Balances]


class ChangedAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of a verb on an account."""

    id: shown.Name
    currency: shown.Currency
    kind: AccountKind
    status: shown.Status
    overdraft_limit: shown.Limit | None
    recorded_at: shown.Moment
    version: shown.Version
    booked: shown.Money
    held: shown.Held
    available: shown.Money
    position: shown.Position
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
    position: shown.Position
    accounts: dict[str, Balances]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account as the journal has it now; amounts in minor units."""

    id: shown.Name
    currency: shown.Currency
    kind: AccountKind
    status: shown.Status
    version: shown.Version
    booked: shown.Money
    held: shown.Held
    available: shown.Money
    overdraft_limit: shown.Limit | None
    external_id: str | None
    metadata: dict[str, str]
    opened_at: shown.Moment
    opened_on: date


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """An account's balances as the journal has them; amounts in minor units.

    Now; or, with `at`, as recorded by that moment: `version` and `as_of` are of the last event
    by then, and while `final` is false another may still be recorded before it. With
    `value_date`, `booked` leaves out what is valued after that day, `available` follows from
    it, and the rest is as now; a day asked again answers otherwise when something was booked
    for it since.
    """

    account: shown.Name
    currency: shown.Currency
    booked: shown.Money
    held: shown.Held
    available: shown.Money
    version: shown.Version
    as_of: shown.Moment
    source: str = "journal"
    at: shown.Moment | msgspec.UnsetType = msgspec.UNSET
    final: bool | msgspec.UnsetType = msgspec.UNSET
    value_date: date | msgspec.UnsetType = msgspec.UNSET


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """How to go on reading a list: `next` is the `after`, or `cursor`, of the next page."""

    next: str | None
    has_more: bool


class ShownEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What every event says; each type says more (see the document of the topics)."""

    type: str
    account_id: shown.Name
    version: shown.Version
    event_id: str
    position: shown.Position
    recorded_at: shown.Moment
    value_date: date
    currency: shown.Currency
    metadata: dict[str, str]
    booked_after: shown.Money
    held_after: shown.Held
    available_after: shown.Money
    overdraft_limit_after: shown.Limit | None
    principal: str
    correlation_id: str
    causation_id: str
    schema_version: int
    hash: shown.Hash
    """Of the chain of the account's events up to this one."""


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """A page of an account's events, oldest first, each with its hash."""

    data: tuple[ShownEvent, ...]
    page: Page


class StatementLine(msgspec.Struct, frozen=True, kw_only=True):
    """One event that moved money; `amount` is its signed effect on booked, in minor units."""

    version: shown.Version
    position: shown.Position
    type: shown.MoneyEvent
    recorded_at: shown.Moment
    booking_date: date
    value_date: date
    transfer_id: shown.Name
    counterparty: shown.Name | None
    description: str | None
    external_id: str | None
    reverses_transfer_id: shown.Name | None
    metadata: dict[str, str]
    amount: shown.Money
    booked_after: shown.Money


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What moved money on an account from an instant up to, not including, another.

    Opening balance and amounts sum to the closing balance. While `final` is false, a line may
    still come between. `page` is there when a page was asked for.
    """

    account: shown.Name
    currency: shown.Currency
    time_zone: str
    since: shown.Moment = msgspec.field(name="from")
    until: shown.Moment = msgspec.field(name="to")
    final: bool
    opening_balance: shown.Money
    opening_version: int
    lines: tuple[StatementLine, ...]
    closing_balance: shown.Money
    closing_version: int
    page: Page | msgspec.UnsetType = msgspec.UNSET


class TrialBalanceLine(msgspec.Struct, frozen=True, kw_only=True):
    """All accounts of one kind and currency; `booked` is signed, credit positive."""

    currency: shown.Currency
    kind: AccountKind
    account_class: AccountClass = msgspec.field(name="class")
    normal_side: Side
    accounts: int
    booked: int
    debit: int
    credit: int


class TrialBalance(msgspec.Struct, frozen=True, kw_only=True):
    """The bank's books at a moment, in one snapshot; each total is zero.

    While `final` is false, something may still be recorded before `at`.
    """

    at: shown.Moment
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
