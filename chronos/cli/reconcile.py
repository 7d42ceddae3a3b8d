"""`chronos reconcile`: every copy is compared with the journal."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from chronos.audit.reconcile import reconcile
from chronos.cli.instance import find_instance
from chronos.cli.show import instance_options, print_json, run
from chronos.clock import SystemClock


@click.command(name="reconcile")
@click.option("--wait", "wait_s", default=30.0, show_default=True, help="Seconds for lag.")
@click.option("--no-wait", is_flag=True, help="What is behind now is a difference.")
@instance_options
def command(wait_s: float, data: Path | None, *, no_wait: bool, as_json: bool) -> None:
    """Compare Kafka, Faust, Redis and Elasticsearch with PostgreSQL; exit 1 on a difference."""
    instance = find_instance(data)

    async def work() -> int:
        with Console(file=sys.stderr).status("comparing every copy with the journal …"):
            report = await reconcile(
                instance.targets, wait_s=0.0 if no_wait else wait_s, clock=SystemClock()
            )
        if as_json:
            print_json(report.to_builtins())
            return report.exit_code
        for line in report.lines():
            print(line)
        if not report.is_clean and not no_wait:
            print(
                f"  A copy that is behind is waited for, {wait_s:g} s at most: `chronos top` "
                "shows who is, `--wait SECONDS` waits longer. `chronos dead-letters list` "
                "names records that are not ours."
            )
        return report.exit_code

    run(work(), as_json=as_json)
