"""The whole pipeline under a constant rate: does it keep up, and how far behind is what?

Phases: open the accounts in bulk; drive transfers at the rate while one marker a second tells
how long each read model takes to show it; then drive the lower rate while many markers are
timed until the balance view answers them. Both loads are open loops, and driver, servers and
Chronos share the processors.

The rate is sustained when it was reached, nothing was refused, and no read model was ever
`BEHIND_S_MAX` or more behind.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from chronos.bench.report import Report, Start
from chronos.bench.skew import Skew
from chronos.bench.stages.driving import Pace, drive
from chronos.bench.stages.probes import (
    SEEN_DEADLINE_S,
    Watch,
    open_watches,
    watch_marker,
    watch_view,
)
from chronos.bench.stages.processes import peak_mib, processor_s, tree
from chronos.bench.stages.stage import Stage
from chronos.bench.stages.town import CURRENCY, Town, TownPlan
from chronos.bench.tally import LoadResult, percentile_ms
from chronos.client.ledger_client import LedgerClient

BEHIND_S_MAX: Final = 2.0
REACHED_SHARE: Final = 0.99
EVENTS_PER_ACCOUNT: Final = 3
"""Its opening, and one transfer that brings it its funds."""
PROBES_AT_ONCE: Final = 4
PROBE_PAUSE_S: Final = 0.1
"""So that the probes add little to the rate at which the view is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelinePlan:
    """What to measure."""

    rate: float
    seconds: float
    warm_up_s: float
    view_rate: float
    """Transfers a second of the second phase."""
    accounts: int
    connections: int
    skew: Skew
    has_mirror: bool


class BehindFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How far one read model was behind, by the markers of one phase, in seconds."""

    model: str
    samples: int
    unseen: int
    """Markers that were not seen within a minute."""
    median_s: float
    max_s: float
    each_s: tuple[float | None, ...]
    """Second by second."""


class ViewFigures(msgspec.Struct, frozen=True, kw_only=True):
    """From the receipt of a transfer until the balance view answered its version."""

    samples: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class ProcessFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What one child used; of several processes the largest memory."""

    name: str
    processor_seconds: float
    """In the first phase."""
    resident_peak_mib: float


class PipelineReport(Report, frozen=True, kw_only=True):
    """The figures of one run."""

    is_sustained: bool
    load: LoadResult
    behind: tuple[BehindFigures, ...]
    commit_to_view: ViewFigures
    view_load: LoadResult
    processes: tuple[ProcessFigures, ...]


async def measure_pipeline(stage: Stage, plan: PipelinePlan) -> PipelineReport:
    """Measures both phases.

    Raises:
        BenchFault: The load driver failed, or the relay stands still.
    """
    start = Start(stage.clock)
    if not plan.has_mirror:
        await stage.stop("mirror")
    town = await _open_town(stage, plan)
    before = _processors(stage)
    marks, load = await _under_load(stage, plan, town)
    processes = _processes(stage, before)
    behind = tuple(behind_figures(marks))
    for one in behind:
        stage.say(f"{one.model}: {one.median_s:.2f} s behind, {one.max_s:.2f} s at most")
    took_ns, view_load = await _to_view(stage, plan, town)
    view = view_figures(took_ns)
    stage.say(f"commit to balance view: p50 {view.p50_ms} ms, p99 {view.p99_ms} ms")
    head = await start.head(
        "pipeline",
        "the whole pipeline under a constant rate",
        settings={
            "rate": plan.rate,
            "view_rate": plan.view_rate,
            "seconds": plan.seconds,
            "warm_up_s": plan.warm_up_s,
            "accounts": plan.accounts,
            "connections": plan.connections,
            "skew": plan.skew.value,
            "loop": "open",
            "mirror": plan.has_mirror,
            "api_processes": stage.settings.api_processes,
            "partitions": stage.settings.partitions,
            "relay_shards": stage.settings.relay_shards,
        },
        postgres_dsn=stage.settings.postgres_dsn,
    )
    return PipelineReport(
        **head,
        is_sustained=is_sustained(load, behind, rate=plan.rate),
        load=load,
        behind=behind,
        commit_to_view=view,
        view_load=view_load,
        processes=processes,
    )


async def _open_town(stage: Stage, plan: PipelinePlan) -> Town:
    town = await stage.fill(
        TownPlan(
            accounts=plan.accounts,
            events=plan.accounts * EVENTS_PER_ACCOUNT + 1,
            now=stage.clock.now(),
            is_published=True,
        )
    )
    async with open_watches(stage, town.accounts[-1]) as watches:
        # Its funds are its second event, and the last transfer of all.
        watches.pop("topic")
        await watch_marker(watches, town.accounts[-1], 2)
    return town


