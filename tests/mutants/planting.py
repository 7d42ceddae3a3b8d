"""Puts a mistake into running code, and takes it out again.

What a mutant replaces must be there: one whose target has moved would plant nothing, and its
run would say of the checkers what is not true.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class TargetMoved(Exception):
    """The code that a mutant replaces is not where it was; the mutant has to follow."""


class Planting:
    """Replaces members of modules and classes; `undo` gives everything back."""

    def __init__(self) -> None:
        self._old: list[tuple[Any, str, Any]] = []

    def swap(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Replaces a member by what `make` makes of it.

        Raises:
            TargetMoved: There is no such member.
        """
        if name not in vars(owner):
            raise TargetMoved(f"{owner.__name__} has no {name} of its own any more")
        old = vars(owner)[name]
        self._old.append((owner, name, old))
        setattr(owner, name, make(old))

    def undo(self) -> None:
        """Gives every member back, the last one first."""
        while self._old:
            setattr(*self._old.pop())


def replaced_once(text: str, old: str, new: str) -> str:
    """Replaces a part of a text that must occur in it exactly once.

    Raises:
        TargetMoved: It does not.
    """
    if text.count(old) != 1:
        raise TargetMoved(f"{old!r} stands {text.count(old)} times where it stood once")
    return text.replace(old, new)
