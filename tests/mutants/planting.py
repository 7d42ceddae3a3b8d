"""Puts a mistake into running code, and takes it out again.

What a mutant replaces must be there: one whose target has moved would plant nothing, and its
run would say of the checkers what is not true.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

_TAKES_MORE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class TargetMoved(Exception):
    """The code that a mutant replaces is not where it was; the mutant has to follow."""


class Planting:
    """Replaces members of modules and classes; `undo` gives everything back."""

    def __init__(self) -> None:
        self._old: list[tuple[Any, str, Any]] = []

    def swap(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Replaces a member by what `make` makes of it.

        Raises:
            TargetMoved: There is no such member, or it takes other arguments than what is to
                stand in its place.
        """
        if name not in vars(owner):
            raise TargetMoved(f"{owner.__name__} has no {name} of its own any more")
        old = vars(owner)[name]
        new = make(old)
        if inspect.isfunction(old) and not _takes_the_same(old, new):
            raise TargetMoved(f"{owner.__name__}.{name} takes other arguments than the mistake")
        self._old.append((owner, name, old))
        setattr(owner, name, new)

    def undo(self) -> None:
        """Gives every member back, the last one first."""
        while self._old:
            setattr(*self._old.pop())


def _takes_the_same(old: Callable[..., Any], new: Callable[..., Any]) -> bool:
    """Tells whether who calls one could call the other: a crash is no mistake to be found."""
    taken = [inspect.signature(one).parameters.values() for one in (old, new)]
    if any(one.kind in _TAKES_MORE for one in taken[1]):
        return True
    return len(taken[0]) == len(taken[1])


def replaced_once(text: str, old: str, new: str) -> str:
    """Replaces a part of a text that must occur in it exactly once.

    Raises:
        TargetMoved: It does not.
    """
    if text.count(old) != 1:
        raise TargetMoved(f"{old!r} stands {text.count(old)} times where it stood once")
    return text.replace(old, new)
