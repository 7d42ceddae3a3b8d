"""Does a transfer cost more when the journal is long? Two write sides, in turn.

Each has a PostgreSQL and a command API of its own; one journal is short, the other long, both
filled in bulk with the same accounts. Rounds of the same load go to the one and to the other in
turn, so that a busy minute of the machine meets both. A transfer's cost is told twice: by how
many there were a second, and by the time that API and PostgreSQL had of processors for one.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from chronos.bench.driving import run_load
from chronos.bench.load import Door, LoadPlan, Transfers
from chronos.bench.report import Report, Start
from chronos.bench.skew import Skew
from chronos.bench.stack import Parts, Side, started_side
from chronos.bench.stages.processes import processor_s
from chronos.bench.stages.town import CURRENCY, Say, Town, TownPlan, fill_town
from chronos.bench.tally import LoadResult
from chronos.clock import Clock
from chronos.embedded.folder import DataFolder
from chronos.embedded.report import Report as News
from chronos.settings import Settings
from chronos.store.bulk import open_bulk

CHILDREN: Final = ("api", "postgres")


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthPlan:
    """What to measure."""

    events: tuple[int, int]
    """Of the short journal and of the long one, about."""
    accounts: int
    seconds: float
    warm_up_s: float
    connections: int
    skew: Skew
    rounds: int


class JournalFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One round on one journal."""

    events: int
    """Before the first round."""
    round: int
    transfers_per_second: float
    p50_ms: float
    p99_ms: float
    processor_us: float
    """Of API and PostgreSQL, for one transfer."""
    troubles: Mapping[str, int]


class GrowthReport(Report, frozen=True, kw_only=True):
    """The figures of one run."""

    rounds: tuple[JournalFigures, ...]
    growth_by_rate: float
    """How many times as long a transfer took on the long journal; the median of the rounds."""
    growth_by_processor: float
    """How many times as much processor it needed."""


@dataclass(frozen=True, slots=True)
class _Side:
    side: Side
    town: Town
    folder: DataFolder


async def measure_growth(
    folder: Path,
    plan: GrowthPlan,
    *,
    environment: Mapping[str, str],
    clock: Clock,
    news: News,
) -> GrowthReport:
    """Fills both journals and measures them in turn.

    Args:
        folder: Where the data folders are made.
        plan: What is measured.
        environment: The variables to read settings from.
        clock: Tells what time it is.
        news: Where to tell what happens.

    Raises:
        ChronosError: A part could not be started.
        BenchFault: The load driver failed.
    """
    start = Start(clock)
    async with AsyncExitStack() as stack:
        sides = []
        for name, events in zip(("short", "long"), plan.events, strict=True):
            side = await stack.enter_async_context(
                started_side(folder / name, Parts(), environment=environment, report=news)
            )
            town = await _fill(side, plan, events, clock, news.say)
            sides.append(_Side(side, town, DataFolder(folder / name)))
        figures: list[JournalFigures] = []
        for number in range(1, plan.rounds + 1):
            # The other one first every second time: neither always has the warmer machine.
            for one in sides if number % 2 else reversed(sides):
                figures.append(await _round(one, plan, number))
                news.say(_line(figures[-1]))
        head = await start.head(
            "growth",
            "single transfers over HTTP on a short journal and on a long one, in turn",
            settings={
                "events": [one.town.events for one in sides],
                "accounts": plan.accounts,
                "connections": plan.connections,
                "skew": plan.skew.value,
                "seconds": plan.seconds,
                "warm_up_s": plan.warm_up_s,
                "rounds": plan.rounds,
                "loop": "closed",
            },
            postgres_dsn=sides[-1].side.postgres_dsn,
        )
    by_rate, by_processor = growth(figures)
    return GrowthReport(
        **head,
        rounds=tuple(figures),
        growth_by_rate=by_rate,
        growth_by_processor=by_processor,
    )


def growth(figures: Sequence[JournalFigures]) -> tuple[float, float]:
    """Compares the long journal with the short one, round by round; gives the medians."""
    short = {one.round: one for one in figures if one.events == min(f.events for f in figures)}
    long = {one.round: one for one in figures if one.events == max(f.events for f in figures)}
    by_rate = [
        short[number].transfers_per_second / long[number].transfers_per_second
        for number in short
    ]
    by_processor = [long[number].processor_us / short[number].processor_us for number in short]
    return round(statistics.median(by_rate), 3), round(statistics.median(by_processor), 3)


async def _fill(side: Side, plan: GrowthPlan, events: int, clock: Clock, say: Say) -> Town:
    town = TownPlan(accounts=plan.accounts, events=events, now=clock.now(), is_published=False)
    async with open_bulk(side.postgres_dsn) as bulk:
        return await fill_town(bulk, Settings(), town, say=say)


async def _round(one: _Side, plan: GrowthPlan, number: int) -> JournalFigures:
    pids = [_pid(one.folder, child) for child in CHILDREN]
    before_s = sum(map(processor_s, pids))
    work = Transfers(
        accounts=one.town.funded,
        currency=CURRENCY,
        skew=plan.skew,
        seed=number,
        run=f"growth-{number}",
    )
    doors = one.side.doors
    load = await run_load(
        LoadPlan(
            doors=(Door.at(doors.command),),
            api_key=doors.api_key,
            work=work,
            connections=plan.connections,
            warm_up_s=plan.warm_up_s,
            seconds=plan.seconds,
        )
    )
    used_s = sum(map(processor_s, pids)) - before_s
    return JournalFigures(
        events=one.town.events,
        round=number,
        transfers_per_second=load.per_second,
        p50_ms=load.p50_ms,
        p99_ms=load.p99_ms,
        processor_us=round(used_s / max(1, _answers(load)) * 1e6, 1),
        troubles=load.troubles,
    )


def _answers(load: LoadResult) -> int:
    return sum(load.statuses.values()) + load.warm_up_answers


def _pid(folder: DataFolder, child: str) -> int:
    return int((folder.run / "pids" / child).read_text(encoding="ascii"))


def _line(figures: JournalFigures) -> str:
    return (
        f"{figures.events:,} events, round {figures.round}: "
        f"{figures.transfers_per_second:,.0f} transfers a second, "
        f"{figures.processor_us:,.0f} µs of processor each"
    )
