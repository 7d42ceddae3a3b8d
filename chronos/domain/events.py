"""Events: what happened to one account. Past tense, immutable, numbered without gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from chronos.domain.account import AccountStatus
from chronos.domain.chart import AccountKind
from chronos.domain.ids import AccountId, TransferId


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


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyMoved:
    """What a withdrawal and a deposit have in common: one posting and the state after it."""

    account_id: AccountId
    version: int
    transfer_id: TransferId
    leg: int
    """Place of the posting in its journal entry, from 0."""
    amount: int
    """Signed effect on booked, in minor units."""
    currency: str
    counterparty: AccountId | None
    """The other account; None when the entry has more than two postings."""
    booked_after: int
    held_after: int
    available_after: int
    overdraft_limit_after: int | None
    status_after: AccountStatus
    description: str | None
    metadata: Mapping[str, str]
    reverses_transfer_id: TransferId | None
    value_date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyWithdrawn(MoneyMoved):
    """Money left the account; the amount is negative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyDeposited(MoneyMoved):
    """Money came to the account; the amount is positive."""


Event = AccountOpened | MoneyWithdrawn | MoneyDeposited
