"""What a running Chronos answers, as typed values.

Fields that a newer server adds are ignored; a field that is missing is an error here, not
later. Amounts are minor units.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Touched(msgspec.Struct, frozen=True, kw_only=True):
    """One account as a command left it."""

    version: int
    booked: int
    held: int
    available: int


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of an opened account."""

    id: str
    currency: str
    kind: str
    position: int
    accounts: dict[str, Touched]
    replayed: bool = False


class Transferred(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of a booked transfer."""

    id: str
    status: str
    position: int
    recorded_at: str
    source: str = msgspec.field(name="from")
    destination: str = msgspec.field(name="to")
    amount: int
    currency: str
    accounts: dict[str, Touched]
    replayed: bool = False


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
    overdraft_limit: int | None = None
    external_id: str | None = None
    opened_at: str | None = None


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """A balance, the version it shows, and who answered."""

    account: str
    currency: str
    booked: int
    held: int
    available: int
    version: int
    as_of: str | None = None
    source: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list; `next` is the cursor of the following page, if any."""

    data: tuple[dict[str, Any], ...]
    page: PageInfo

    @property
    def next(self) -> str | None:
        """Gives the cursor to ask the next page with, or None at the end."""
        return self.page.next if self.page.has_more else None


class PageInfo(msgspec.Struct, frozen=True, kw_only=True):
    """How to go on reading a list."""

    next: str | None = None
    has_more: bool = False


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
    """The bank's books in one snapshot; each total is zero."""

    at: str
    balanced: bool
    totals: dict[str, int]
    lines: tuple[TrialBalanceLine, ...]


class FieldProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one field of a request."""

    pointer: str = ""
    code: str = ""
    detail: str = ""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A problem document (RFC 9457) as every refusal and fault carries it."""

    status: int
    code: str
    title: str = ""
    detail: str = ""
    instance: str | None = None
    request_id: str | None = None
    retryable: bool = False
    errors: tuple[FieldProblem, ...] = ()
