"""Trace context: the caller's `traceparent` is kept, stored with its events and sent onwards.

Its last digit says whether a span of that name was recorded. Where Chronos records none
(`chronos.telemetry.spans`), a caller's value is passed on as it came: a new parent id would
name a span that nobody ever stored. Without a usable value a new trace begins, not sampled.

Source: W3C Trace Context, level 1, sections 3.2 (traceparent) and 4 (mutating it).
"""

from __future__ import annotations

import random
import re
from typing import Final

_KNOWN = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", re.ASCII)
_LATER = re.compile(
    r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-[!-~]*)?", re.ASCII
)
_LENGTH_MAX = 128
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16
_ODD: Final = frozenset("13579bdf")


def accept_traceparent(header: str | None) -> str:
    """Gives the caller's traceparent in the form of version 00, or a new one.

    A value of a later version is read as the standard asks: by its first four fields.
    """
    if header is not None and is_valid_traceparent(header):
        return "00" + header[2:55]
    return new_traceparent()


def is_valid_traceparent(header: str) -> bool:
    """Tells whether the value names a trace and a span."""
    if len(header) > _LENGTH_MAX:
        return False
    match = _KNOWN.fullmatch(header)
    if match is None and not header.startswith("00"):
        match = _LATER.fullmatch(header)
    return match is not None and match[1] != _NO_TRACE and match[2] != _NO_SPAN


def new_traceparent() -> str:
    """Begins a trace of which nothing is recorded here."""
    # Not a secret: the generator in the process is enough, and costs no system call.
    digits = f"{random.getrandbits(192):048x}"
    return f"00-{digits[:32]}-{digits[32:]}-00"


def new_span_id() -> str:
    """Draws the id of a span: 16 hexadecimal digits, not all zero."""
    return f"{random.getrandbits(64) | 1:016x}"


def trace_id_of(traceparent: str) -> str:
    """Gives the 32 hexadecimal digits of the trace."""
    return traceparent[3:35]


def span_id_of(traceparent: str) -> str:
    """Gives the 16 hexadecimal digits of the span."""
    return traceparent[36:52]


def is_sampled(traceparent: str) -> bool:
    """Tells whether the span that the value names is recorded; the value is of version 00."""
    return len(traceparent) == 55 and traceparent[54] in _ODD
