"""Loads in rounds, beside pgbench when asked, and the report of them.

The two are measured in turn, round by round, so that a change in what the machine gives meets
both; each figure is the median of the rounds, the ratio too: the median of the rounds' own.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from chronos.bench.driving import run_load
from chronos.bench.load import LoadPlan
from chronos.bench.pgbench import Pgbench, PgbenchResult, pgbench_beside
from chronos.bench.report import BenchFault, Report
from chronos.bench.skew import ZIPF_EXPONENT, Skew
from chronos.bench.stack import Side
from chronos.bench.tally import LoadResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What all loads have in common; the words are those of the command's options."""

    seconds: float
    warm_up_s: float
    connections: int
    rate: float | None
    accounts: int
    skew: Skew
    rounds: int

    def facts(self) -> dict[str, Any]:
        """Gives the settings that a report tells."""
        return {
            "loop": "closed" if self.rate is None else "open",
            "rate": self.rate,
            "connections": self.connections,
            "accounts": self.accounts,
            "skew": self.skew.value,
            "zipf_exponent": ZIPF_EXPONENT if self.skew is Skew.ZIPF else None,
            "seconds": self.seconds,
            "warm_up_s": self.warm_up_s,
            "rounds": self.rounds,
        }


class LoadReport(Report, frozen=True, kw_only=True):
    """The figures of a load.

    Attributes:
        unit: What is counted.
        per_second: Of it; like the latencies the median of the rounds.
        p50_ms, p95_ms, p99_ms: Latency of a request.
        max_ms: The longest of all rounds.
        driver_share: Processors that the load driver itself kept busy: they are missing to
            what is measured.
        rounds: Each round's own figures.
        pgbench_per_second: Transactions of the yardstick.
        pgbench: Each round's own.
        ratio: Of the unit a second to the yardstick's transactions a second.
    """

    unit: str
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    driver_share: float
    rounds: tuple[LoadResult, ...]
    pgbench_per_second: float | None = None
    pgbench: tuple[PgbenchResult, ...] = ()
    ratio: float | None = None

    @property
    def troubles(self) -> Counter[str]:
        """Gives everything that a healthy run has none of, by what it is."""
        return sum((Counter(one.troubles) for one in self.rounds), Counter())


async def run_rounds(
    side: Side,
    plans: list[LoadPlan],
    *,
    unit: str,
    is_against_pgbench: bool,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Runs a load for each plan; gives the figures of a `LoadReport`, by name.

    Raises:
        BenchFault: The driver failed, or PostgreSQL is out of reach for the yardstick.
        EmbeddedFault: pgbench failed.
    """
    loads: list[LoadResult] = []
    yards: list[PgbenchResult] = []
    async with AsyncExitStack() as stack:
        yard: Pgbench | None = None
        if is_against_pgbench:
            if not side.postgres_dsn:
                raise BenchFault(
                    "pgbench needs the PostgreSQL behind these addresses: name the data folder "
                    "with --data, or leave --against away."
                )
            yard = await stack.enter_async_context(pgbench_beside(side))
        for number, plan in enumerate(plans, start=1):
            loads.append(await run_load(plan))
            say(f"round {number}: {describe(loads[-1], unit)}")
            if yard is not None:
                yards.append(await yard.measure(plan.seconds))
                say(f"round {number}: pgbench {yards[-1].per_second:,.0f} a second")
    return _figures(loads, yards, unit)


def describe(result: LoadResult, unit: str) -> str:
    """Gives one line with the figures of a load."""
    troubles = ", ".join(f"{count} x {what}" for what, count in result.troubles.items())
    return (
        f"{result.per_second:,.0f} {unit} a second; p50 {result.p50_ms:.1f} ms, "
        f"p95 {result.p95_ms:.1f} ms, p99 {result.p99_ms:.1f} ms, max {result.max_ms:.1f} ms; "
        f"the driver took {result.driver_cpu_us:.0f} µs of processor for each answer"
        + (f"; NOT DONE: {troubles}" if troubles else "")
    )


def _figures(loads: list[LoadResult], yards: list[PgbenchResult], unit: str) -> dict[str, Any]:
    ratios = [
        load.per_second / yard.per_second for load, yard in zip(loads, yards, strict=False)
    ]
    return {
        "unit": unit,
        "per_second": _median([one.per_second for one in loads], 1),
        "p50_ms": _median([one.p50_ms for one in loads]),
        "p95_ms": _median([one.p95_ms for one in loads]),
        "p99_ms": _median([one.p99_ms for one in loads]),
        "max_ms": max(one.max_ms for one in loads),
        "driver_share": _median([one.driver_cpu_s / one.seconds for one in loads]),
        "rounds": tuple(loads),
        "pgbench_per_second": _median([one.per_second for one in yards], 1) if yards else None,
        "pgbench": tuple(yards),
        "ratio": _median(ratios) if ratios else None,
    }


def _median(values: list[float], digits: int = 3) -> float:
    return round(statistics.median(values), digits)
