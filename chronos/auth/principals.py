"""Who is asking, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SYSTEM: Final = "chronos"
"""Whose commands are those that nobody asks for, such as the expiry of a hold."""


class Scope(StrEnum):
    """What a key allows."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The owner of a key, and what the key allows."""

    name: str
    key_id: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Tells whether the key allows this; an admin's key allows everything."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


def is_reserved(name: str) -> bool:
    """Tells whether a name is kept for Chronos itself, in any spelling: no key is of it."""
    return name.casefold() == SYSTEM
