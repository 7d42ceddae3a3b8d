"""The chart of accounts: the class of each kind of account, and the side that increases it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class AccountKind(StrEnum):
    """Says whose money an account shows: a customer's, or the bank's own for one purpose."""

    CUSTOMER = "customer"
    SETTLEMENT = "settlement"
    SUSPENSE = "suspense"
    POSITION = "position"
    INCOME = "income"
    EXPENSE = "expense"
    EQUITY = "equity"


class AccountClass(StrEnum):
    """The five classes of double-entry book-keeping."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    INCOME = "income"
    EXPENSE = "expense"


class Side(StrEnum):
    """A side of an account."""

    DEBIT = "debit"
    CREDIT = "credit"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartLine:
    """Says where a kind of account stands, and whether it may go below zero freely."""

    account_class: AccountClass
    normal_side: Side
    bounded: bool
    """True: never below minus the overdraft limit. False: unbounded unless a limit is set."""


CHART: dict[AccountKind, ChartLine] = {
    AccountKind.CUSTOMER: ChartLine(
        account_class=AccountClass.LIABILITY, normal_side=Side.CREDIT, bounded=True
    ),
    AccountKind.SETTLEMENT: ChartLine(
        account_class=AccountClass.ASSET, normal_side=Side.DEBIT, bounded=False
    ),
    AccountKind.SUSPENSE: ChartLine(
        account_class=AccountClass.LIABILITY, normal_side=Side.CREDIT, bounded=False
    ),
    AccountKind.POSITION: ChartLine(
        account_class=AccountClass.ASSET, normal_side=Side.DEBIT, bounded=False
    ),
    AccountKind.INCOME: ChartLine(
        account_class=AccountClass.INCOME, normal_side=Side.CREDIT, bounded=False
    ),
    AccountKind.EXPENSE: ChartLine(
        account_class=AccountClass.EXPENSE, normal_side=Side.DEBIT, bounded=False
    ),
    AccountKind.EQUITY: ChartLine(
        account_class=AccountClass.EQUITY, normal_side=Side.CREDIT, bounded=False
    ),
}
"""Amounts are stored signed: a credit is positive, a debit negative, for every kind."""
