"""Sweeps one axis after the other, each on servers of its own, into one report.

The points of an axis have their rounds in turn, so that a busy minute of the machine meets all
of them; compare points of one axis, and axes of one run only where the load average was low.
What it costs is told twice: by how many there were a second, and by the time that the measured
processes had of processors for one, which a busy machine changes less.
"""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from chronos.bench.growth import read_side, write_side
from chronos.bench.growth.figures import (
    Axis,
    AxisFigures,
    GrowthReport,
    RoundFigures,
    axis_figures,
)
from chronos.bench.growth.ground import Ground, GrowthPlan, OpenAxis, turns
from chronos.bench.load import USUAL_ACCOUNTS
from chronos.bench.report import Start

_AXES: Final[Mapping[Axis, OpenAxis]] = {
    Axis.API: write_side.api_processes,
    Axis.RELAY: read_side.relay_shards,
    Axis.WORKERS: read_side.workers,
    Axis.ACCOUNTS: write_side.accounts,
    Axis.JOURNAL: write_side.journal,
}


async def measure_growth(ground: Ground) -> GrowthReport:
    """Measures every axis of the plan.

    Raises:
        ChronosError: A part could not be started.
        BenchFault: The load driver failed, or a stage stood still.
    """
    start, plan = Start(ground.clock), ground.plan
    head: dict[str, Any] = {}
    axes: list[AxisFigures] = []
    for axis, points in plan.axes.items():
        began_s = time.monotonic()
        rounds: dict[int, list[RoundFigures]] = defaultdict(list)
        async with _AXES[axis](ground, points) as opened:
            for number, point in turns(points, plan.rounds):
                rounds[point].append(await opened.measure(point, number))
                ground.news.say(_line(axis, point, rounds[point][-1]))
            head = await start.head(
                "growth",
                "throughput against the size of one thing after the other",
                settings=_facts(plan),
                postgres_dsn=opened.postgres_dsn,
            )
        axes.append(axis_figures(axis, rounds, took_s=time.monotonic() - began_s))
        # The next axis may need the room: ten million events are ten gigabytes.
        shutil.rmtree(ground.folder_of(axis))
    return GrowthReport(**head, axes=tuple(axes))


def _facts(plan: GrowthPlan) -> dict[str, Any]:
    return {
        "points": {axis.value: list(points) for axis, points in plan.axes.items()},
        # What does not grow on the other axes.
        "accounts": USUAL_ACCOUNTS,
        "api_processes": 1,
        "relays": 1,
        "backlog": plan.backlog,
        "connections": plan.connections,
        "skew": plan.skew.value,
        "seconds": plan.seconds,
        "warm_up_s": plan.warm_up_s,
        "rounds": plan.rounds,
        "loop": "closed",
    }


def _line(axis: Axis, point: int, figures: RoundFigures) -> str:
    return (
        f"{axis.value} {point:,}, round {figures.round}: {figures.per_second:,.0f} "
        f"{axis.unit} a second, {figures.processor_us:,.0f} µs of processor each"
    )
