"""Journal entries: any number of postings that sum to zero in each currency, or none at all.

Transfers, entries, exchanges, reversals and captures differ in how their postings come about.
Whether postings may be booked is decided here, for all of them alike. The order of the checks
is part of the contract: what is wrong with the request itself comes before what is wrong with
the present state, and the funds come last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from chronos.domain import checks
from chronos.domain.account import AccountState, AccountStatus
from chronos.domain.events import MoneyDeposited, MoneyEvent, MoneyWithdrawn
from chronos.domain.ids import AccountId, TransferId
from chronos.domain.money import balances_fit
from chronos.domain.rejections import Rejected, RejectionCode
from chronos.domain.states import States


# Tuples, not data classes: two legs and an entry are made for every transfer.
class Leg(NamedTuple):
    """One posting that is to be booked."""

    account_id: AccountId
    amount: int
    """Signed, minor units, not zero."""
    currency: str
    counterparty: AccountId | None
    pointer: str | None = None
    """The field of the request that names the account."""
    amount_pointer: str | None = None


class Entry(NamedTuple):
    """One journal entry that is to be booked; no account twice."""

    transfer_id: TransferId
    legs: tuple[Leg, ...]
    description: str | None
    value_date: date | None
    metadata: Mapping[str, str]
    expected_versions: Mapping[AccountId, int]
    external_id: str | None = None
    reverses: TransferId | None = None
    id_pointer: str = "/id"
    """The field of the request that may name the entry."""


_Touched = tuple[Leg, AccountState]
"""A posting, and its account as the entry finds it."""


def book(
    entry: Entry, states: States, accounts: Mapping[AccountId, AccountState]
) -> tuple[MoneyEvent, ...] | Rejected:
    """Books an entry if all its accounts are there, may move the money, and can pay.

    Args:
        entry: What is to be booked.
        states: The world.
        accounts: The accounts as the entry finds them; a capture's hold has ended in them.

    Returns:
        One event for each leg, in their order.
    """
    touched: list[_Touched] = []
    for leg in entry.legs:
        account = accounts.get(leg.account_id)
        if account is None:
            return checks.not_found(leg.account_id, leg.pointer)
        touched.append((leg, account))
    refused = _unfit(entry, states, touched) or _unpayable(touched)
    if refused is not None:
        return refused
    value_date = entry.value_date or states.booking_date
    return tuple(
        [
            _event(entry, leg, number, account, value_date)
            for number, (leg, account) in enumerate(touched)
        ]
    )


def _unfit(entry: Entry, states: States, touched: Sequence[_Touched]) -> Rejected | None:
    for leg, account in touched:
        if account.currency != leg.currency:
            return checks.wrong_currency(account, leg.currency, leg.pointer)
    if entry.value_date is not None:
        accounts = (account for _, account in touched)
        refused = checks.wrong_value_date(entry.value_date, states.booking_date, accounts)
        if refused is not None:
            return refused
    if entry.transfer_id in states.transfers:
        return Rejected(
            code=RejectionCode.TRANSFER_EXISTS,
            detail=f"Transfer {entry.transfer_id} exists already.",
            pointer=entry.id_pointer,
        )
    if entry.expected_versions:
        before = {leg.account_id: states.accounts[leg.account_id] for leg in entry.legs}
        return checks.wrong_versions(entry.expected_versions, before)
    return None


def _unpayable(touched: Sequence[_Touched]) -> Rejected | None:
    for leg, account in touched:
        if account.status is not AccountStatus.OPEN:
            refused = checks.forbidden(account, paying=leg.amount < 0)
            if refused is not None:
                return refused
    for leg, account in touched:
        if leg.amount < 0 and not account.can_pay(-leg.amount):
            return checks.insufficient(account, -leg.amount, leg.amount_pointer)
    for leg, account in touched:
        booked = account.booked + leg.amount
        if not balances_fit(booked, account.held, account.overdraft_limit):
            return checks.balance_limit(account.account_id, leg.amount_pointer)
    return None


def _event(
    entry: Entry, leg: Leg, number: int, account: AccountState, value_date: date
) -> MoneyEvent:
    event_class = MoneyDeposited if leg.amount > 0 else MoneyWithdrawn
    return event_class(
        account_id=account.account_id,
        version=account.version + 1,
        currency=account.currency,
        booked_after=account.booked + leg.amount,
        held_after=account.held,
        available_after=account.available + leg.amount,
        overdraft_limit_after=account.overdraft_limit,
        status_after=account.status,
        description=entry.description,
        metadata=entry.metadata,
        value_date=value_date,
        transfer_id=entry.transfer_id,
        leg=number,
        legs=len(entry.legs),
        amount=leg.amount,
        counterparty=leg.counterparty,
        external_id=entry.external_id,
        reverses_transfer_id=entry.reverses,
    )
