"""`chronos bench relay`, `mirror`, `fold`, `pipeline` and `recovery`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from chronos.bench.report import Report
from chronos.bench.skew import Skew
from chronos.bench.stages.backlog import Drained
from chronos.bench.stages.folding import FoldPlan, measure_fold
from chronos.bench.stages.mirroring import MirrorPlan, measure_mirror
from chronos.bench.stages.recovering import RecoveryPlan, RecoveryReport, measure_recovery
from chronos.bench.stages.relaying import RelayPlan, RelayReport, measure_relay
from chronos.bench.stages.stage import Stage, open_stage
from chronos.bench.stages.whole import PipelinePlan, PipelineReport, measure_pipeline
from chronos.cli.bench_options import EVENTS_MAX, bench_folder, bench_options, end
from chronos.cli.show import print_table
from chronos.cli.up import ENVIRONMENT, quiet_libraries
from chronos.clock import SystemClock
from chronos.embedded.report import Screen

_R = TypeVar("_R", bound=Report)
_DRAINED: Final = ("records", "seconds", "a second", "of processor", "MiB", "at most")


@click.command()
@click.option(
    "--rows",
    default=200_000,
    show_default=True,
    type=click.IntRange(1_000, EVENTS_MAX),
    help="Rows of each backlog, about.",
)
@bench_options(
    "rate", "seconds", "warm_up_s", "connections", "accounts", "file",
    rate=500.0, seconds=30.0,
)  # fmt: skip
def relay(*, file: Path | None, **options: Any) -> None:
    """Measure the relay: a backlog into nothing and into Kafka, and a fresh event's way."""
    plan = RelayPlan(**options)
    report = _on_stage(lambda stage: measure_relay(stage, plan))
    _show_relay(report)
    end(report, file, report.load.troubles)


@click.command()
@bench_options("events", "accounts", "file", events=200_000)
def mirror(*, accounts: int, events: int, file: Path | None) -> None:
    """Measure the mirror worker on a backlog, beside a bare loader of the same documents."""
    plan = MirrorPlan(accounts=accounts, events=events)
    report = _on_stage(lambda stage: measure_mirror(stage, plan))
    _show_drained(report.worker)
    for turn in report.loader:
        print(f"bare loader: {turn.documents:,} documents, {turn.per_second:,} a second")
    print(f"ratio: {report.ratio}")
    end(report, file)


@click.command()
@bench_options("events", "accounts", "file", events=500_000)
def fold(*, accounts: int, events: int, file: Path | None) -> None:
    """Measure one balances worker on a backlog: table, changelog and Redis written."""
    plan = FoldPlan(accounts=accounts, events=events)
    report = _on_stage(lambda stage: measure_fold(stage, plan))
    _show_drained(report.worker)
    end(report, file)


@click.command()
@click.option(
    "--view-rate",
    default=300.0,
    show_default=True,
    type=click.FloatRange(0.1, 1_000_000),
    help="Transfers a second while it is measured how soon the balance view has them.",
)
@click.option("--without-mirror", is_flag=True, help="Without Elasticsearch's read models.")
@bench_options(
    "rate", "seconds", "warm_up_s", "connections", "accounts", "skew", "api_processes", "file",
    rate=1_200.0, seconds=60.0, warm_up_s=5.0,
)  # fmt: skip
def pipeline(
    *, api_processes: int, without_mirror: bool, skew: str, file: Path | None, **options: Any
) -> None:
    """Measure the whole pipeline under a constant rate: how far behind is which read model."""
    plan = PipelinePlan(has_mirror=not without_mirror, skew=Skew(skew), **options)
    report = _on_stage(lambda stage: measure_pipeline(stage, plan), api_processes=api_processes)
    _show_pipeline(report)
    end(report, file, report.load.troubles)


@click.command()
@click.option("--without-failover", is_flag=True, help="One worker only.")
@bench_options("accounts", "file", accounts=1_000_000)
def recovery(*, accounts: int, without_failover: bool, file: Path | None) -> None:
    """Measure how soon a balances worker is back, and what the death of one of two does."""
    plan = RecoveryPlan(accounts=accounts, has_failover=not without_failover)
    report = _on_stage(lambda stage: measure_recovery(stage, plan))
    _show_recovery(report)
    end(report, file)


COMMANDS: Final[Sequence[click.Command]] = (relay, mirror, fold, pipeline, recovery)


def _show_relay(report: RelayReport) -> None:
    print()
    print_table(
        ("backlog into", "rows", "seconds", "of processor", "rows a second"),
        [
            (name, one.rows, one.seconds, one.processor_seconds, f"{one.rows_per_second:,}")
            for name, one in (("nothing", report.null_sink), ("Kafka", report.kafka))
        ],
    )
    way = report.commit_to_kafka
    print(
        f"\n{report.load.per_second:,.0f} transfers a second: from recorded to read from Kafka "
        f"p50 {way.p50_ms} ms, p95 {way.p95_ms} ms, p99 {way.p99_ms} ms, max {way.max_ms} ms"
    )


def _show_drained(worker: Drained) -> None:
    print()
    print_table(_DRAINED, [msgspec.structs.astuple(worker)])


def _show_pipeline(report: PipelineReport) -> None:
    load, view = report.load, report.commit_to_view
    print(
        f"\n{load.per_second:,.0f} transfers a second, p50 {load.p50_ms} ms, "
        f"p99 {load.p99_ms} ms; {'sustained' if report.is_sustained else 'NOT SUSTAINED'}\n"
    )
    print_table(
        ("read model", "markers", "unseen", "median s behind", "most"),
        [msgspec.structs.astuple(one)[:-1] for one in report.behind],
    )
    print(
        f"\n{report.view_load.per_second:,.0f} transfers a second: commit to balance view "
        f"p50 {view.p50_ms} ms, p95 {view.p95_ms} ms, p99 {view.p99_ms} ms, "
        f"max {view.max_ms} ms ({view.samples} probes)\n"
    )
    print_table(
        ("process", "seconds of processor", "MiB at most"),
        [msgspec.structs.astuple(one) for one in report.processes],
    )


def _show_recovery(report: RecoveryReport) -> None:
    print(
        f"\n{report.accounts:,} accounts: filled in {report.fill_s} s, published in "
        f"{report.publish_s} s, folded in {report.fold_s} s "
        f"({report.fold_resident_peak_mib} MiB at most)\n"
    )
    print_table(
        ("disk", "ready s", "answered s", "of processor", "MiB", "at most"),
        [msgspec.structs.astuple(one) for one in report.starts],
    )
    for one in report.failover:
        print(
            f"\nkilled, {one.way_back}: all accounts answered after {one.until_all_answer_s} s;"
            f" of {one.plain_asked} plain reads the survivor refused {one.own_refused} of its"
            f" own and {one.others_refused} others, longest {one.plain_longest_ms} ms"
        )


def _on_stage(measure: Callable[[Stage], Awaitable[_R]], *, api_processes: int = 1) -> _R:
    """Runs a measurement on a pipeline of its own, which is gone afterwards."""
    quiet_libraries()

    async def work(folder: Path) -> _R:
        with Screen() as screen:
            async with open_stage(
                folder, ENVIRONMENT, screen, clock=SystemClock(), api_processes=api_processes
            ) as stage:
                return await measure(stage)

    with bench_folder() as folder:
        return asyncio.run(work(folder))
