"""What a sweep found: of each axis its points, of each point its rounds."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from chronos.bench.report import Report


class Axis(StrEnum):
    """What grows."""

    API = "api"
    RELAY = "relay"
    WORKERS = "workers"
    ACCOUNTS = "accounts"
    JOURNAL = "journal"

    @property
    def unit(self) -> str:
        """Names what is counted along it."""
        return "events" if self in {Axis.RELAY, Axis.WORKERS} else "transfers"


class RoundFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One round at one point.

    Attributes:
        round: From 1 on; the rounds of one number follow each other.
        per_second: Of the axis' unit.
        processor_us: What the measured processes needed of processors for one: command API and
            PostgreSQL together, or the relay, or the workers.
        p50_ms, p99_ms: Latency; nothing where a backlog was measured.
        troubles: What did not succeed, by what it was.
    """

    round: int
    per_second: float
    processor_us: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    troubles: Mapping[str, int] = {}


class PointFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One point of an axis: the medians of its rounds.

    Attributes:
        at: How many of what grows; of a journal, its events before the first round.
        per_second, processor_us, p50_ms, p99_ms: As those of a round.
        least_per_second, most_per_second: Of all rounds.
        rounds: Each round's own.
    """

    at: int
    per_second: float
    least_per_second: float
    most_per_second: float
    processor_us: float
    p50_ms: float | None
    p99_ms: float | None
    rounds: tuple[RoundFigures, ...]


class AxisFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One axis.

    Attributes:
        axis: What grows.
        unit: What is counted.
        points: In ascending order.
        by_rate: How many times as long one took at the last point as at the first: the median
            of the ratios of each round.
        by_processor: How many times as much of processors it needed.
        took_s: How long all of it took, filling and starting included.
    """

    axis: Axis
    unit: str
    points: tuple[PointFigures, ...]
    by_rate: float
    by_processor: float
    took_s: float


class GrowthReport(Report, frozen=True, kw_only=True):
    """The figures of one run."""

    axes: tuple[AxisFigures, ...]

    @property
    def troubles(self) -> Counter[str]:
        """Gives everything that a healthy run has none of, by what it is."""
        rounds = [one for axis in self.axes for point in axis.points for one in point.rounds]
        return sum((Counter(dict(one.troubles)) for one in rounds), Counter())


class Kept(NamedTuple):
    """An axis in a report that is kept."""

    report: GrowthReport
    figures: AxisFigures


def kept_axes(reports: Iterable[Mapping[str, Any]]) -> list[Kept]:
    """Gives every axis that kept reports have, each from the latest run that has it.

    Args:
        reports: As they were read; those of other benches are passed over.
    """
    sweeps = [
        msgspec.convert(report, GrowthReport)
        for report in reports
        if report.get("bench") == "growth" and "axes" in report
    ]
    latest: dict[Axis, Kept] = {}
    for sweep in sorted(sweeps, key=lambda one: one.started_at):
        latest |= {figures.axis: Kept(sweep, figures) for figures in sweep.axes}
    return [latest[axis] for axis in Axis if axis in latest]


def axis_figures(
    axis: Axis, rounds: Mapping[int, Sequence[RoundFigures]], *, took_s: float
) -> AxisFigures:
    """Adds up the rounds of an axis.

    Args:
        axis: What grew.
        rounds: Of each point, all in the same order.
        took_s: How long it took.
    """
    first, last = rounds[min(rounds)], rounds[max(rounds)]
    pairs = list(zip(first, last, strict=True))
    return AxisFigures(
        axis=axis,
        unit=axis.unit,
        points=tuple(_point(at, rounds[at]) for at in sorted(rounds)),
        by_rate=_ratio([(one.per_second, other.per_second) for one, other in pairs]),
        by_processor=_ratio([(other.processor_us, one.processor_us) for one, other in pairs]),
        took_s=round(took_s, 1),
    )


def _point(at: int, rounds: Sequence[RoundFigures]) -> PointFigures:
    rates = [one.per_second for one in rounds]
    return PointFigures(
        at=at,
        per_second=round(statistics.median(rates), 1),
        least_per_second=min(rates),
        most_per_second=max(rates),
        processor_us=round(statistics.median(one.processor_us for one in rounds), 1),
        p50_ms=_median_of_known([one.p50_ms for one in rounds]),
        p99_ms=_median_of_known([one.p99_ms for one in rounds]),
        rounds=tuple(rounds),
    )


def _median_of_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(statistics.median(known), 3) if known else None


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    ratios = [above / below for above, below in pairs if below]
    return round(statistics.median(ratios), 3) if ratios else 0.0
