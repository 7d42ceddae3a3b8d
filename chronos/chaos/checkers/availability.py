"""C12: a fault of what only reads does not reach those who write.

The rule for latencies, on a machine that others share: all writes that began during faults of
the read side alone are judged together, not per fault, and neither is a write that began while
a killed server was starting again (its start takes the processors that the bank runs on; the
figure is told, not judged). Their 99th percentile may be `SLOWER_MAX` times that of the writes
of the same run that met no fault at all, those before the first and those between: others on
the machine come and go within minutes. Below `FLOOR_MS` nothing is said against it: a write
that waited for a dead reader would wait for a time-out, seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chronos.chaos.checkers.told import WRITES, name_of
from chronos.chaos.fault import Injection
from chronos.chaos.history import Attempt, Kind, Operation, Outcome
from chronos.chaos.verdict import Verdict, verdict

READ_SIDE: Final = frozenset({"kafka", "redis", "elasticsearch", "relay", "balances", "mirror"})
"""What may fail without any writer noticing."""
SLOWER_MAX: Final = 1.5
FLOOR_MS: Final = 250.0
PROMISE: Final = (
    "no write fails outside faults of the API and PostgreSQL, nothing is answered with 500, "
    f"and during faults of the read side p99 is at most {SLOWER_MAX} times that without any "
    f"fault, or {FLOOR_MS:g} ms"
)
JUDGED_MIN: Final = 200
"""Fewer writes have no 99th percentile."""
GRACE_NS: Final = 1_000_000_000
"""After the heal of a fault of the write side: connections are made anew."""
DEADLINE_NS: Final = 2_000_000_000
"""How long a client waits for an answer."""
_NEVER: Final = 1 << 62
_SENT: Final = (Kind.TRANSFER, Kind.HOLD, Kind.CAPTURE, Kind.VOID, Kind.REVERSAL, Kind.RETRY)
_OPENING_PROCESS: Final = 0
"""Opens the bank, alone, before the load."""


@dataclass(frozen=True, slots=True)
class Window:
    """A time on the history's clock, both ends included."""

    begin_ns: int
    end_ns: int

    def meets(self, begin_ns: int, end_ns: int) -> bool:
        """Tells whether it has a moment in common with another."""
        return self.begin_ns <= end_ns and begin_ns <= self.end_ns


def availability(history: Sequence[Operation], injections: Sequence[Injection]) -> Verdict:
    """C12: no write fails but for its own side, and none waits for the other."""
    excused = [
        Window(one.begun_ns, (one.ended_ns + GRACE_NS) if one.ended_ns else _NEVER)
        for one in injections
        if not READ_SIDE.issuperset(one.hits)
    ]
    start = min((one.invoked_ns for one in history), default=0)
    wrong: list[str] = []
    looked_at = 0
    for operation in history:
        is_write = operation.kind in WRITES or operation.kind is Kind.RETRY
        for attempt in operation.attempts:
            looked_at += is_write
            if attempt.status >= 500 and attempt.status != 503:
                wrong.append(
                    f"{_attempt(operation, attempt, start)} is no answer of a server in order"
                )
            elif is_write and _is_lost(attempt) and not _is_excused(attempt, excused):
                wrong.append(
                    f"{_attempt(operation, attempt, start)} outside every fault of the API and "
                    "PostgreSQL"
                )
    latencies = _Latencies.of(history, injections, excused)
    wrong += latencies.violations()
    return verdict("C12", latencies.promise(), looked_at=looked_at, violations=wrong)


def _is_lost(attempt: Attempt) -> bool:
    # A 4xx that settles nothing (another request with the key is under way) is an answer.
    return attempt.outcome is Outcome.INFO and not 400 <= attempt.status < 500


def _is_excused(attempt: Attempt, excused: Sequence[Window]) -> bool:
    end_ns = attempt.completed_ns or attempt.invoked_ns + DEADLINE_NS
    return any(window.meets(attempt.invoked_ns, end_ns) for window in excused)


def _attempt(operation: Operation, attempt: Attempt, start: int) -> str:
    at_s = (attempt.invoked_ns - start) / 1e9
    what = attempt.status or attempt.code or "no answer"
    return f"{name_of(operation)}: {what} at {at_s:.1f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Latencies:
    """Of writes, in milliseconds, sorted."""

    base: list[float]
    during: list[float]
    restarting: list[float]

    @classmethod
    def of(
        cls,
        history: Sequence[Operation],
        injections: Sequence[Injection],
        excused: Sequence[Window],
    ) -> _Latencies:
        sent = [one for one in history if one.process != _OPENING_PROCESS]
        load_ns = min((one.invoked_ns for one in sent), default=0)
        under_load = [one for one in injections if one.begun_ns >= load_ns]
        spared = [one for one in under_load if READ_SIDE.issuperset(one.hits)]
        hurt = [Window(one.begun_ns, _healing(one)) for one in spared]
        healing = [Window(_healing(one), one.ended_ns or _NEVER) for one in spared]
        found: dict[str, list[float]] = {"base": [], "during": [], "restarting": []}
        for at_ns, end_ns in _writes(sent):
            if any(window.meets(at_ns, end_ns) for window in excused):
                continue
            if _is_in(at_ns, healing):
                place = "restarting"
            elif _is_in(at_ns, hurt):
                place = "during"
            else:
                place = "base"
            found[place].append((end_ns - at_ns) / 1e6)
        return cls(**{place: sorted(some) for place, some in found.items()})

    def promise(self) -> str:
        """Says the rule and the figures."""
        figures = ", ".join(
            f"{_p99(some):.1f} ms {when} ({len(some)} writes)"
            for when, some in (
                ("without", self.base),
                ("during", self.during),
                ("while servers started again, not judged", self.restarting),
            )
            if some
        )
        return f"{PROMISE}: {figures or 'no figures'}{'' if self.is_judged else '; too few'}"

    @property
    def is_judged(self) -> bool:
        return min(len(self.base), len(self.during)) >= JUDGED_MIN

    def violations(self) -> Iterator[str]:
        if not self.is_judged:
            return
        allowed = max(SLOWER_MAX * _p99(self.base), FLOOR_MS)
        if _p99(self.during) > allowed:
            yield (
                f"p99 of writes during faults of the read side is {_p99(self.during):.1f} ms, "
                f"without any fault it was {_p99(self.base):.1f} ms; "
                f"{allowed:.1f} ms are allowed"
            )


def _healing(one: Injection) -> int:
    return one.healing_ns or one.ended_ns or _NEVER


def _writes(history: Iterable[Operation]) -> Iterator[tuple[int, int]]:
    for operation in history:
        if operation.kind in _SENT:
            for attempt in operation.attempts:
                if attempt.outcome is not Outcome.INFO and attempt.completed_ns is not None:
                    yield attempt.invoked_ns, attempt.completed_ns


def _is_in(at_ns: int, windows: Iterable[Window]) -> bool:
    return any(window.meets(at_ns, at_ns) for window in windows)


def _p99(some: Sequence[float]) -> float:
    return some[math.ceil(0.99 * len(some)) - 1] if some else 0.0
