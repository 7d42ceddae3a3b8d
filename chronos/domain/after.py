"""The state after an event, as the event itself says it: written here, compared by the fold."""

from __future__ import annotations

from datetime import date
from typing import TypedDict

from chronos.domain.account import AccountState, AccountStatus
from chronos.domain.ids import AccountId, HoldId


class After(TypedDict):
    """The members of an event that say which account, and how it stands afterwards."""

    account_id: AccountId
    version: int
    currency: str
    booked_after: int
    held_after: int
    available_after: int
    overdraft_limit_after: int | None
    status_after: AccountStatus
    value_date: date


class HoldAfter(After):
    """The same, and the hold."""

    hold_id: HoldId
    hold_amount: int
    open_holds_after: int


def unchanged(account: AccountState, *, on: date) -> After:
    """Gives the members of an event that moves and reserves nothing."""
    return After(
        account_id=account.account_id,
        version=account.version + 1,
        currency=account.currency,
        booked_after=account.booked,
        held_after=account.held,
        available_after=account.available,
        overdraft_limit_after=account.overdraft_limit,
        status_after=account.status,
        value_date=on,
    )


def with_status(account: AccountState, status: AccountStatus, *, on: date) -> After:
    """Gives the members of an event that changes what the account may do."""
    after = unchanged(account, on=on)
    after["status_after"] = status
    return after


def with_limit(account: AccountState, limit: int | None, *, on: date) -> After:
    """Gives the members of an event that sets the overdraft limit."""
    after = unchanged(account, on=on)
    after["overdraft_limit_after"] = limit
    after["available_after"] = account.booked - account.held + (limit or 0)
    return after


def hold_after(
    account: AccountState, hold_id: HoldId, amount: int, *, placed: bool, on: date
) -> HoldAfter:
    """Gives the members of an event that places a hold of this amount, or ends one."""
    sign = 1 if placed else -1
    after = unchanged(account, on=on)
    after["held_after"] = account.held + sign * amount
    after["available_after"] = account.available - sign * amount
    return HoldAfter(
        **after,
        hold_id=hold_id,
        hold_amount=amount,
        open_holds_after=account.open_holds + sign,
    )
