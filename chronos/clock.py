"""Time and identifiers: the two things that the core may not take for itself.

Both are protocols, so that a test or a simulation brings its own.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from typing import Protocol

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_BITS = 74


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
        text = f"{_uuid7():032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def new_id(self, prefix: str) -> str:
        """Makes `prefix` and the 26 base32 characters of a UUIDv7."""
        value = _uuid7()
        return prefix + "".join(
            _CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5)
        )


def _uuid7() -> int:
    random = secrets.randbits(_RANDOM_BITS)
    milliseconds = time.time_ns() // 1_000_000
    return (
        (milliseconds & ((1 << 48) - 1)) << 80
        | 0x7 << 76
        | (random >> 62) << 64
        | 0b10 << 62
        | (random & ((1 << 62) - 1))
    )
