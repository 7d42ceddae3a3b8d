"""`chronos verify`: the journal proves itself."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from chronos.audit.verify import verify
from chronos.cli.instance import find_instance
from chronos.cli.show import instance_options, money, print_json, run


@click.command(name="verify")
@click.option("--dsn", help="PostgreSQL itself, when no instance runs.")
@instance_options
def command(dsn: str | None, data: Path | None, *, as_json: bool) -> None:
    """Prove the journal from PostgreSQL; exit 1 and list what is wrong."""
    place = dsn or find_instance(data).postgres_dsn

    async def work() -> int:
        with Console(file=sys.stderr).status("reading the journal …") as status:
            report = await verify(
                place, progress=lambda n: status.update(f"{n:,} events proved …")
            )
        if as_json:
            print_json(report.to_builtins())
            return report.exit_code
        for line in report.lines():
            print(line)
        for currency, total in report.facts["grand_totals"].items():
            print(f"  grand total {money(total, currency)}")
        return report.exit_code

    run(work(), as_json=as_json)
