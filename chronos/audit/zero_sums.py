"""Proves that every journal entry sums to zero, in constant memory and in any order.

Each entry and currency gets a weight that nobody can foretell, and the weighted amounts of all
postings are added modulo a prime. If every entry sums to zero, so does the whole. If any does
not, the whole is zero only when weights drawn by chance happen to cancel: once in 2^127. In the
same way the postings of each entry are counted against the number that its first one names.

Source: the fingerprint of R. Freivalds, "Probabilistic Machines Can Use Less Running Time",
1977.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final, NamedTuple

from chronos.domain.events import MoneyMoved

PRIME: Final = 2**127 - 1
_WEIGHT_BYTES: Final = 16


class ZeroSums:
    """Takes every event that moved money, in any order.

    Args:
        key: At least 16 bytes of chance, new for every proof.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._excess = 0
        self._surplus = 0

    def take(self, event: MoneyMoved) -> None:
        """Adds one posting."""
        name = event.transfer_id
        self._excess += self._weight(f"{name} {event.currency}") * event.amount
        counted = 1 - event.legs if event.leg == 0 else 1
        self._surplus += self._weight(name) * counted
        self._excess %= PRIME
        self._surplus %= PRIME

    @property
    def is_zero(self) -> bool:
        """Tells whether each entry taken is whole, and sums to zero in each currency."""
        return self._excess == 0 and self._surplus == 0

    def _weight(self, name: str) -> int:
        digest = blake2b(name.encode(), digest_size=_WEIGHT_BYTES, key=self._key).digest()
        return int.from_bytes(digest) % PRIME


class Excess(NamedTuple):
    """A journal entry that is not whole, or does not sum to zero in a currency."""

    transfer_id: str
    detail: str


def share_of(transfer_id: str, shares: int) -> int:
    """Tells in which share of the journal entries one is, so that each share fits in memory."""
    return zlib.crc32(transfer_id.encode()) % shares


def wrong_entries(events: Iterable[MoneyMoved]) -> Iterator[Excess]:
    """Names the entries that are wrong among those given whole; keeps them all in memory."""
    sums: Counter[tuple[str, str]] = Counter()
    surplus: Counter[str] = Counter()
    for event in events:
        sums[event.transfer_id, event.currency] += event.amount
        surplus[event.transfer_id] += 1 - event.legs if event.leg == 0 else 1
    for (transfer_id, currency), excess in sums.items():
        if excess:
            yield Excess(
                transfer_id,
                f"transfer {transfer_id} sums to {excess} in {currency}, not to zero",
            )
    for transfer_id, count in surplus.items():
        if count:
            which = "more" if count > 0 else "fewer"
            yield Excess(
                transfer_id,
                f"transfer {transfer_id} has {abs(count)} postings {which} than it names",
            )
