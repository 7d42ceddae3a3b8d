"""What a running Chronos answers to a read, as typed values.

Fields that a newer server adds are ignored; a field that is missing is an error here, not
later. Amounts are minor units.
"""

from __future__ import annotations

from datetime import date

import msgspec


class Touched(msgspec.Struct, frozen=True, kw_only=True):
    """One account as a command left it."""

    version: int
    booked: int
    held: int
    available: int


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account as the journal has it."""

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


class FoundAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account as a search shows it."""

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
    as_of: str


class Balance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A balance, the version it shows, and who answered.

    `at` and `final` are there when a moment was asked for, `value_date` when a banking day was.
    """

    account: str
    currency: str
    booked: int
    held: int
    available: int
    version: int
    as_of: str | None = None
    source: str
    at: str | None = None
    final: bool | None = None
    value_date: date | None = None


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """One posting; the amount is signed."""

    account: str
    amount: int
    currency: str


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Any journal entry: a transfer, an entry, an exchange, a reversal, a capture's movement.

    Source, destination, amount and currency are None where there is more than one withdrawal
    and one deposit in one currency; `postings` always tells all.
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


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A hold; the members about its end are None while it is open."""

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
    captured_amount: int | None
    destination: str | None = msgspec.field(name="to")
    transfer_id: str | None
    ended_at: str | None


class OpenHold(msgspec.Struct, frozen=True, kw_only=True):
    """An open hold as the read model shows it."""

    id: str
    amount: int
    expires_at: str | None


class OpenHolds(msgspec.Struct, frozen=True, kw_only=True):
    """The open holds of an account; `held` is the sum of what is listed."""

    account: str
    currency: str
    held: int
    version: int
    as_of: str | None = None
    source: str
    data: tuple[OpenHold, ...]


class TrialBalanceLine(msgspec.Struct, frozen=True, kw_only=True):
    """All accounts of one kind and currency; `booked` is signed, credit positive."""

    currency: str
    kind: str
    account_class: str = msgspec.field(name="class")
    accounts: int
    booked: int
    debit: int
    credit: int


class TrialBalance(msgspec.Struct, frozen=True, kw_only=True):
    """The bank's books in one snapshot; each total is zero.

    While `final` is False, something may still be recorded before `at`.
    """

    at: str
    final: bool = True
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


class FieldProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one field of a request."""

    pointer: str = ""
    code: str = ""
    detail: str = ""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem document (RFC 9457) as every refusal and fault carries it."""

    status: int
    code: str
    title: str = ""
    detail: str = ""
    instance: str | None = None
    request_id: str | None = None
    retryable: bool = False
    errors: tuple[FieldProblem, ...] = ()
    index: int | None = None
    """Of an atomic batch: the place of the command that was refused, from 0."""
    refusal: Problem | None = None
    """Of an atomic batch: why that command was refused."""
