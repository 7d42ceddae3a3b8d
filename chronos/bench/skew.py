"""Which accounts a load names: all alike, some far more often, or one that all others pay."""

from __future__ import annotations

import itertools
import random
from bisect import bisect
from collections.abc import Callable
from enum import StrEnum
from typing import Final

ZIPF_EXPONENT: Final = 0.99
"""As in the YCSB benchmark: of 1,000 accounts the first has about 13 % of the traffic."""

HOT: Final = 0
"""The place of the account that all others pay."""


class Skew(StrEnum):
    """How traffic falls on accounts."""

    UNIFORM = "uniform"
    ZIPF = "zipf"
    ONE_HOT = "one-hot"


def places(skew: Skew, count: int, chance: random.Random) -> Callable[[], int]:
    """Gives a drawer of accounts to read, as places from 0 to `count` - 1."""
    drawn = chance.random
    if skew is Skew.UNIFORM:
        return lambda: int(drawn() * count)
    if skew is Skew.ONE_HOT:
        return lambda: HOT
    shares = zipf_shares(count)
    most = shares[-1]
    return lambda: bisect(shares, drawn() * most, 0, count - 1)


def pairs(skew: Skew, count: int, chance: random.Random) -> Callable[[], tuple[int, int]]:
    """Gives a drawer of two different places: who pays, and who is paid."""
    drawn = chance.random
    if skew is Skew.ONE_HOT:
        return lambda: (1 + int(drawn() * (count - 1)), HOT)
    if skew is Skew.ZIPF:
        draw = places(skew, count, chance)

        def two() -> tuple[int, int]:
            payer = paid = draw()
            while paid == payer:
                paid = draw()
            return payer, paid

        return two

    def any_two() -> tuple[int, int]:
        payer = int(drawn() * count)
        other = int(drawn() * (count - 1))
        return payer, other if other < payer else other + 1

    return any_two


def zipf_shares(count: int) -> list[float]:
    """Gives the summed shares of the accounts, the most frequent first."""
    return list(itertools.accumulate(k**-ZIPF_EXPONENT for k in range(1, count + 1)))