async def _under_load(
    stage: Stage, plan: PipelinePlan, town: Town
) -> tuple[Sequence[Mapping[str, float | None]], LoadResult]:
    source, destination = town.accounts[0], town.accounts[-1]
    async with (
        open_watches(stage, destination) as watches,
        LedgerClient(stage.doors) as client,
        asyncio.TaskGroup() as group,
    ):
        load = group.create_task(_load(stage, plan, town, plan.rate))
        await asyncio.sleep(plan.warm_up_s)
        marks = []
        for _ in range(max(1, round(plan.seconds))):
            marking = _mark(client, watches, source, destination)
            marks.append(group.create_task(marking))
            await asyncio.sleep(1)
    return [mark.result() for mark in marks], load.result()


async def _load(stage: Stage, plan: PipelinePlan, town: Town, rate: float) -> LoadResult:
    return await drive(
        stage,
        town.accounts,
        Pace(
            rate=rate,
            seconds=plan.seconds,
            warm_up_s=plan.warm_up_s,
            connections=plan.connections,
            skew=plan.skew,
        ),
    )


async def _mark(
    client: LedgerClient, watches: Mapping[str, Watch], source: str, destination: str
) -> Mapping[str, float | None]:
    receipt = await client.transfers.make(source, destination, amount=1, currency=CURRENCY)
    return await watch_marker(watches, destination, receipt.accounts[destination].version)


def behind_figures(
    marks: Sequence[Mapping[str, float | None]],
) -> list[BehindFigures]:
    """Gives how far each model was behind, from what each marker showed."""
    by_model: dict[str, list[float | None]] = defaultdict(list)
    for mark in marks:
        for model, seen_s in mark.items():
            by_model[model].append(None if seen_s is None else round(seen_s, 3))
    return [_behind(model, each) for model, each in by_model.items()]


def _behind(model: str, each: Sequence[float | None]) -> BehindFigures:
    seen = sorted(one for one in each if one is not None)
    return BehindFigures(
        model=model,
        samples=len(each),
        unseen=len(each) - len(seen),
        median_s=seen[len(seen) // 2] if seen else SEEN_DEADLINE_S,
        max_s=seen[-1] if len(seen) == len(each) and seen else SEEN_DEADLINE_S,
        each_s=tuple(each),
    )


def is_sustained(load: LoadResult, behind: Sequence[BehindFigures], *, rate: float) -> bool:
    """Tells whether the rate was reached with nothing refused and no model far behind."""
    is_reached = not load.troubles and load.per_second >= rate * REACHED_SHARE
    return is_reached and all(one.max_s < BEHIND_S_MAX for one in behind)


async def _to_view(
    stage: Stage, plan: PipelinePlan, town: Town
) -> tuple[list[int], LoadResult]:
    source, destination = town.accounts[0], town.accounts[-1]
    took_ns: list[int] = []
    async with LedgerClient(stage.doors, connections_max=2 * PROBES_AT_ONCE) as client:
        watch = watch_view(client)

        async def probe() -> None:
            while True:
                receipt = await client.transfers.make(
                    source, destination, amount=1, currency=CURRENCY
                )
                began_ns = time.perf_counter_ns()
                await watch(destination, receipt.accounts[destination].version)
                took_ns.append(time.perf_counter_ns() - began_ns)
                await asyncio.sleep(PROBE_PAUSE_S)

        async with asyncio.TaskGroup() as group:
            load = group.create_task(_load(stage, plan, town, plan.view_rate))
            await asyncio.sleep(plan.warm_up_s)
            probes = [group.create_task(probe()) for _ in range(PROBES_AT_ONCE)]
            await asyncio.wait((load,))
            for task in probes:
                task.cancel()
    return took_ns, load.result()


def view_figures(took_ns: Sequence[int]) -> ViewFigures:
    """Gives the distribution of what the probes took."""
    ordered = sorted(took_ns)
    return ViewFigures(
        samples=len(ordered),
        p50_ms=percentile_ms(ordered, 50),
        p95_ms=percentile_ms(ordered, 95),
        p99_ms=percentile_ms(ordered, 99),
        max_ms=percentile_ms(ordered, 100),
    )


def _processors(stage: Stage) -> dict[str, float]:
    pids = stage.pipeline.supervisor.pids
    return {name: processor_s(pid) for name, pid in pids.items()}


def _processes(stage: Stage, before: Mapping[str, float]) -> tuple[ProcessFigures, ...]:
    pids = stage.pipeline.supervisor.pids
    return tuple(
        ProcessFigures(
            name=name,
            processor_seconds=round(processor_s(pid) - before.get(name, 0.0), 2),
            resident_peak_mib=max((peak_mib(member) for member in tree(pid)), default=0.0),
        )
        for name, pid in pids.items()
    )
