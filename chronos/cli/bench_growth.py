"""`chronos bench growth`, and what is made of kept reports: `plot` and `table`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from chronos.bench.growth.figures import Axis, AxisFigures
from chronos.bench.growth.ground import Ground, GrowthPlan
from chronos.bench.growth.plot import plot
from chronos.bench.growth.sweep import measure_growth
from chronos.bench.skew import Skew
from chronos.bench.table import marked, tables
from chronos.cli.bench_options import (
    EVENTS_MAX,
    Numbers,
    bench_folder,
    bench_options,
    end,
)
from chronos.cli.show import print_table
from chronos.cli.up import ENVIRONMENT, quiet_libraries
from chronos.clock import SystemClock
from chronos.embedded.ports import API_PROCESSES_MAX, BALANCES_MAX
from chronos.embedded.report import Screen

_POINTS: Final[Mapping[Axis, tuple[str, Numbers, str, str]]] = {
    Axis.API: ("--api-processes", Numbers(1, API_PROCESSES_MAX), "1,2,3", "of the command API"),
    Axis.RELAY: ("--relay-shards", Numbers(1, 64), "1,2,4", "of the outbox, one relay"),
    Axis.WORKERS: ("--workers", Numbers(1, BALANCES_MAX), "1,2", "balances workers"),
    Axis.ACCOUNTS: (
        "--accounts",
        Numbers(2, 1_000_000),
        "100,1000,10000,100000",
        "that take part, of a bank with the most of them",
    ),
    Axis.JOURNAL: (
        "--journal",
        Numbers(1_000, EVENTS_MAX),
        "10000,10000000",
        "events of a journal, about; a kilobyte of disk each",
    ),
}


def _points(function: Any) -> Any:
    for axis, (option, kind, default, words) in reversed(tuple(_POINTS.items())):
        function = click.option(
            option, f"{axis.value}_points", type=kind, default=default, show_default=True,
            help=f"Points of the axis {axis.value}: {words}.",
        )(function)  # fmt: skip
    return function


@click.command()
@click.option(
    "--axis",
    "names",
    multiple=True,
    type=click.Choice([axis.value for axis in Axis]),
    help="What grows; again for each. Without it all of them, one after the other.",
)
@_points
@click.option(
    "--backlog",
    default=300_000,
    show_default=True,
    type=click.IntRange(4_000, EVENTS_MAX),
    help="Events of each round's backlog for the relay and the workers, about.",
)
@bench_options("seconds", "warm_up_s", "connections", "skew", "rounds", "file", rounds=3)
def growth(*, names: tuple[str, ...], skew: str, file: Path | None, **options: Any) -> None:
    """Measure throughput against what can grow: processes, shards, workers, accounts, journal.

    The points of an axis have their rounds in turn. 1,000 accounts and one process each, but
    for what grows.
    """
    quiet_libraries()
    points = {axis: options.pop(f"{axis.value}_points") for axis in Axis}
    asked = [axis for axis in Axis if not names or axis.value in names]
    plan = GrowthPlan(axes={axis: points[axis] for axis in asked}, skew=Skew(skew), **options)
    with bench_folder() as folder, Screen() as screen:
        ground = Ground(
            folder=folder,
            plan=plan,
            environment=ENVIRONMENT,
            clock=SystemClock(),
            news=screen,
        )
        report = asyncio.run(measure_growth(ground))
    for axis in report.axes:
        _show(axis)
    end(report, file, report.troubles)


def _show(axis: AxisFigures) -> None:
    print()
    print_table(
        (
            axis.axis.value,
            f"{axis.unit} a second",
            "least",
            "most",
            "p99 ms",
            "µs of processor",
        ),
        [
            (
                f"{one.at:,}",
                f"{one.per_second:,.0f}",
                f"{one.least_per_second:,.0f}",
                f"{one.most_per_second:,.0f}",
                "" if one.p99_ms is None else one.p99_ms,
                one.processor_us,
            )
            for one in axis.points
        ],
    )
    print(
        f"from the first to the last, {axis.unit} take {axis.by_rate} times as long and "
        f"{axis.by_processor} times as much of processors; measured in {axis.took_s:,.0f} s"
    )


_files = click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)


@click.command(name="plot")
@_files
@click.option(
    "--to",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The picture, as SVG.",
)
def draw(*, files: tuple[Path, ...], to: Path) -> None:
    """Draw kept reports of `growth`, one chart for each axis; the latest run of each."""
    to.write_text(plot(files), encoding="utf-8")


@click.command()
@_files
def table(*, files: tuple[Path, ...]) -> None:
    """Print the tables of kept reports, as Markdown."""
    for name, text in tables(files).items():
        print(marked(name, text))


COMMANDS: Final[Sequence[click.Command]] = (growth, draw, table)
