"""Time and identifiers: the two things that the core may not take for itself.

Both are protocols, so that a test or a simulation brings its own.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in _CROCKFORD for low in _CROCKFORD]
_STAMP_SHIFTS = range(40, -1, -10)
_TAIL_SHIFTS = range(70, -1, -10)
_TAIL_CHANCE = (0xFFF << 64) | ((1 << 62) - 1)
_VERSION_AND_VARIANT = (7 << 76) | (2 << 62)


# Randomness is drawn from the system by the page: a call for each id costs more than the rest.
_CHANCE_BYTES = 10
_PAGE_IDS = 256
_chances: list[str] = []
# The 80 bits of an identifier behind its milliseconds, ready as text. Its first ten characters
# are the milliseconds alone: they are written once for all that are made in the same one.
_TAILS = 64
_tails: list[str] = []
# A forked child must not hand out what its parent holds.
os.register_at_fork(after_in_child=_chances.clear)
os.register_at_fork(after_in_child=_tails.clear)


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Tells the wall clock as an aware UTC instant."""
        ...

    def monotonic_s(self) -> float:
        """Tells seconds that never go back, for durations and deadlines."""
        ...


class IdSource(Protocol):
    """Makes identifiers that sort by the time of their making."""

    def event_id(self) -> str:
        """Makes a UUIDv7 in its canonical text form, 36 characters."""
        ...

    def new_id(self, prefix: str) -> str:
        """Makes `prefix` and 26 characters of lower-case Crockford base32 (a UUIDv7)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """Another machine's wall clock, read between two looks at ours."""

    theirs: datetime
    asked_at: datetime
    answered_at: datetime

    @property
    def skew_s(self) -> float:
        """Seconds that theirs is ahead of ours, give or take the doubt; negative: behind."""
        middle = self.asked_at + (self.answered_at - self.asked_at) / 2
        return (self.theirs - middle).total_seconds()

    @property
    def doubt_s(self) -> float:
        """How far the skew may be off: the question was on its way half of the time."""
        return (self.answered_at - self.asked_at).total_seconds() / 2


class SystemClock:
    """Reads the machine's clocks."""

    def now(self) -> datetime:
        """Tells the wall clock as an aware UTC instant."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Tells the monotonic clock in seconds."""
        return time.monotonic()


class SystemIds:
    """Makes identifiers from the wall clock and the system's randomness.

    Source: RFC 9562, section 5.7 (UUIDv7: 48 bits of milliseconds, version, 74 random bits).
    """

    def event_id(self) -> str:
        """Makes a UUIDv7 in its canonical text form."""
        stamp, chance = f"{time.time_ns() // 1_000_000:012x}", _draw_chance()
        variant = "89ab"[int(chance[3], 16) & 3]
        return f"{stamp[:8]}-{stamp[8:]}-7{chance[:3]}-{variant}{chance[4:7]}-{chance[8:]}"

    def new_id(self, prefix: str) -> str:
        """Makes `prefix` and the 26 base32 characters of a UUIDv7."""
        return prefix + _stamp(time.time_ns() // 1_000_000) + _draw_tail()


@lru_cache(maxsize=2)
def _stamp(milliseconds: int) -> str:
    return "".join([_PAIRS[(milliseconds >> shift) & 1023] for shift in _STAMP_SHIFTS])


def _draw_tail() -> str:
    """Gives 16 characters that nobody was given before: version, variant and chance."""
    if not _tails:
        page = os.urandom(_CHANCE_BYTES * _TAILS)
        for start in range(0, len(page), _CHANCE_BYTES):
            chance = int.from_bytes(page[start : start + _CHANCE_BYTES]) & _TAIL_CHANCE
            tail = chance | _VERSION_AND_VARIANT
            _tails.append("".join([_PAIRS[(tail >> shift) & 1023] for shift in _TAIL_SHIFTS]))
    return _tails.pop()


def _draw_chance() -> str:
    """Gives 20 hexadecimal digits that nobody was given before."""
    if not _chances:
        page = os.urandom(_CHANCE_BYTES * _PAGE_IDS).hex()
        width = 2 * _CHANCE_BYTES
        _chances.extend(page[start : start + width] for start in range(0, len(page), width))
    return _chances.pop()
