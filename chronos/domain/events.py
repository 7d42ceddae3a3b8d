"""Events: what happened to one account. Past tense, immutable, numbered without gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from chronos.domain.account import AccountStatus, FreezeScope
from chronos.domain.chart import AccountKind
from chronos.domain.ids import AccountId, HoldId, TransferId


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOpened:
    """The account exists from now on, at version 1, with no money."""

    account_id: AccountId
    version: int
    currency: str
    kind: AccountKind
    overdraft_limit: int | None
    external_id: str | None
    metadata: Mapping[str, str]
    value_date: date
    """The day from which the account counts as open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanged:
    """What every event after the opening says: the state of the account after it."""

    account_id: AccountId
    version: int
    currency: str
    booked_after: int
    held_after: int
    available_after: int
    overdraft_limit_after: int | None
    status_after: AccountStatus
    description: str | None
    metadata: Mapping[str, str]
    value_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyMoved(AccountChanged):
    """What a withdrawal and a deposit have in common: one posting."""

    transfer_id: TransferId
    leg: int
    """Place of the posting in its journal entry, from 0."""
    legs: int
    """How many postings the entry has: whoever has as many has all of it."""
    amount: int
    """Signed effect on booked, in minor units."""
    counterparty: AccountId | None
    """The other account; None when the entry has more than two postings."""
    external_id: str | None
    reverses_transfer_id: TransferId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyWithdrawn(MoneyMoved):
    """Money left the account; the amount is negative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyDeposited(MoneyMoved):
    """Money came to the account; the amount is positive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldChanged(AccountChanged):
    """What the beginning and each end of a hold have in common."""

    hold_id: HoldId
    hold_amount: int
    """The whole hold, in minor units; positive."""
    open_holds_after: int
    """How many holds of the account are open after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldPlaced(HoldChanged):
    """The amount of the hold is not available any more."""

    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldCaptured(HoldChanged):
    """The hold ended for a movement of money, which the next events are.

    This event itself only makes the whole hold available again. The withdrawal follows in the
    same transaction, so whoever looks at moments never sees the amount free in between.
    """

    captured_amount: int
    transfer_id: TransferId
    destination: AccountId


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldVoided(HoldChanged):
    """The hold ended at somebody's wish; its amount is available again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldExpired(HoldChanged):
    """The hold ended by its own time; its amount is available again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdraftLimitSet(AccountChanged):
    """The account has the overdraft limit that stands in `overdraft_limit_after`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFrozen(AccountChanged):
    """The account may not pay, or neither pay nor be paid."""

    scope: FreezeScope


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUnfrozen(AccountChanged):
    """The account may pay and be paid again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountClosed(AccountChanged):
    """The account, empty, takes no more commands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountAnnotated(AccountChanged):
    """The account's metadata is, as a whole, that of this event."""


MoneyEvent = MoneyWithdrawn | MoneyDeposited
HoldEnded = HoldCaptured | HoldVoided | HoldExpired
AdministrativeEvent = (
    OverdraftLimitSet | AccountFrozen | AccountUnfrozen | AccountClosed | AccountAnnotated
)
Event = AccountOpened | MoneyEvent | HoldPlaced | HoldEnded | AdministrativeEvent
