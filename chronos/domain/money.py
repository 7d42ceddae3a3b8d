"""Money is a whole number of minor units; these are its bounds."""

from __future__ import annotations

AMOUNT_MAX = 2**53 - 1
"""Greatest amount and greatest absolute balance: every JSON reader holds it exactly.

Source: RFC 8259, section 6 (integers in ±(2^53 - 1) are interoperable).
"""


def within_bounds(balance: int) -> bool:
    """Tells whether a balance in minor units lies in ±AMOUNT_MAX."""
    return -AMOUNT_MAX <= balance <= AMOUNT_MAX


def balances_fit(booked: int, held: int, limit: int | None) -> bool:
    """Tells whether booked and available lie in ±AMOUNT_MAX, also when any open hold ends.

    Args:
        booked: The booked balance.
        held: Sum of the open holds, which makes available smaller and may go any time.
        limit: The overdraft limit, which is part of available.
    """
    free = booked + (limit or 0)
    return within_bounds(booked) and free <= AMOUNT_MAX and free - held >= -AMOUNT_MAX
