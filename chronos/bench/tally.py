"""What a load run saw: counts and the distribution of latencies, the warm-up kept apart."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping

import msgspec

from chronos.bench.answers import Answer, Worth


class GroupFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The latencies of one group of requests."""

    answers: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one load run; the warm-up is not in them.

    Attributes:
        seconds: Counted seconds.
        done: What was done in them: transfers booked, reads answered.
        per_second: Done a second.
        p50_ms, p95_ms, p99_ms, max_ms: Latency of every request that was due in the counted
            seconds, whenever it was answered, from the moment it was due to be sent.
        statuses: Answers in the counted seconds, by status.
        failures: What did not succeed, by status and problem code.
        due: Requests that were due in the counted seconds.
        unanswered: Those of them without an answer long after the end.
        broken_connections: Connections that the server closed.
        warm_up_answers: Answers before counting began.
        driver_cpu_s: Processor seconds that the driver itself used while counting.
        driver_cpu_us: The same for each answer, in microseconds.
        groups: The latencies of each group of requests.
    """

    seconds: float
    done: int
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    statuses: Mapping[str, int]
    failures: Mapping[str, int]
    due: int
    unanswered: int
    broken_connections: int
    warm_up_answers: int
    driver_cpu_s: float
    driver_cpu_us: float
    groups: tuple[GroupFigures, ...]

    @property
    def troubles(self) -> dict[str, int]:
        """Gives everything that a healthy run has none of."""
        found = {
            **self.failures,
            "unanswered": self.unanswered,
            "broken connections": self.broken_connections,
            "runs in which nothing was done": int(self.done == 0),
        }
        return {what: count for what, count in found.items() if count}


class Tally:
    """Counts answers; eight bytes for each, so a run of minutes stays small."""

    def __init__(self, groups: int = 1) -> None:
        self._latencies_ns = [array("q") for _ in range(groups)]
        self._statuses: Counter[int] = Counter()
        self._failures: Counter[str] = Counter()
        self._answers = 0
        self._done = 0
        self._due = 0
        self._unanswered = 0
        self.broken_connections = 0
        self.warm_up_answers = 0

    def answered(self, answer: Answer, worth: Worth) -> None:
        """Counts an answer of the counted seconds."""
        self._answers += 1
        self._statuses[answer.status] += 1
        self._done += worth.done
        if worth.failures:
            self._failures.update(worth.failures)

    def answered_late(self, worth: Worth) -> None:
        """Counts an answer that came after the end, to a request that was due before it."""
        if worth.failures:
            self._failures.update(worth.failures)

    def took(self, group: int, latency_ns: int) -> None:
        """Counts the latency of a request that was due in the counted seconds."""
        self._due += 1
        self._latencies_ns[group].append(latency_ns)

    def gave_up(self, group: int, waited_ns: int) -> None:
        """Counts such a request for whose answer nobody waits any more."""
        self._unanswered += 1
        self.took(group, waited_ns)

    def lost(self) -> None:
        """Counts such a request whose connection broke; it has no latency."""
        self._unanswered += 1
        self._due += 1

    def result(self, *, seconds: float, driver_cpu_s: float) -> LoadResult:
        """Gives the figures of the counted part, which took `seconds`."""
        ordered = sorted(one for group in self._latencies_ns for one in group)
        return LoadResult(
            seconds=round(seconds, 3),
            done=self._done,
            per_second=round(self._done / seconds, 1) if seconds > 0 else 0.0,
            p50_ms=percentile_ms(ordered, 50),
            p95_ms=percentile_ms(ordered, 95),
            p99_ms=percentile_ms(ordered, 99),
            max_ms=percentile_ms(ordered, 100),
            statuses={str(s): n for s, n in sorted(self._statuses.items())},
            failures=dict(self._failures.most_common()),
            due=self._due,
            unanswered=self._unanswered,
            broken_connections=self.broken_connections,
            warm_up_answers=self.warm_up_answers,
            driver_cpu_s=round(driver_cpu_s, 3),
            driver_cpu_us=round(driver_cpu_s * 1e6 / max(1, self._answers), 1),
            groups=tuple(_group(one) for one in self._latencies_ns),
        )


def _group(latencies_ns: array[int]) -> GroupFigures:
    ordered = sorted(latencies_ns)
    return GroupFigures(
        answers=len(ordered),
        p50_ms=percentile_ms(ordered, 50),
        p99_ms=percentile_ms(ordered, 99),
        max_ms=percentile_ms(ordered, 100),
    )


def percentile_ms(ordered_ns: list[int], percent: int) -> float:
    """Gives the least latency that `percent` of all do not exceed (nearest rank), in ms."""
    if not ordered_ns:
        return 0.0
    rank = -(-len(ordered_ns) * percent // 100)
    return round(ordered_ns[max(rank, 1) - 1] / 1e6, 3)
