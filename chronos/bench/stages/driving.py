"""Transfers over HTTP between the accounts of a town, from a process of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chronos.bench.driving import run_load
from chronos.bench.load import Door, LoadPlan, Transfers
from chronos.bench.skew import Skew
from chronos.bench.stages.stage import Stage
from chronos.bench.stages.town import CURRENCY
from chronos.bench.tally import LoadResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many transfers a second, for how long, over how many connections."""

    rate: float
    seconds: float
    warm_up_s: float
    connections: int
    skew: Skew = Skew.UNIFORM


async def drive(
    stage: Stage,
    accounts: Sequence[str],
    pace: Pace,
) -> LoadResult:
    """Drives transfers between accounts, and gives the load's own figures.

    Raises:
        BenchFault: The driver failed.
    """
    doors = stage.doors
    work = Transfers(
        accounts=tuple(accounts),
        currency=CURRENCY,
        skew=pace.skew,
        seed=1,
        run=f"stages-{stage.clock.now().timestamp():.6f}",
    )
    return await run_load(
        LoadPlan(
            doors=(Door.at(doors.command),),
            api_key=doors.api_key,
            work=work,
            connections=pace.connections,
            warm_up_s=pace.warm_up_s,
            seconds=pace.seconds,
            rate=pace.rate,
        )
    )
