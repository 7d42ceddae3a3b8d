"""`chronos verify`: the journal proves itself, in PostgreSQL or in a file."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import click
from rich.console import Console

from chronos.audit.export_proof import verify_export
from chronos.audit.report import Report
from chronos.audit.verify import Progress, verify
from chronos.cli.instance import find_instance
from chronos.cli.show import instance_options, money, print_json, run


@click.command(name="verify")
@click.option("--dsn", help="PostgreSQL itself, when no instance runs.")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What `chronos export` wrote; no server is asked.",
)
@click.option("--sha256", help="The digest that the file must have.")
@instance_options
def command(
    dsn: str | None,
    file: Path | None,
    sha256: str | None,
    data: Path | None,
    *,
    as_json: bool,
) -> None:
    """Prove the journal from PostgreSQL, or from a file; exit 1 and list what is wrong."""
    if sha256 is not None and file is None:
        raise click.UsageError("A digest is that of a file: give --file too.")
    place = "" if file is not None else dsn or find_instance(data).postgres_dsn

    async def work() -> int:
        with Console(file=sys.stderr).status("reading the journal …") as status:
            prove = _prover(place, file, sha256)
            report = await prove(lambda n: status.update(f"{n:,} events proved …"))
        if as_json:
            print_json(report.to_builtins())
            return report.exit_code
        for line in report.lines():
            print(line)
        for currency, total in report.facts["grand_totals"].items():
            print(f"  grand total {money(total, currency)}")
        if file is not None:
            print(f"  sha256 {report.facts['sha256']}")
        return report.exit_code

    run(work(), as_json=as_json)


def _prover(
    dsn: str, file: Path | None, sha256: str | None
) -> Callable[[Progress], Awaitable[Report]]:
    async def prove(progress: Progress) -> Report:
        if file is None:
            return await verify(dsn, progress=progress)
        return await asyncio.to_thread(
            verify_export, file, expected_sha256=sha256, progress=progress
        )

    return prove
