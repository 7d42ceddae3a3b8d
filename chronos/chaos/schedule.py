"""Which fault comes when: a plan that depends on the seed alone.

Every kind comes once before any comes a second time, in an order drawn anew for each round;
within a kind its faults take turns. Two faults that hurt the same thing never overlap, and no
more than the profile allows do at all. The times are those of a machine on which healing takes
`HEALING_S`; whoever injects keeps the order and waits where it takes longer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from chronos.chaos.fault import Fault, Phase
from chronos.chaos.profile import Profile
from chronos.errors import SettingFault

HEALING_S = 6.0
"""Time that the plan leaves for a heal before the same thing is hurt again."""
_TAIL = 2.0
"""Mean pauses between the shortest and the longest pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A fault and its time, in seconds from the beginning of the time with faults."""

    fault: Fault
    begin_s: float
    duration_s: float

    @property
    def end_s(self) -> float:
        """Tells when its healing begins."""
        return self.begin_s + self.duration_s


def narrowed(faults: Iterable[Fault], kinds: Sequence[str]) -> list[Fault]:
    """Gives the faults of these kinds, all of them when no kind is named.

    Raises:
        SettingFault: There is no fault of a kind that is named.
    """
    known = list(faults)
    unknown = sorted(set(kinds) - {fault.kind for fault in known})
    if unknown:
        names = ", ".join(sorted({fault.kind for fault in known}, key=_number))
        raise SettingFault("--only", f"names {', '.join(unknown)}; it takes {names}")
    return [fault for fault in known if not kinds or fault.kind in kinds]


def faults_needed(profile: Profile, *, planned: int, is_narrowed: bool) -> int:
    """Tells how many faults make a run count.

    A run that was narrowed to a few kinds has no room for as many as a whole one: everything
    that is lost is lost once, and two kinds that hurt the same few things wait for each other.
    It needs a third of what was planned, and at least one.
    """
    if not is_narrowed:
        return profile.faults_min
    return max(1, min(profile.faults_min, math.ceil(planned / 3)))


def plan(faults: Iterable[Fault], profile: Profile, *, seed: int) -> tuple[Planned, ...]:
    """Draws the faults under load; the same seed, faults and profile give the same plan.

    A fault begins only if it also ends while the load lasts.
    """
    chance = Random(seed)  # noqa: S311 - it must be repeatable, not secret
    turns = _Turns([f for f in faults if f.phase is Phase.UNDER_LOAD], chance)
    drawn = _Drawing(profile, chance)
    return drawn.draw(turns)


class _Turns:
    """Whose turn it is: kinds in rounds, and the faults of a kind one after the other."""

    def __init__(self, faults: Sequence[Fault], chance: Random):
        self._chance = chance
        self._waiting: dict[str, list[Fault]] = {}
        for fault in faults:
            self._waiting.setdefault(fault.kind, []).append(fault)
        for kind in self._waiting:
            chance.shuffle(self._waiting[kind])
        self._round: list[str] = []

    def next(self, hurt: frozenset[str]) -> Fault | None:
        """Gives the next fault of this round that hurts none of these; None: all must wait."""
        if not self._round:
            self._round = list(self._waiting)
            self._chance.shuffle(self._round)
        for kind in self._round:
            for fault in self._waiting[kind]:
                if not fault.hits & hurt:
                    self._waiting[kind].remove(fault)
                    self._waiting[kind].append(fault)
                    self._round.remove(kind)
                    return fault
        return None

    def __bool__(self) -> bool:
        return bool(self._waiting)


class _Drawing:
    def __init__(self, profile: Profile, chance: Random):
        self._profile = profile
        self._chance = chance
        self._planned: list[Planned] = []

    def draw(self, turns: _Turns) -> tuple[Planned, ...]:
        span_s = self._profile.load_s - self._profile.base_s
        begin_s = self._pause_s()
        while turns and begin_s < span_s:
            running = self._running_at(begin_s)
            hurt = frozenset(name for one in running for name in one.fault.hits)
            is_full = len(running) >= self._profile.overlapping_max
            fault = None if is_full else turns.next(hurt)
            if fault is None:
                begin_s = min(one.end_s for one in running) + HEALING_S
                continue
            duration_s = max(fault.least_s, self._chance.uniform(*self._profile.fault_s))
            one = Planned(fault=fault, begin_s=begin_s, duration_s=duration_s)
            if one.end_s < span_s:
                self._planned.append(one)
            begin_s += self._pause_s()
        return tuple(self._planned)

    def _running_at(self, moment_s: float) -> list[Planned]:
        return [one for one in self._planned if one.end_s + HEALING_S > moment_s]

    def _pause_s(self) -> float:
        """Draws from an exponential distribution that is cut off at the longest pause."""
        shortest_s, longest_s = self._profile.pause_s
        share = self._chance.random() * (1 - math.exp(-_TAIL))
        return shortest_s - math.log(1 - share) / _TAIL * (longest_s - shortest_s)


def _number(kind: str) -> tuple[int, str]:
    digits = kind.lstrip("T")
    return (int(digits) if digits.isdigit() else 0, kind)
