"""Time and identifiers: the two things that the core may not take for itself.

Both are protocols, so that a test or a simulation brings its own.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in _CROCKFORD for low in _CROCKFORD]
_SHIFTS = range(120, -1, -10)


# Randomness is drawn from the system by the page: a call for each id costs more than the rest.
_CHANCE_BYTES = 10
_PAGE_IDS = 256
_chances: list[str] = []
# A forked child must not hand out what its parent holds.
os.register_at_fork(after_in_child=_chances.clear)


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
        value = int(self.event_id().replace("-", ""), 16)
        return prefix + "".join([_PAIRS[(value >> shift) & 1023] for shift in _SHIFTS])


def _draw_chance() -> str:
    """Gives 20 hexadecimal digits that nobody was given before."""
    if not _chances:
        page = os.urandom(_CHANCE_BYTES * _PAGE_IDS).hex()
        width = 2 * _CHANCE_BYTES
        _chances.extend(page[start : start + width] for start in range(0, len(page), width))
    return _chances.pop()
