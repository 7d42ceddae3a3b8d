"""The balances worker from a backlog: table, changelog and Redis written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chronos.bench.report import Report, Start
from chronos.bench.stages.backlog import Drained
from chronos.bench.stages.draining import drain, make_backlog
from chronos.bench.stages.stage import Stage

COUNTER: Final = "chronos_balance_events_total{"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldPlan:
    """What to measure."""

    accounts: int
    events: int


class FoldReport(Report, frozen=True, kw_only=True):
    """The figures of one run."""

    worker: Drained


async def measure_fold(stage: Stage, plan: FoldPlan) -> FoldReport:
    """Measures one worker on a backlog.

    Raises:
        BenchFault: The relay or the worker stands still.
    """
    start = Start(stage.clock)
    town = await make_backlog(
        stage, accounts=plan.accounts, events=plan.events, idle=("mirror", "balances", "api")
    )
    worker = await drain(stage, "balances", counter=COUNTER, records=town.events)
    head = await start.head(
        "fold",
        "one balances worker on a backlog: table, changelog and Redis written",
        settings={
            "accounts": plan.accounts,
            "events": town.events,
            "partitions": stage.settings.partitions,
            "batch_events_max": stage.settings.batch_events_max,
        },
        postgres_dsn=stage.settings.postgres_dsn,
    )
    return FoldReport(**head, worker=worker)
