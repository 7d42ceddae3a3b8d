"""Transfers: one withdrawal and one deposit, written together."""

from __future__ import annotations

from datetime import date, timedelta

from chronos.domain.account import AccountState, AccountStatus
from chronos.domain.commands import TransferFunds
from chronos.domain.events import MoneyDeposited, MoneyWithdrawn
from chronos.domain.ids import AccountId
from chronos.domain.money import within_bounds
from chronos.domain.rejections import Rejected, RejectionCode
from chronos.domain.states import Accepted, States

VALUE_DATE_AHEAD_MAX = timedelta(days=366)


def decide_transfer(states: States, command: TransferFunds) -> Accepted | Rejected:
    """Moves the amount if both accounts are there, may move it, and the source can pay.

    The order of the checks is part of the contract: what is wrong with the request itself comes
    before what is wrong with the present state, and the funds come last.
    """
    if command.source == command.destination:
        return Rejected(
            code=RejectionCode.SAME_ACCOUNT,
            detail=f"The transfer names account {command.source} on both sides.",
            pointer="/to",
        )
    source = states.accounts.get(command.source)
    if source is None:
        return _not_found(command.source, "/from")
    destination = states.accounts.get(command.destination)
    if destination is None:
        return _not_found(command.destination, "/to")
    value_date = command.value_date or states.booking_date
    return (
        _wrong_currency(command, source, destination)
        or _wrong_date(value_date, source, destination, states.booking_date)
        or _already_made(states, command)
        or _wrong_version(command, source, destination)
        or _forbidden(source, paying=True)
        or _forbidden(destination, paying=False)
        or _beyond_funds(command, source, destination)
        or Accepted(events=_legs(command, source, destination, value_date))
    )


def _not_found(account_id: AccountId, pointer: str) -> Rejected:
    return Rejected(
        code=RejectionCode.ACCOUNT_NOT_FOUND,
        detail=f"There is no account {account_id}.",
        pointer=pointer,
    )


def _wrong_currency(
    command: TransferFunds, source: AccountState, destination: AccountState
) -> Rejected | None:
    for account, pointer in ((source, "/from"), (destination, "/to")):
        if account.currency != command.currency:
            return Rejected(
                code=RejectionCode.CURRENCY_MISMATCH,
                detail=f"Account {account.account_id} is kept in {account.currency}, "
                f"the transfer is in {command.currency}.",
                pointer=pointer,
            )
    return None


def _wrong_date(
    value_date: date, source: AccountState, destination: AccountState, booking_date: date
) -> Rejected | None:
    for account in (source, destination):
        if value_date < account.opened_on:
            return Rejected(
                code=RejectionCode.DATE_INVALID,
                detail=f"Value date {value_date} lies before {account.opened_on}, "
                f"the day on which account {account.account_id} was opened.",
                pointer="/value_date",
            )
    if value_date > booking_date + VALUE_DATE_AHEAD_MAX:
        return Rejected(
            code=RejectionCode.DATE_INVALID,
            detail=f"Value date {value_date} lies more than {VALUE_DATE_AHEAD_MAX.days} days "
            f"after the booking date {booking_date}.",
            pointer="/value_date",
        )
    return None


def _already_made(states: States, command: TransferFunds) -> Rejected | None:
    if command.transfer_id not in states.transfers:
        return None
    return Rejected(
        code=RejectionCode.TRANSFER_EXISTS,
        detail=f"Transfer {command.transfer_id} exists already.",
        pointer="/id",
    )


def _wrong_version(
    command: TransferFunds, source: AccountState, destination: AccountState
) -> Rejected | None:
    if not command.expected_versions:
        return None
    for account in (source, destination):
        expected = command.expected_versions.get(account.account_id, account.version)
        if expected != account.version:
            return Rejected(
                code=RejectionCode.VERSION_CONFLICT,
                detail=f"Account {account.account_id} is at version {account.version}, "
                f"version {expected} was expected.",
                pointer=f"/expected_versions/{account.account_id}",
            )
    return None


def _forbidden(account: AccountState, *, paying: bool) -> Rejected | None:
    if account.status is AccountStatus.CLOSED:
        return Rejected(
            code=RejectionCode.ACCOUNT_CLOSED,
            detail=f"Account {account.account_id} is closed.",
        )
    if account.status is AccountStatus.FROZEN_ALL or (
        paying and account.status is AccountStatus.FROZEN_DEBITS
    ):
        return Rejected(
            code=RejectionCode.ACCOUNT_FROZEN,
            detail=f"Account {account.account_id} is frozen ({account.status.label}).",
        )
    return None


def _beyond_funds(
    command: TransferFunds, source: AccountState, destination: AccountState
) -> Rejected | None:
    if not source.can_pay(command.amount):
        return Rejected(
            code=RejectionCode.INSUFFICIENT_FUNDS,
            detail=f"Account {source.account_id} has {source.available} minor units of "
            f"{source.currency} available, the transfer needs {command.amount}.",
            pointer="/amount",
        )
    for account, amount in ((source, -command.amount), (destination, command.amount)):
        if not within_bounds(account.booked + amount):
            return Rejected(
                code=RejectionCode.BALANCE_LIMIT,
                detail=f"The booked balance of account {account.account_id} would leave the "
                "range that a balance can have.",
                pointer="/amount",
            )
    return None


def _legs(
    command: TransferFunds, source: AccountState, destination: AccountState, value_date: date
) -> tuple[MoneyWithdrawn, MoneyDeposited]:
    return (
        MoneyWithdrawn(
            account_id=source.account_id,
            version=source.version + 1,
            transfer_id=command.transfer_id,
            leg=0,
            amount=-command.amount,
            currency=source.currency,
            counterparty=destination.account_id,
            booked_after=source.booked - command.amount,
            held_after=source.held,
            available_after=source.available - command.amount,
            overdraft_limit_after=source.overdraft_limit,
            status_after=source.status,
            description=command.description,
            metadata=command.metadata,
            reverses_transfer_id=None,
            value_date=value_date,
        ),
        MoneyDeposited(
            account_id=destination.account_id,
            version=destination.version + 1,
            transfer_id=command.transfer_id,
            leg=1,
            amount=command.amount,
            currency=destination.currency,
            counterparty=source.account_id,
            booked_after=destination.booked + command.amount,
            held_after=destination.held,
            available_after=destination.available + command.amount,
            overdraft_limit_after=destination.overdraft_limit,
            status_after=destination.status,
            description=command.description,
            metadata=command.metadata,
            reverses_transfer_id=None,
            value_date=value_date,
        ),
    )
