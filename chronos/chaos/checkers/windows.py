"""Stretches of time on the history's clock: a moment is judged by what was hurt then."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from chronos.chaos.fault import Injection

CALM_AFTER_NS: Final = 2_000_000_000
"""From a heal until the seconds after it count as calm."""
NEVER: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Window:
    """A time on the history's clock, both ends included."""

    begin_ns: int
    end_ns: int

    def meets(self, begin_ns: int, end_ns: int) -> bool:
        """Tells whether it has a moment in common with another."""
        return self.begin_ns <= end_ns and begin_ns <= self.end_ns


def restless(one: Injection) -> Window:
    """Gives the time from a fault's beginning until the seconds after it are calm again."""
    return Window(one.begun_ns, one.ended_ns + CALM_AFTER_NS if one.ended_ns else NEVER)


def healing_ns(one: Injection) -> int:
    """Tells when a fault began to be healed."""
    return one.healing_ns or one.ended_ns or NEVER


def is_in(at_ns: int, windows: Iterable[Window]) -> bool:
    """Tells whether a moment is in one of the windows."""
    return any(window.meets(at_ns, at_ns) for window in windows)
