"""Time and identifiers: the two things that the core may not take for itself.

Both are protocols, so that a test or a simulation brings its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

_CROCKFORD = b"0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [chr(high) + chr(low) for high in _CROCKFORD for low in _CROCKFORD]
_STAMP_SHIFTS = range(40, -1, -10)


def _digits_by_bits(digits: bytes) -> bytes:
    """Gives the table that makes one of these digits of each byte, all equally often."""
    return digits * (256 // len(digits))


# Randomness is drawn from the system by the page, and a page becomes digits at once, each of a
# byte of its own: a call for each id, or work on each digit of it, costs more than the rest.
_PAGE_IDS = 128
_BASE32 = _digits_by_bits(_CROCKFORD)
_HEX = _digits_by_bits(b"0123456789abcdef")
# The digits of which some bits are the version (0111) or the variant (10).
_VERSION_BASE32 = _digits_by_bits(b"ef")
_VARIANT_BASE32 = _digits_by_bits(b"89abrstv")
_VARIANT_HEX = _digits_by_bits(b"89ab")
# What follows the milliseconds of an identifier, ready as text. Those are its beginning alone:
# they are written once for all that are made in the same one.
_TAIL_BASE32 = 16
_TAIL_HEX = len("-7000-8000-000000000000")
_tails_base32: list[str] = []
_tails_hex: list[str] = []
# A forked child must not hand out what its parent holds.
os.register_at_fork(after_in_child=_tails_base32.clear)
os.register_at_fork(after_in_child=_tails_hex.clear)


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
        if not _tails_hex:
            _draw_hex()
        return _stamp_hex(time.time_ns() // 1_000_000) + _tails_hex.pop()

    def new_id(self, prefix: str) -> str:
        """Makes `prefix` and the 26 base32 characters of a UUIDv7."""
        if not _tails_base32:
            _draw_base32()
        return prefix + _stamp_base32(time.time_ns() // 1_000_000) + _tails_base32.pop()


@lru_cache(maxsize=2)
def _stamp_base32(milliseconds: int) -> str:
    return "".join([_PAIRS[(milliseconds >> shift) & 1023] for shift in _STAMP_SHIFTS])


@lru_cache(maxsize=2)
def _stamp_hex(milliseconds: int) -> str:
    digits = f"{milliseconds:012x}"
    return f"{digits[:8]}-{digits[8:]}"


def _draw_base32() -> None:
    """Makes a page of ends that nobody was given before: version, variant and chance."""
    chance = os.urandom(_PAGE_IDS * _TAIL_BASE32)
    page = bytearray(chance.translate(_BASE32))
    page[0::_TAIL_BASE32] = chance[0::_TAIL_BASE32].translate(_VERSION_BASE32)
    page[3::_TAIL_BASE32] = chance[3::_TAIL_BASE32].translate(_VARIANT_BASE32)
    _tails_base32.extend(_parted(page, _TAIL_BASE32))


def _draw_hex() -> None:
    """Makes the same as `_draw_base32` in the other form."""
    chance = os.urandom(_PAGE_IDS * _TAIL_HEX)
    page = bytearray(chance.translate(_HEX))
    page[1::_TAIL_HEX] = b"7" * _PAGE_IDS
    page[6::_TAIL_HEX] = chance[6::_TAIL_HEX].translate(_VARIANT_HEX)
    for place in (0, 5, 10):
        page[place::_TAIL_HEX] = b"-" * _PAGE_IDS
    _tails_hex.extend(_parted(page, _TAIL_HEX))


def _parted(page: bytearray, width: int) -> Iterator[str]:
    text = page.decode("ascii")
    return (text[start : start + width] for start in range(0, len(text), width))
