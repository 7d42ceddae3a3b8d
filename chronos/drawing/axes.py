"""From values to places in a drawing, and the ticks that make an axis legible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

TICKS_MAX: Final = 14
_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600)


class Scale(Protocol):
    """Says where a value lies, between 0 (the axis' begin) and 1."""

    def place(self, value: float) -> float:
        """Gives the place of a value."""
        ...

    def ticks(self) -> Sequence[float]:
        """Gives the values to be written on the axis."""
        ...


@dataclass(frozen=True, slots=True)
class Linear:
    """From zero to a round number above the greatest value."""

    top: float

    @classmethod
    def over(cls, values: Sequence[float]) -> Linear:
        """Makes the scale of some values."""
        return cls(_round_up(max(values, default=0.0)))

    def place(self, value: float) -> float:
        """Gives the place of a value."""
        return min(1.0, max(0.0, value / self.top))

    def ticks(self) -> Sequence[float]:
        """Gives zero, the top and what lies between."""
        return [self.top * n / 4 for n in range(5)]


@dataclass(frozen=True, slots=True)
class Log:
    """Over powers of ten; what is below `low` lies on it."""

    low: float
    top: float

    @classmethod
    def over(cls, values: Sequence[float], *, low: float) -> Log:
        """Makes the scale of some values, one power of ten at least."""
        most = max([*values, low * 10])
        return cls(low, 10.0 ** math.ceil(math.log10(most) - 1e-9))

    def place(self, value: float) -> float:
        """Gives the place of a value."""
        if value <= self.low:
            return 0.0
        decades = math.log10(self.top / self.low)
        return min(1.0, math.log10(value / self.low) / decades)

    def ticks(self) -> Sequence[float]:
        """Gives the powers of ten."""
        decades = round(math.log10(self.top / self.low))
        return [self.low * 10**n for n in range(decades + 1)]


@dataclass(frozen=True, slots=True)
class Span:
    """The time of a run in seconds; zero is when the load began."""

    begin_s: float
    end_s: float

    def place(self, value: float) -> float:
        """Gives the place of a moment."""
        return (value - self.begin_s) / (self.end_s - self.begin_s)

    def ticks(self) -> Sequence[float]:
        """Gives round moments, at most `TICKS_MAX`."""
        length_s = self.end_s - self.begin_s
        step_s = next((s for s in _STEPS_S if length_s / s < TICKS_MAX), _STEPS_S[-1])
        first = math.ceil(self.begin_s / step_s)
        return [n * step_s for n in range(first, math.floor(self.end_s / step_s) + 1)]


def clock_text(seconds: float) -> str:
    """Writes a moment as minutes and seconds: `-0:05`, `12:30`."""
    whole = round(abs(seconds))
    sign = "-" if seconds < 0 and whole else ""
    return f"{sign}{whole // 60}:{whole % 60:02}"


def number_text(value: float) -> str:
    """Writes a value of an axis, without digits that say nothing."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:g}"


def _round_up(value: float) -> float:
    if value <= 0:
        return 4.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * n for n in (1, 2, 4, 6, 8, 10) if power * n >= value * (1 - 1e-9))
