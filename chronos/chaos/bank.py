"""The bank of a fault run: few hot accounts, many cooler ones, two currencies."""

from __future__ import annotations

from dataclasses import dataclass

HOT_ACCOUNTS = 8
ZIPF_ACCOUNTS = 64
ZIPF_SKEW = 0.99
OVERDRAFT_LIMIT = 25
START_AMOUNT = 50
"""So few that a hot account runs dry within seconds; still, most transfers are granted."""
AMOUNT_MAX = 5
CURRENCIES = ("EUR", "JPY")
"""Exponents 2 and 0."""
SETTLEMENT = "settlement-"


@dataclass(frozen=True, slots=True, kw_only=True)
class BankAccount:
    """One account of the run; `overdraft_limit` None: a settlement account, unbounded."""

    account_id: str
    currency: str
    overdraft_limit: int | None


def accounts() -> tuple[BankAccount, ...]:
    """Gives every account; settlement accounts first, then hot ones, then by Zipf's rank.

    Currencies alternate, and of each currency every second account may be overdrawn.
    """
    opened = [
        BankAccount(account_id=SETTLEMENT + name, currency=name, overdraft_limit=None)
        for name in CURRENCIES
    ]
    names = [f"hot-{n}" for n in range(HOT_ACCOUNTS)]
    names += [f"zipf-{n:02}" for n in range(ZIPF_ACCOUNTS)]
    for n, name in enumerate(names):
        limit = OVERDRAFT_LIMIT if n % 4 >= 2 else 0
        opened.append(
            BankAccount(account_id=name, currency=CURRENCIES[n % 2], overdraft_limit=limit)
        )
    return tuple(opened)
