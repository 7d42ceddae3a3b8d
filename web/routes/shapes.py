"""Shapes of the answers of the query side, for their encoding and for the document."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec

from chronos.domain.chart import AccountKind
from chronos.wire import shown
from chronos.wire.balance import OpenHold
from chronos.wire.members import FROM_ZERO, says

Source = Annotated[str, says("Who answered.", enum=["table", "redis"])]


class BalanceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The balance of an account at the version that it shows."""

    account: shown.Name
    currency: shown.Currency
    booked: shown.Money
    held: shown.Held
    available: shown.Money
    overdraft_limit: shown.Limit | None
    status: shown.Status
    version: shown.Version
    as_of: shown.Moment
    source: Source


class HoldsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The open holds of an account, in the order in which they were placed."""

    account: shown.Name
    currency: shown.Currency
    held: shown.Held
    version: shown.Version
    as_of: shown.Moment
    source: Source
    data: tuple[OpenHold, ...]


class PageOf(msgspec.Struct, frozen=True, kw_only=True):
    """How to go on reading a list: `next` is the cursor of the next page."""

    next: str | None
    has_more: bool


class ListedAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account as the search has it."""

    id: shown.Name
    currency: shown.Currency
    kind: AccountKind
    status: shown.Status
    overdraft_limit: shown.Limit | None
    external_id: str | None
    metadata: dict[str, str]
    opened_at: shown.Moment
    version: shown.Version
    booked: shown.Money
    held: shown.Held
    available: shown.Money
    as_of: shown.Moment


class AccountsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A page of accounts, by id."""

    data: tuple[ListedAccount, ...]
    page: PageOf


class ListedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One event of an account, with its hash; each type says more."""

    type: str
    account: shown.Name
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
    hash: shown.Hash


class EntriesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A page of an account's history, newest first, up to the version that it names."""

    account: shown.Name
    version: shown.Version
    data: tuple[ListedEntry, ...]
    page: PageOf


class ListedPosting(msgspec.Struct, frozen=True, kw_only=True):
    """One posting; the amount is signed."""

    account: shown.Name
    amount: shown.Money
    currency: shown.Currency


class ListedTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """One journal entry, with all its postings.

    `from`, `to`, `amount` and `currency` are null where there is more than one withdrawal and
    one deposit in one currency.
    """

    id: shown.Name
    status: Annotated[str, says("Always the same.", enum=["booked"])]
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
    postings: tuple[ListedPosting, ...]


class TransfersAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A page of journal entries, newest first; it may be shorter than its limit."""

    data: tuple[ListedTransfer, ...]
    page: PageOf


class StageState(msgspec.Struct, frozen=True, kw_only=True):
    """Where one stage stands; each says more."""

    status: Annotated[str, says("How it does.", enum=["ok", "unavailable"])]
    lag_events: (
        Annotated[int, says("Events not yet applied.", **FROM_ZERO)] | msgspec.UnsetType
    ) = msgspec.UNSET


class PipelineAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Where each stage of the pipeline stands, as this worker sees it."""

    as_of: shown.Moment
    stages: dict[str, StageState]


class LiveAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the worker is alive; 503 means: start it again."""

    status: Annotated[str, says("How it does.", enum=["ok", "stuck"])]
    role: str
    slot: Annotated[int, says("Which of the workers of this role.", minimum=0)]
    lag_records: Annotated[int, says("Records not yet handled.", minimum=0)]
    waiting_for: tuple[str, ...]
    """Stores that somebody waits for."""


class ReadyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the worker may be sent requests; 503 means: not now."""

    ready: bool
    reason: str | None
    role: str
    slot: Annotated[int, says("Which of the workers of this role.", minimum=0)]
    stores: dict[str, str]
