"""The shape of each event's JSON, as msgspec reads it: the one list of what Kafka carries.

A member that a later schema version added has a default here, which is what its absence in an
older event means: that is the whole step from the old shape to the new one.
"""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from chronos.domain.account import AccountStatus, FreezeScope
from chronos.domain.chart import AccountKind


class Common(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every event says."""

    account_id: str
    version: int
    event_id: str
    position: int
    recorded_at: datetime
    value_date: date
    principal: str
    correlation_id: str
    causation_id: str
    schema_version: int
    currency: str
    metadata: dict[str, str]
    booked_after: int
    held_after: int
    available_after: int
    overdraft_limit_after: int | None
    status_after: AccountStatus


class AccountOpenedShape(Common, frozen=True, kw_only=True, tag="AccountOpened"):
    """The first event of an account."""

    kind: AccountKind
    external_id: str | None


class Changed(Common, frozen=True, kw_only=True):
    """What every event after the opening says."""

    description: str | None


class MoneyMovedShape(Changed, frozen=True, kw_only=True):
    """One posting."""

    transfer_id: str
    leg: int
    amount: int
    counterparty: str | None
    reverses_transfer_id: str | None
    legs: int = 2
    """Since schema version 2; before, every entry had two."""
    external_id: str | None = None
    """Since schema version 2."""


class MoneyWithdrawnShape(MoneyMovedShape, frozen=True, kw_only=True, tag="MoneyWithdrawn"):
    """A posting with a negative amount."""


class MoneyDepositedShape(MoneyMovedShape, frozen=True, kw_only=True, tag="MoneyDeposited"):
    """A posting with a positive amount."""


class HoldShape(Changed, frozen=True, kw_only=True):
    """The beginning or the end of a hold."""

    hold_id: str
    hold_amount: int
    open_holds_after: int


class HoldPlacedShape(HoldShape, frozen=True, kw_only=True, tag="HoldPlaced"):
    """The beginning of a hold."""

    expires_at: datetime | None


class HoldCapturedShape(HoldShape, frozen=True, kw_only=True, tag="HoldCaptured"):
    """The end of a hold by a movement of money, told by the events of its transfer."""

    captured_amount: int
    transfer_id: str
    destination: str


class HoldVoidedShape(HoldShape, frozen=True, kw_only=True, tag="HoldVoided"):
    """The end of a hold at somebody's wish."""


class HoldExpiredShape(HoldShape, frozen=True, kw_only=True, tag="HoldExpired"):
    """The end of a hold by its time."""


class OverdraftLimitSetShape(Changed, frozen=True, kw_only=True, tag="OverdraftLimitSet"):
    """Another overdraft limit."""


class AccountFrozenShape(Changed, frozen=True, kw_only=True, tag="AccountFrozen"):
    """A freeze."""

    scope: FreezeScope


class AccountUnfrozenShape(Changed, frozen=True, kw_only=True, tag="AccountUnfrozen"):
    """The end of a freeze."""


class AccountClosedShape(Changed, frozen=True, kw_only=True, tag="AccountClosed"):
    """The end of an account."""


class AccountAnnotatedShape(Changed, frozen=True, kw_only=True, tag="AccountAnnotated"):
    """The account's whole metadata from now on."""


MoneyShape = MoneyWithdrawnShape | MoneyDepositedShape
RareShape = (
    HoldPlacedShape
    | HoldCapturedShape
    | HoldVoidedShape
    | HoldExpiredShape
    | OverdraftLimitSetShape
    | AccountFrozenShape
    | AccountUnfrozenShape
    | AccountClosedShape
    | AccountAnnotatedShape
)
EventShape = AccountOpenedShape | MoneyShape | RareShape

SCHEMA_VERSIONS: dict[str, int] = {
    "AccountOpened": 1,
    "MoneyWithdrawn": 2,
    "MoneyDeposited": 2,
    "HoldPlaced": 1,
    "HoldCaptured": 1,
    "HoldVoided": 1,
    "HoldExpired": 1,
    "OverdraftLimitSet": 1,
    "AccountFrozen": 1,
    "AccountUnfrozen": 1,
    "AccountClosed": 1,
    "AccountAnnotated": 1,
}
"""The schema version in which each type of event is written; older ones are read."""
