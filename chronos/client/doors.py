"""Where a client finds its Chronos."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Where a running Chronos answers: base addresses without a trailing slash, and the key."""

    command: str
    query: str
    api_key: str = field(repr=False)
