"""What a view's route is, and what a query parameter is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from chronos.wire.openapi import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One query parameter that a view takes; `web.parameters` reads it."""

    name: str
    text: str
    schema: dict[str, Any]
    is_group: bool = False
    """Whether it is written with a key, as `metadata[k]`."""
    is_listed: bool = False
    """Whether it takes several values, with commas."""


@dataclass(frozen=True, kw_only=True)
class ViewRoute:
    """One address of the query side."""

    name: str
    """In metrics."""
    operation: str
    """In the document."""
    path: str
    """A pattern of aiohttp; each parameter in braces stands for one id."""
    summary: str
    shape: type[msgspec.Struct] | None = None
    """Of the answer; None when it is not our JSON."""
    media_type: str = JSON
    takes: tuple[Taken, ...] = ()
    takes_event_id: bool = False
    """Whether it looks at the header `Last-Event-ID`."""
    codes: tuple[str, ...] = ()
    """By which it may refuse, besides those that any view may."""
    is_open: bool = False
    """Whether nobody is asked for a key."""
    fails_in_shape: bool = False
    """Whether 503 has the shape of the good answer."""

    @cached_property
    def names(self) -> frozenset[str]:
        """Names of its plain query parameters."""
        return frozenset(taken.name for taken in self.takes if not taken.is_group)

    @cached_property
    def groups(self) -> frozenset[str]:
        """Names of those that are written with a key."""
        return frozenset(taken.name for taken in self.takes if taken.is_group)
