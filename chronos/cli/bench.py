"""`chronos bench transfers`, `history` and `rebuild`: how fast, and on what."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import click
import msgspec

from chronos.assembly.servers_only import servers_on
from chronos.audit.fill_from_topic import Source
from chronos.bench.history import HistoryPlan, HistoryReport, measure_history
from chronos.bench.rebuilding import RebuildPlan, RebuildReport, measure_rebuild
from chronos.bench.stack import write_side
from chronos.bench.transfers import TransfersPlan, TransfersReport, measure_transfers
from chronos.cli.bench_options import bench_folder, bench_options, end
from chronos.cli.show import print_fields, print_table
from chronos.cli.up import ENVIRONMENT, quiet_libraries
from chronos.clock import SystemClock
from chronos.embedded.folder import DataFolder
from chronos.embedded.report import Screen


@click.group(name="bench")
def command() -> None:
    """Measure."""


@command.command()
@bench_options(
    "seconds", "warm_up_s", "connections", "rate", "accounts", "rounds", "against", "file"
)
@click.option(
    "--api-processes",
    default=min(2, len(os.sched_getaffinity(0))),
    show_default=True,
    type=click.IntRange(1, 60),
)
@click.option(
    "--writer-lanes",
    default=1,
    show_default=True,
    type=click.IntRange(1, 16),
    help="Connections that commit at once in each API process; fewer make larger batches.",
)
def transfers(*, against: str | None, file: Path | None, **options: Any) -> None:
    """Measure single transfers over HTTP on a PostgreSQL and API of their own."""
    plan = TransfersPlan(against_pgbench=against == "pgbench", **options)
    quiet_libraries()
    with bench_folder() as folder:
        report = asyncio.run(_measure(plan, folder))
    _show(report)
    end(report, file)


class _Lengths(click.ParamType):
    """Lengths of accounts: whole numbers with commas, in ascending order."""

    name = "N,N,…"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Reads the numbers."""
        if isinstance(value, tuple):
            return value
        try:
            lengths = tuple(int(text) for text in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is no list of numbers with commas", param, ctx)
        if list(lengths) != sorted(set(lengths)) or not 2 <= lengths[0] <= lengths[-1] <= 10**7:
            self.fail("the numbers must ascend from 2 at least to 10000000 at most", param, ctx)
        return lengths


@command.command()
@click.option(
    "--events",
    type=_Lengths(),
    default="1000,100000,1000000",
    show_default=True,
    help="Lengths of the accounts.",
)
@click.option(
    "--requests",
    default=500,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="Counted, for each read of each account.",
)
@bench_options("file")
def history(*, events: tuple[int, ...], requests: int, file: Path | None) -> None:
    """Measure whether reads take longer on an account with a long history."""
    plan = HistoryPlan(events=events, requests=requests)
    quiet_libraries()
    with bench_folder() as folder:
        report = asyncio.run(_measure_history(plan, folder))
    _show_history(report)
    end(report, file)


async def _measure_history(plan: HistoryPlan, folder: Path) -> HistoryReport:
    with Screen() as screen:
        async with write_side(
            folder, environment=ENVIRONMENT, report=screen, api_processes=1, writer_lanes=1
        ) as side:
            return await measure_history(side, plan, clock=SystemClock(), say=screen.say)


def _show_history(report: HistoryReport) -> None:
    longest = max(figures.events for figures in report.reads)
    print()
    print_table(
        ("read", "events", "p50 ms", "p99 ms", "growth"),
        [
            (
                figures.read,
                figures.events,
                f"{figures.p50_ms:.2f}",
                f"{figures.p99_ms:.2f}",
                f"{report.growth[figures.read]:.2f}" if figures.events == longest else "",
            )
            for figures in report.reads
        ],
    )
    print()
    for stream in report.streams:
        print(
            f"{stream.lines:,} lines as {stream.form}: {stream.seconds:.1f} s, "
            f"{stream.megabytes:,.0f} MB; the process had {stream.resident_before_mib:.0f} MiB "
            f"before and {stream.resident_peak_mib:.0f} MiB at most"
        )


@command.command()
@click.option(
    "--events",
    default=1_000_000,
    show_default=True,
    type=click.IntRange(1_000, 100_000_000),
    help="Length of the journal, about.",
)
@click.option(
    "--from",
    "source",
    type=click.Choice([one.value for one in Source]),
    default=Source.AUTO.value,
    show_default=True,
    help="Where Redis and Elasticsearch are filled from.",
)
@bench_options("file")
def rebuild(*, events: int, source: str, file: Path | None) -> None:
    """Measure how fast everything after PostgreSQL is made anew from the journal."""
    quiet_libraries()
    plan = RebuildPlan(events=events, source=Source(source), environment=ENVIRONMENT)
    with bench_folder() as folder:
        report = asyncio.run(_measure_rebuild(plan, folder))
    print()
    print_table(
        ("rebuild", "from", "events", "seconds", "of processor", "events a second", "MiB"),
        [msgspec.structs.astuple(figures) for figures in report.rebuilds],
    )
    print(f"\n{report.seconds:,.1f} seconds in all")
    end(report, file)


async def _measure_rebuild(plan: RebuildPlan, folder: Path) -> RebuildReport:
    with Screen() as screen:
        async with servers_on(DataFolder(folder), ENVIRONMENT, screen) as settings:
            return await measure_rebuild(settings, plan, clock=SystemClock(), say=screen.say)


async def _measure(plan: TransfersPlan, folder: Path) -> TransfersReport:
    with Screen() as screen:
        async with write_side(
            folder,
            environment=ENVIRONMENT,
            report=screen,
            api_processes=plan.api_processes,
            writer_lanes=plan.writer_lanes,
        ) as side:
            return await measure_transfers(side, plan, clock=SystemClock(), say=screen.say)


def _show(report: TransfersReport) -> None:
    fields: list[tuple[str, object]] = [
        ("transfers a second", f"{report.transfers_per_second:,.0f}"),
    ]
    if report.pgbench_per_second is not None:
        fields += [
            ("pgbench a second", f"{report.pgbench_per_second:,.0f} (TPC-B, 16 clients)"),
            ("ratio", f"{report.ratio:.2f}"),
        ]
    print()
    print_fields(fields)
