"""The shape of each event's JSON, as msgspec reads it: the one list of what Kafka carries.

A member that a later schema version added has a default here, which is what its absence in an
older event means: that is the whole step from the old shape to the new one. Its `since` tells
the version, so that the JSON Schemas of all versions are made from these shapes.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import msgspec

from chronos.domain.account import HOLDS_MAX, AccountStatus, FreezeScope
from chronos.domain.chart import AccountKind
from chronos.wire.members import (
    BALANCE,
    CURRENCY,
    FROM_ZERO,
    ID,
    MOMENT,
    NEGATIVE,
    POSITIVE,
    UUID,
    says,
)


class Common(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every event says."""

    account_id: Annotated[str, says("The account that it happened to; the record's key.", **ID)]
    version: Annotated[int, says("Number among the account's events: 1, 2, 3 …", minimum=1)]
    event_id: Annotated[str, says("The same for every delivery; UUIDv7.", **UUID)]
    position: Annotated[
        int, says("Place in the whole journal; grows for each account, with gaps.", minimum=1)
    ]
    recorded_at: Annotated[
        datetime, says("When it was stored, UTC; never goes back for an account.", **MOMENT)
    ]
    value_date: Annotated[date, says("The day from which it counts, for interest for example.")]
    principal: Annotated[str, says("Who sent the command.")]
    correlation_id: Annotated[str, says("The request that led to it.")]
    causation_id: Annotated[str, says("The idempotency key of the command that led to it.")]
    schema_version: Annotated[int, says("Version of this type's schema.")]
    currency: Annotated[str, says("Currency of all amounts here, ISO 4217.", **CURRENCY)]
    metadata: Annotated[dict[str, str], says("What the sender of the command added.")]
    booked_after: Annotated[
        int, says("Sum of all postings of the account, minor units.", **BALANCE)
    ]
    held_after: Annotated[int, says("Sum of the open holds, minor units.", **FROM_ZERO)]
    available_after: Annotated[
        int, says("Booked minus held plus the overdraft limit, if there is one; minor units.")
    ]
    overdraft_limit_after: Annotated[
        int | None,
        says("How far below zero it may go, minor units; null: without bound.", **FROM_ZERO),
    ]
    status_after: Annotated[
        AccountStatus, says("0 open, 1 frozen for debits, 2 frozen for all, 3 closed.")
    ]


class AccountOpenedShape(Common, frozen=True, kw_only=True, tag="AccountOpened"):
    """The first event of an account; its value date is the day from which it counts as open."""

    kind: Annotated[AccountKind, says("A customer's account, or one of the bank's own.")]
    external_id: Annotated[
        str | None, says("What another system calls the account; no two have the same.")
    ]


class Changed(Common, frozen=True, kw_only=True):
    """What every event after the opening says."""

    description: Annotated[str | None, says("One line for people.")]


class MoneyMovedShape(Changed, frozen=True, kw_only=True):
    """One posting."""

    transfer_id: Annotated[str, says("The journal entry that it belongs to.", **ID)]
    leg: Annotated[int, says("Place of the posting in its journal entry, from 0.", minimum=0)]
    amount: Annotated[int, says("Its effect on booked, minor units.", **BALANCE)]
    counterparty: Annotated[
        str | None,
        says("The other account; null when the entry has more than two postings.", **ID),
    ]
    reverses_transfer_id: Annotated[
        str | None, says("The journal entry that this one undoes.", **ID)
    ]
    legs: Annotated[
        int, says("How many postings its journal entry has.", since=2, minimum=2)
    ] = 2
    """Before version 2 every entry had two."""
    external_id: Annotated[
        str | None, says("What another system calls the entry; not unique.", since=2)
    ] = None


class MoneyWithdrawnShape(MoneyMovedShape, frozen=True, kw_only=True, tag="MoneyWithdrawn"):
    """A posting that takes money from the account."""

    amount: Annotated[int, says("Its effect on booked, minor units; below zero.", **NEGATIVE)]


class MoneyDepositedShape(MoneyMovedShape, frozen=True, kw_only=True, tag="MoneyDeposited"):
    """A posting that brings money to the account."""

    amount: Annotated[int, says("Its effect on booked, minor units; above zero.", **POSITIVE)]


class HoldShape(Changed, frozen=True, kw_only=True):
    """The beginning or the end of a hold."""

    hold_id: Annotated[str, says("The hold.", **ID)]
    hold_amount: Annotated[int, says("The whole hold, minor units; above zero.", **POSITIVE)]
    open_holds_after: Annotated[
        int, says("How many holds of the account are open.", minimum=0, maximum=HOLDS_MAX)
    ]


class HoldPlacedShape(HoldShape, frozen=True, kw_only=True, tag="HoldPlaced"):
    """The beginning of a hold: its amount is not available any more."""

    expires_at: Annotated[
        datetime | None, says("When it ends by itself, UTC; null: never.", **MOMENT)
    ]


class HoldCapturedShape(HoldShape, frozen=True, kw_only=True, tag="HoldCaptured"):
    """The end of a hold by a movement of money, told by the events of its transfer.

    It moves nothing itself. What was not captured is available again.
    """

    captured_amount: Annotated[
        int, says("What moved, minor units; at most the hold.", **POSITIVE)
    ]
    transfer_id: Annotated[str, says("The journal entry that moved it.", **ID)]
    destination: Annotated[str, says("The account that was paid.", **ID)]


class HoldVoidedShape(HoldShape, frozen=True, kw_only=True, tag="HoldVoided"):
    """The end of a hold at somebody's wish: its amount is available again."""


class HoldExpiredShape(HoldShape, frozen=True, kw_only=True, tag="HoldExpired"):
    """The end of a hold by its time: its amount is available again."""


class OverdraftLimitSetShape(Changed, frozen=True, kw_only=True, tag="OverdraftLimitSet"):
    """Another overdraft limit, told by `overdraft_limit_after`."""


class AccountFrozenShape(Changed, frozen=True, kw_only=True, tag="AccountFrozen"):
    """A freeze."""

    scope: Annotated[FreezeScope, says("debits: it may not pay; all: neither pay nor be paid.")]


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
