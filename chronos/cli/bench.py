"""`chronos bench`: how fast, and on what.

Loads from outside: `transfers`, `batches`, `balance` and `history`; and `rebuild`. The stages
behind the command API are in `bench_stages.py`, the sweep and what is made of kept reports in
`bench_growth.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from chronos.assembly.measured_on import processors
from chronos.assembly.servers_only import servers_on
from chronos.audit.fill_from_topic import Source
from chronos.bench.balance import BalancePlan, Origin, measure_balance
from chronos.bench.history import HistoryPlan, HistoryReport, measure_history
from chronos.bench.rebuilding import RebuildPlan, RebuildReport, measure_rebuild
from chronos.bench.rounds import Load, LoadReport
from chronos.bench.skew import Skew
from chronos.bench.stack import Parts, started_side
from chronos.bench.transfers import TransfersPlan, measure_transfers
from chronos.cli import bench_growth, bench_stages
from chronos.cli.bench_options import Numbers, bench_folder, bench_options, end
from chronos.cli.bench_target import Target, side_of, target_options
from chronos.cli.show import print_fields, print_table
from chronos.cli.up import ENVIRONMENT, quiet_libraries
from chronos.clock import SystemClock
from chronos.embedded.folder import DataFolder
from chronos.embedded.report import Screen

_R = TypeVar("_R")

_LOAD = ("seconds", "warm_up_s", "connections", "rate", "accounts", "skew", "rounds")

_PROCESSES = min(2, processors())
_writer_lanes = click.option(
    "--writer-lanes",
    default=1,
    show_default=True,
    type=click.IntRange(1, 16),
    help="Connections that commit at once in each API process; fewer make larger batches.",
)


@click.group(name="bench")
def command() -> None:
    """Measure; without an address, on servers of its own that are gone afterwards.

    Exits 1 when not every answer was a success.
    """


@command.command()
@bench_options(*_LOAD, "against", "file", "api_processes", api_processes=_PROCESSES)
@_writer_lanes
@target_options
def transfers(*, against: str | None, file: Path | None, **options: Any) -> None:
    """Measure single transfers over HTTP."""
    plan = TransfersPlan(load=_load(options), is_against_pgbench=against is not None)
    _run_transfers(plan, file, options)


@command.command()
@bench_options(
    *_LOAD, "against", "file", "api_processes", connections=8, api_processes=_PROCESSES
)
@click.option(
    "--batch",
    default=100,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Transfers in one request.",
)
@click.option("--atomic", is_flag=True, help="Each batch is done whole or not at all.")
@_writer_lanes
@target_options
def batches(
    *, against: str | None, file: Path | None, batch: int, atomic: bool, **options: Any
) -> None:
    """Measure batches of transfers over HTTP; what is counted is transfers."""
    plan = TransfersPlan(
        load=_load(options),
        batch=batch,
        is_atomic=atomic,
        is_against_pgbench=against is not None,
    )
    _run_transfers(plan, file, options)


@command.command()
@bench_options(*_LOAD, "file", "api_processes")
@click.option(
    "--from",
    "origin",
    type=click.Choice([one.value for one in Origin]),
    default=Origin.TABLE.value,
    show_default=True,
    help="The workers' table, Redis through a worker that does not keep the account, or the "
    "command endpoint from PostgreSQL.",
)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 30),
    help="Balances workers that are asked.",
)
@target_options
def balance(*, origin: str, workers: int, file: Path | None, **options: Any) -> None:
    """Measure reads of balances over HTTP."""
    plan = BalancePlan(
        load=_load(options),
        origin=Origin(origin),
        workers=workers,
        api_processes=options["api_processes"],
    )

    async def measured(folder: Path, screen: Screen) -> LoadReport:
        async with side_of(_target(options), plan.parts, folder, report=screen) as side:
            return await measure_balance(side, plan, clock=SystemClock(), say=screen.say)

    _show_load(_on_folder(measured), file)


def _run_transfers(plan: TransfersPlan, file: Path | None, options: dict[str, Any]) -> None:
    parts = Parts(api_processes=options["api_processes"], writer_lanes=options["writer_lanes"])

    async def measured(folder: Path, screen: Screen) -> LoadReport:
        async with side_of(_target(options), parts, folder, report=screen) as side:
            return await measure_transfers(side, plan, clock=SystemClock(), say=screen.say)

    _show_load(_on_folder(measured), file)


def _load(options: dict[str, Any]) -> Load:
    facts = {name: options[name] for name in _LOAD}
    return Load(**{**facts, "skew": Skew(options["skew"])})


def _target(options: dict[str, Any]) -> Target:
    return Target(data=options["data"], api=options["api"], queries=options["queries"])


def _on_folder(measured: Callable[[Path, Screen], Coroutine[Any, Any, _R]]) -> _R:
    """Measures with a folder of one's own, and news on the screen."""
    quiet_libraries()

    async def work(folder: Path) -> _R:
        with Screen() as screen:
            return await measured(folder, screen)

    with bench_folder() as folder:
        return asyncio.run(work(folder))


def _show_load(report: LoadReport, file: Path | None) -> None:
    answers = {"p50": report.p50_ms, "p95": report.p95_ms, "p99": report.p99_ms}
    latencies = ", ".join(f"{name} {value:.1f} ms" for name, value in answers.items())
    fields: list[tuple[str, object]] = [
        (f"{report.unit} a second", f"{report.per_second:,.0f}"),
        ("latency", f"{latencies}, max {report.max_ms:.1f} ms"),
        ("load driver", f"{report.driver_share:.2f} of a processor"),
    ]
    if report.pgbench_per_second is not None:
        fields += [
            ("pgbench a second", f"{report.pgbench_per_second:,.0f} (TPC-B, 16 clients)"),
            ("ratio", f"{report.ratio:.2f}"),
        ]
    print()
    print_fields(fields)
    end(report, file, report.troubles)


@command.command()
@click.option(
    "--events",
    type=Numbers(2, 10**7),
    default="1000,100000,1000000",
    show_default=True,
    help="Lengths of the accounts.",
)
@bench_options(*_LOAD[:4], "file", seconds=3.0, warm_up_s=0.5, connections=1)
def history(*, file: Path | None, **options: Any) -> None:
    """Measure whether reads take longer on an account with a long history.

    The seconds are those of each kind of read, in which all accounts are read in turn.
    """
    plan = HistoryPlan(**options)

    async def measured(folder: Path, screen: Screen) -> HistoryReport:
        async with started_side(
            folder, Parts(), environment=ENVIRONMENT, report=screen
        ) as side:
            return await measure_history(side, plan, clock=SystemClock(), say=screen.say)

    report = _on_folder(measured)
    _show_history(report)
    end(report, file, report.failures)


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
    plan = RebuildPlan(events=events, source=Source(source), environment=ENVIRONMENT)

    async def measured(folder: Path, screen: Screen) -> RebuildReport:
        async with servers_on(DataFolder(folder), ENVIRONMENT, screen) as settings:
            return await measure_rebuild(settings, plan, clock=SystemClock(), say=screen.say)

    report = _on_folder(measured)
    print()
    print_table(
        ("rebuild", "from", "events", "seconds", "of processor", "events a second", "MiB"),
        [msgspec.structs.astuple(figures) for figures in report.rebuilds],
    )
    print(f"\n{report.seconds:,.1f} seconds in all")
    end(report, file)


for _command in (*bench_stages.COMMANDS, *bench_growth.COMMANDS):
    command.add_command(_command)
