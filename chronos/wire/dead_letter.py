"""The headers by which a dead letter says where it was found, by whom and why it was moved.

They stand behind the record's own headers, the place first: what stands before the last place
is the record's own, whatever it is called. It may be called so by chance or to mislead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

FOUND_AT: Final = "chronos_found_at"
FOUND_BY: Final = "chronos_found_by"
REASON: Final = "chronos_reason"
WRITTEN_AT: Final = "chronos_written_at"
LEFT_OUT: Final = "chronos_left_out"
OURS: Final = (FOUND_AT, FOUND_BY, REASON, WRITTEN_AT, LEFT_OUT)

Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a foreign record was found, and what is known of it."""

    found_at: str
    """Topic, partition and offset: `topic/3/17`."""
    found_by: str | None
    """The agent that met it; None for a record of an earlier version."""
    reason: str | None
    """What it lacks."""
    written_at: str | None
    """When it was written to that topic, as an RFC 3339 instant."""
    left_out: str | None = None
    """Size and SHA-256 of a value that is too large to be moved: it lies where it was found."""


def origin_headers(origin: Origin) -> list[tuple[str, bytes]]:
    """Gives the headers to put behind the record's own."""
    pairs = (
        (FOUND_AT, origin.found_at),
        (FOUND_BY, origin.found_by),
        (REASON, origin.reason),
        (WRITTEN_AT, origin.written_at),
        (LEFT_OUT, origin.left_out),
    )
    return [(name, text.encode()) for name, text in pairs if text is not None]


def read_origin(headers: Headers) -> tuple[Origin, list[tuple[str, bytes]]]:
    """Reads what `origin_headers` wrote, and gives the record's own headers beside it."""
    own = list(headers)
    found: dict[str, str] = {}
    while own and own[-1][0] in OURS and FOUND_AT not in found:
        name, value = own.pop()
        found[name] = _text(value)
    origin = Origin(
        found_at=found.get(FOUND_AT, ""),
        found_by=found.get(FOUND_BY),
        reason=found.get(REASON),
        written_at=found.get(WRITTEN_AT),
        left_out=found.get(LEFT_OUT),
    )
    return origin, own


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
