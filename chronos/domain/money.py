"""Money is a whole number of minor units; these are its bounds."""

from __future__ import annotations

AMOUNT_MAX = 2**53 - 1
"""Greatest amount and greatest absolute balance: every JSON reader holds it exactly.

Source: RFC 8259, section 6 (integers in ±(2^53 - 1) are interoperable).
"""


def within_bounds(balance: int) -> bool:
    """Tells whether a balance in minor units lies in ±AMOUNT_MAX."""
    return -AMOUNT_MAX <= balance <= AMOUNT_MAX
