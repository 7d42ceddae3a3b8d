"""C12: a fault of what only reads does not reach those who write.

The rule for latencies, on a machine that others share: all writes that began during faults of
the read side alone are judged together, not per fault, and neither is a write that began while
a killed server was starting again (its start takes the processors that the bank runs on; the
figure is told, not judged). Their 99th percentile may be `SLOWER_MAX` times that of calm
seconds, and anything below `FLOOR_MS` is fast enough. Calm is before the first fault, and
again between faults, from a while after the last heal to the next fault; the slower of the two
counts, so that a neighbour who came while the run lasted is not taken for a fault. The floor is
high on purpose: a write that waited for a dead reader would wait for a time-out, seconds.

The rule for rates is in `rates`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chronos.chaos.checkers.rates import LEAST, Rates
from chronos.chaos.checkers.told import WRITES, name_of
from chronos.chaos.checkers.windows import NEVER, Window, healing_ns, is_in, restless
from chronos.chaos.fault import Injection
from chronos.chaos.history import Attempt, Kind, Operation, Outcome
from chronos.chaos.verdict import Verdict, verdict

READ_SIDE: Final = frozenset({"kafka", "redis", "elasticsearch", "relay", "balances", "mirror"})
"""What may fail without any writer noticing."""
SLOWER_MAX: Final = 1.5
FLOOR_MS: Final = 250.0
PROMISE: Final = (
    "no write fails outside faults of the API and PostgreSQL, nothing is answered with 500, "
    "each 503 says after how long to come again, "
    f"and during faults of the read side p99 is at most {SLOWER_MAX} times that of calm "
    f"seconds, or {FLOOR_MS:g} ms; while Kafka stands still, at least {LEAST:g} times as many "
    "are answered as in calm seconds"
)
JUDGED_MIN: Final = 200
"""Fewer writes have no 99th percentile."""
GRACE_NS: Final = 1_000_000_000
"""After the heal of a fault of the write side: connections are made anew."""
DEADLINE_NS: Final = 2_000_000_000
"""How long a client waits for an answer."""
_SENT: Final = (Kind.TRANSFER, Kind.HOLD, Kind.CAPTURE, Kind.VOID, Kind.REVERSAL, Kind.RETRY)
_OPENING_PROCESS: Final = 0
"""Opens the bank, alone, before the load."""


def availability(history: Sequence[Operation], injections: Sequence[Injection]) -> Verdict:
    """C12: no write fails but for its own side, and none waits for the other."""
    excused = [
        Window(one.begun_ns, (one.ended_ns + GRACE_NS) if one.ended_ns else NEVER)
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
            elif attempt.status == 503 and not attempt.retry_after.isdecimal():
                wrong.append(f"{_attempt(operation, attempt, start)} without Retry-After")
    sent = [one for one in history if one.process != _OPENING_PROCESS]
    load_ns = min((one.invoked_ns for one in sent), default=0)
    writes = list(_writes(sent))
    latencies = _Latencies.of(writes, _Times(load_ns, injections, excused))
    rates = Rates.of(writes, injections, load_ns)
    wrong += [*latencies.violations(), *rates.violations()]
    promise = f"{PROMISE}: {latencies}; {rates}"
    return verdict("C12", promise, looked_at=looked_at, violations=wrong)


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


class _Times:
    """Tells of a moment under load which writes it belongs to."""

    def __init__(
        self, load_ns: int, injections: Sequence[Injection], excused: Sequence[Window]
    ):
        under_load = [one for one in injections if one.begun_ns >= load_ns]
        spared = [one for one in under_load if READ_SIDE.issuperset(one.hits)]
        self._load_ns = load_ns
        self._first_ns = min((one.begun_ns for one in under_load), default=NEVER)
        self._excused = excused
        self._hurt = [Window(one.begun_ns, healing_ns(one)) for one in spared]
        self._healing = [Window(healing_ns(one), one.ended_ns or NEVER) for one in spared]
        self._restless = [restless(one) for one in under_load]

    def place(self, at_ns: int, end_ns: int) -> str:
        """Names the group of a write, empty for none."""
        if at_ns < self._load_ns or is_in(at_ns, self._excused):
            return ""
        if is_in(at_ns, self._healing):
            return "restarting"
        if is_in(at_ns, self._hurt):
            return "during"
        if any(window.meets(at_ns, end_ns) for window in self._restless):
            return ""
        return "before" if end_ns < self._first_ns else "between"


_WORDS: Final = {
    "before": "before the first fault",
    "between": "between faults",
    "during": "during faults of the read side",
    "restarting": "while servers started again, not judged",
}


@dataclass(frozen=True, slots=True)
class _Latencies:
    """Of writes, in milliseconds, sorted, by the group of their time."""

    groups: dict[str, list[float]]

    @classmethod
    def of(cls, writes: Iterable[tuple[int, int]], times: _Times) -> _Latencies:
        groups: dict[str, list[float]] = {name: [] for name in ("", *_WORDS)}
        for at_ns, end_ns in writes:
            groups[times.place(at_ns, end_ns)].append((end_ns - at_ns) / 1e6)
        return cls({name: sorted(groups[name]) for name in _WORDS})

    def __str__(self) -> str:
        figures = ", ".join(
            f"{_p99(some):.1f} ms {_WORDS[name]} ({len(some)} writes)"
            for name, some in self.groups.items()
            if some
        )
        return f"{figures or 'no latencies'}{'' if self.is_judged else '; too few'}"

    @property
    def is_judged(self) -> bool:
        return min(map(len, (self.groups["before"], self.groups["during"]))) >= JUDGED_MIN

    def violations(self) -> Iterator[str]:
        if not self.is_judged:
            return
        calm = {
            name: _p99(self.groups[name])
            for name in ("before", "between")
            if len(self.groups[name]) >= JUDGED_MIN
        }
        found = _p99(self.groups["during"])
        allowed = max(SLOWER_MAX * max(calm.values()), FLOOR_MS)
        if found > allowed:
            told = ", ".join(f"{ms:.1f} ms {_WORDS[name]}" for name, ms in calm.items())
            yield (
                f"p99 of writes during faults of the read side is {found:.1f} ms; it was "
                f"{told}, so {allowed:.1f} ms are allowed"
            )


def _writes(history: Iterable[Operation]) -> Iterator[tuple[int, int]]:
    for operation in history:
        if operation.kind in _SENT:
            for attempt in operation.attempts:
                if attempt.outcome is not Outcome.INFO and attempt.completed_ns is not None:
                    yield attempt.invoked_ns, attempt.completed_ns


def _p99(some: Sequence[float]) -> float:
    return some[math.ceil(0.99 * len(some)) - 1] if some else 0.0
