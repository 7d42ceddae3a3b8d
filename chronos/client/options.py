"""What a call may say besides what it must: by name, each with its type.

Nothing here has a default: what is left out is left to the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import TypedDict


class Sent(TypedDict, total=False):
    """How a command is sent."""

    key: str | None
    """Idempotency key; made by the client when left out, and the same at every attempt."""
    dry_run: bool
    """Decide and answer as if the command were executed, but write nothing."""


class Told(Sent, total=False):
    """What every command about something that is there may say."""

    description: str | None


class VerbOptions(Told, total=False):
    """Of a verb on an account."""

    expected_version: int | None
    """The version that the account must have."""


class FreezeOptions(VerbOptions, total=False):
    """Of a freeze."""

    scope: str | None
    """`debits` or `all`; all when left out."""


class VoidOptions(Told, total=False):
    """Of the void of a hold."""

    expected_versions: Mapping[str, int] | None


class ReversalOptions(VoidOptions, total=False):
    """Of a reversal."""

    transfer_id: str | None
    """Of the reversal."""
    value_date: date | None
    metadata: Mapping[str, str] | None


class CaptureOptions(ReversalOptions, total=False):
    """Of the capture of a hold; `transfer_id` is that of the movement of money."""

    amount: int | None
    """Minor units, at most the hold's; all of it when left out."""
    external_id: str | None


class HoldOptions(VoidOptions, total=False):
    """Of a new hold."""

    id: str | None
    expires_at: datetime | None
    metadata: Mapping[str, str] | None


class EntryOptions(VoidOptions, total=False):
    """Of a transfer or entry."""

    id: str | None
    external_id: str | None
    value_date: date | None
    metadata: Mapping[str, str] | None


class ExchangeOptions(EntryOptions, total=False):
    """Of an exchange; without position accounts, the bank's oldest of each currency serve."""

    sell_currency: str | None
    buy_currency: str | None
    sell_position: str | None
    buy_position: str | None


class OpeningOptions(Sent, total=False):
    """Of a new account."""

    kind: str | None
    """`customer` when left out."""
    overdraft_limit: int | None
    external_id: str | None
    metadata: Mapping[str, str] | None
    opened_on: date | None


class ListOptions(TypedDict, total=False):
    """How a list is read."""

    limit: int | None
    """Rows of one page."""


class AccountFilters(ListOptions, total=False):
    """Which accounts."""

    kind: str | None
    status: str | None
    currency: str | None
    external_id: str | None
    metadata: Mapping[str, str] | None
    q: str | None
    """Words in ids, external ids and metadata."""


class MoneyFilters(ListOptions, total=False):
    """Which movements of money."""

    since: date | datetime | None
    """First day, or first instant."""
    until: date | datetime | None
    """Last day, or first instant after the last."""
    value_from: date | None
    value_to: date | None
    min_amount: int | None
    max_amount: int | None
    counterparty: str | None
    external_id: str | None
    metadata: Mapping[str, str] | None
    q: str | None
    """Words in descriptions, ids and metadata."""


class TransferFilters(MoneyFilters, total=False):
    """Which transfers."""

    account: str | None
    currency: str | None


class EntryFilters(MoneyFilters, total=False):
    """Which entries of an account's history."""

    type: str | None
    """Types of events, with commas; those that moved money when left out."""
    transfer_id: str | None
    min_version: int | None
    """Wait for this version."""
