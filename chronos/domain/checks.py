"""The questions that several commands ask of an account; each answers a refusal or None."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from chronos.domain.account import AccountState, AccountStatus
from chronos.domain.ids import AccountId
from chronos.domain.rejections import Rejected, RejectionCode

VALUE_DATE_AHEAD_MAX = timedelta(days=366)
VALUE_DATE_BACK_MAX = timedelta(days=3653)
"""Ten years: past entries of another bank can be brought in with their own dates."""


def not_found(account_id: AccountId, pointer: str | None, *, in_path: bool = False) -> Rejected:
    """Refuses for an account that is not there."""
    return Rejected(
        code=RejectionCode.ACCOUNT_NOT_FOUND,
        detail=f"There is no account {account_id}.",
        pointer=pointer,
        in_path=in_path,
    )


def wrong_currency(
    account: AccountState, currency: str, pointer: str | None
) -> Rejected | None:
    """Refuses when an account is kept in another currency."""
    if account.currency == currency:
        return None
    return Rejected(
        code=RejectionCode.CURRENCY_MISMATCH,
        detail=f"Account {account.account_id} is kept in {account.currency}, "
        f"the command is in {currency}.",
        pointer=pointer,
    )


def wrong_value_date(
    value_date: date, booking_date: date, accounts: Iterable[AccountState]
) -> Rejected | None:
    """Refuses a value date before an account was opened, or too far from the booking date."""
    if value_date == booking_date:
        return None
    for account in accounts:
        if value_date < account.opened_on:
            return date_refused(
                f"Value date {value_date} lies before {account.opened_on}, "
                f"the day on which account {account.account_id} was opened."
            )
    if value_date > booking_date + VALUE_DATE_AHEAD_MAX:
        return date_refused(
            f"Value date {value_date} lies more than {VALUE_DATE_AHEAD_MAX.days} days "
            f"after the booking date {booking_date}."
        )
    if value_date < booking_date - VALUE_DATE_BACK_MAX:
        return date_refused(
            f"Value date {value_date} lies more than {VALUE_DATE_BACK_MAX.days} days "
            f"before the booking date {booking_date}."
        )
    return None


def date_refused(detail: str, pointer: str = "/value_date") -> Rejected:
    """Refuses a date."""
    return Rejected(code=RejectionCode.DATE_INVALID, detail=detail, pointer=pointer)


def wrong_versions(
    expected: Mapping[AccountId, int], touched: Mapping[AccountId, AccountState]
) -> Rejected | None:
    """Refuses when an account of the command is not at the version that the sender believes.

    Args:
        expected: What the sender believes.
        touched: The accounts of the command, and of no other one.
    """
    for account_id, version in expected.items():
        account = touched.get(account_id)
        pointer = f"/expected_versions/{account_id}"
        if account is None:
            return Rejected(
                code=RejectionCode.VERSION_CONFLICT,
                detail=f"Account {account_id} takes no part in the command.",
                pointer=pointer,
            )
        if account.version != version:
            return version_conflict(account, version, pointer)
    return None


def version_conflict(account: AccountState, version: int, pointer: str | None) -> Rejected:
    """Refuses for an account at another version."""
    return Rejected(
        code=RejectionCode.VERSION_CONFLICT,
        detail=f"Account {account.account_id} is at version {account.version}, "
        f"version {version} was expected.",
        pointer=pointer,
    )


def closed(account: AccountState) -> Rejected | None:
    """Refuses a closed account."""
    if account.status is not AccountStatus.CLOSED:
        return None
    return Rejected(
        code=RejectionCode.ACCOUNT_CLOSED,
        detail=f"Account {account.account_id} is closed.",
    )


def forbidden(account: AccountState, *, paying: bool) -> Rejected | None:
    """Refuses an account that is closed, or frozen for what it is to do."""
    status = account.status
    if status is AccountStatus.OPEN or (status is AccountStatus.FROZEN_DEBITS and not paying):
        return None
    return closed(account) or Rejected(
        code=RejectionCode.ACCOUNT_FROZEN,
        detail=f"Account {account.account_id} is frozen ({status.label}).",
    )


def insufficient(account: AccountState, amount: int, pointer: str | None) -> Rejected:
    """Refuses for an account that has not enough available."""
    return Rejected(
        code=RejectionCode.INSUFFICIENT_FUNDS,
        detail=f"Account {account.account_id} has {account.available} minor units of "
        f"{account.currency} available, the command needs {amount}.",
        pointer=pointer,
    )


def balance_limit(account_id: AccountId, pointer: str | None) -> Rejected:
    """Refuses for a balance that would not be a safe integer any more."""
    return Rejected(
        code=RejectionCode.BALANCE_LIMIT,
        detail=f"A balance of account {account_id} would leave the range that a balance "
        "can have.",
        pointer=pointer,
    )
