"""What a load run saw: counts and the distribution of latencies, the warm-up kept apart."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping

import msgspec


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one load run; the warm-up is not in them.

    Attributes:
        seconds: Counted seconds.
        booked: Answers with status 201.
        statuses: Answers by status, all of them.
        per_second: Booked transfers a second.
        p50_ms, p95_ms, p99_ms, max_ms: Latency from the moment a request was due to be sent.
        broken_connections: Connections that the server closed.
        warm_up_answers: Answers before counting began.
        driver_cpu_s: Processor seconds that the driver itself used while counting.
    """

    seconds: float
    booked: int
    statuses: Mapping[str, int]
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    broken_connections: int
    warm_up_answers: int
    driver_cpu_s: float


class Tally:
    """Counts answers; eight bytes an answer, so a run of minutes stays small."""

    def __init__(self) -> None:
        self.latencies_ns = array("q")
        self.statuses: Counter[int] = Counter()
        self.broken_connections = 0
        self.warm_up_answers = 0

    def result(self, *, seconds: float, driver_cpu_s: float) -> LoadResult:
        """Gives the figures of the counted part, which took `seconds`."""
        ordered = sorted(self.latencies_ns)
        booked = self.statuses[201]
        return LoadResult(
            seconds=round(seconds, 3),
            booked=booked,
            statuses={str(s): n for s, n in sorted(self.statuses.items())},
            per_second=round(booked / seconds, 1) if seconds > 0 else 0.0,
            p50_ms=percentile_ms(ordered, 50),
            p95_ms=percentile_ms(ordered, 95),
            p99_ms=percentile_ms(ordered, 99),
            max_ms=percentile_ms(ordered, 100),
            broken_connections=self.broken_connections,
            warm_up_answers=self.warm_up_answers,
            driver_cpu_s=round(driver_cpu_s, 3),
        )


def percentile_ms(ordered_ns: list[int], percent: int) -> float:
    """Gives the least latency that `percent` of all do not exceed (nearest rank), in ms."""
    if not ordered_ns:
        return 0.0
    rank = -(-len(ordered_ns) * percent // 100)
    return round(ordered_ns[max(rank, 1) - 1] / 1e6, 3)
