"""From two looks at counters to what happened in between.

A counter only grows, until its process starts again and it begins anew at 0. So when the
process has another start time, or a counter is smaller than it was, all that it shows now was
counted since: never a negative rate, and never one of a whole life in a second.

Source: Prometheus, "Query functions", increase() and histogram_quantile().
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from chronos.watch.scraping import Scrape, Series

SPAN_S_MIN: Final = 0.05
"""Two looks that are closer say nothing of a second."""
_LE: Final = "le"


class Between:
    """What the counters of one process did between two scrapes of it."""

    def __init__(self, before: Scrape, after: Scrape):
        self._before = before.samples
        self._after = after.samples
        self.span_s = after.at_s - before.at_s
        self.restarted = is_another(before, after)

    @property
    def is_known(self) -> bool:
        """Whether both scrapes have numbers, far enough apart."""
        return bool(self._before and self._after) and self.span_s >= SPAN_S_MIN

    def has(self, name: str) -> bool:
        """Tells whether the process has such a counter, or its like of another label."""
        return any(known == name for known, _ in self._after)

    def by_labels(self, name: str) -> Mapping[tuple[tuple[str, str], ...], float]:
        """Gives how much each series of a counter grew, by its labels."""
        return {
            labels: self._grown((known, labels), value)
            for (known, labels), value in self._after.items()
            if known == name
        }

    def total(self, name: str, **labels: str) -> float:
        """Gives how much a counter grew in all its series that have these labels."""
        wanted = set(labels.items())
        return sum(
            grown for found, grown in self.by_labels(name).items() if wanted.issubset(found)
        )

    def _grown(self, series: Series, value: float) -> float:
        old = 0.0 if self.restarted else self._before.get(series, 0.0)
        return max(0.0, value - old if value >= old else value)


def is_another(before: Scrape, after: Scrape) -> bool:
    """Tells whether a process has been started anew between two scrapes of its address."""
    was, now = before.started_at_s, after.started_at_s
    return was is not None and now is not None and was != now


def buckets_of(
    grown: Iterable[tuple[tuple[tuple[str, str], ...], float]],
) -> dict[float, float]:
    """Adds up the buckets of histograms with the same bounds, by their upper bound."""
    buckets: dict[float, float] = {}
    for labels, count in grown:
        bound = dict(labels).get(_LE)
        if bound is not None:
            buckets[float(bound)] = buckets.get(float(bound), 0.0) + count
    return buckets


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """Estimates below which value a share of the observations lie; None without any.

    Inside of a bucket they are taken as spread evenly. What lies above the last bound is told
    as that bound: it is at least as much.
    """
    bounds = sorted(buckets)
    if not bounds or buckets[bounds[-1]] <= 0:
        return None
    rank = share * buckets[bounds[-1]]
    below, low = 0.0, 0.0
    for bound in bounds:
        count = buckets[bound]
        if count >= rank and count > below:
            if math.isinf(bound):
                return low
            return low + (bound - low) * (rank - below) / (count - below)
        below, low = max(below, count), bound if not math.isinf(bound) else low
    return low
