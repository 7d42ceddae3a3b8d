"""`chronos bench transfers`: how fast, and on what."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from chronos.bench.stack import write_side
from chronos.bench.transfers import TransfersPlan, TransfersReport, measure_transfers
from chronos.cli.show import print_fields
from chronos.cli.up import ENVIRONMENT, quiet_libraries
from chronos.embedded.report import Screen


@click.group(name="bench")
def command() -> None:
    """Measure."""


@command.command()
@click.option("--seconds", default=10.0, show_default=True, help="Counted, for each round.")
@click.option("--warm-up", "warm_up_s", default=3.0, show_default=True, help="Not counted.")
@click.option("--connections", default=64, show_default=True, type=click.IntRange(1, 4096))
@click.option("--accounts", default=1_000, show_default=True, type=click.IntRange(2, 1_000_000))
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
@click.option("--rate", type=float, help="Requests a second, whatever the answers do.")
@click.option("--rounds", default=1, show_default=True, type=click.IntRange(1, 99))
@click.option("--against", type=click.Choice(["pgbench"]), help="The yardstick.")
@click.option(
    "--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write it here too."
)
def transfers(*, against: str | None, file: Path | None, **options: Any) -> None:
    """Measure single transfers over HTTP on a PostgreSQL and API of their own."""
    plan = TransfersPlan(against_pgbench=against == "pgbench", **options)
    quiet_libraries()
    with _folder() as folder:
        report = asyncio.run(_measure(plan, folder))
    _show(report)
    if file is not None:
        text = msgspec.json.format(msgspec.json.encode(report), indent=2)
        file.write_bytes(text + b"\n")


async def _measure(plan: TransfersPlan, folder: Path) -> TransfersReport:
    with Screen() as screen:
        async with write_side(
            folder,
            environment=ENVIRONMENT,
            report=screen,
            api_processes=plan.api_processes,
            writer_lanes=plan.writer_lanes,
        ) as side:
            return await measure_transfers(side, plan, say=screen.say)


def _show(report: TransfersReport) -> None:
    machine, postgresql, load = report.machine, report.postgresql, report.load
    fields: list[tuple[str, object]] = [
        ("transfers a second", f"{report.transfers_per_second:,.0f}"),
    ]
    if report.pgbench_per_second is not None:
        fields += [
            ("pgbench a second", f"{report.pgbench_per_second:,.0f} (TPC-B, 16 clients)"),
            ("ratio", f"{report.ratio:.2f}"),
        ]
    fields += [
        ("load", ", ".join(f"{name} {value}" for name, value in load.items())),
        ("PostgreSQL", ", ".join(f"{name} {value}" for name, value in postgresql.items())),
        ("machine", ", ".join(f"{name} {value}" for name, value in machine.items())),
        ("commit", report.commit),
    ]
    print()
    print_fields(fields)


@contextmanager
def _folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="chronos-bench-"))
    made.chmod(0o711)  # The server's account enters it; it is ours.
    try:
        yield made / "data"
    finally:
        shutil.rmtree(made, ignore_errors=True)
