"""`chronos demo`: a bank's day on the whole pipeline."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from chronos.assembly.pipeline import Pipeline
from chronos.cli.instance import Instance, from_addresses
from chronos.cli.up import ENVIRONMENT, quiet_libraries, run_until_signal
from chronos.clock import SystemClock
from chronos.demo.next_steps import Pair, next_steps
from chronos.demo.screen import DayScreen
from chronos.demo.script import SETTLEMENT, TRANSFERS_LEAST
from chronos.demo.whole_day import DemoPlan, run_day
from chronos.embedded.report import Screen
from chronos.settings import Settings

TRANSFERS_MAX = 1_000_000


@click.command(name="demo")
@click.option("--once", is_flag=True, help="Stop after the day instead of staying up.")
@click.option("--seed", default=1, show_default=True, help="The same seed, the same day.")
@click.option(
    "--transfers",
    default=2_000,
    show_default=True,
    type=click.IntRange(TRANSFERS_LEAST, TRANSFERS_MAX),
    help="Transfers that the bank books.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the data in this folder; a temporary one when omitted.",
)
def command(seed: int, transfers: int, data: Path | None, *, once: bool) -> None:
    """Run a bank's day through the public HTTP API and compare all read models.

    Exits 1 when any account disagrees in any of them.
    """
    suffix = "" if data is None else f".{secrets.token_hex(2)}"
    plan = DemoPlan(seed=seed, transfers=transfers, suffix=suffix)
    quiet_libraries()
    verdict: list[bool] = []
    with _folder(data) as folder:

        async def work() -> None:
            with Screen() as progress:
                pipeline = Pipeline(folder, environment=ENVIRONMENT, report=progress)
                async with pipeline:
                    instance = _instance(pipeline, folder)
                    verdict.append(await _day(plan, instance, once=once))
                    if not once:
                        await asyncio.Event().wait()

        run_until_signal(work)
    if verdict != [True]:
        sys.exit(1)


async def _day(plan: DemoPlan, instance: Instance, *, once: bool) -> bool:
    screen = DayScreen()
    is_clean = await run_day(plan, instance.targets, screen=screen, clock=SystemClock())
    if once:
        return is_clean
    lines = next_steps(
        instance.doors,
        Pair(source=SETTLEMENT + plan.suffix, destination=f"shop.bakery{plan.suffix}"),
        program="chronos" if shutil.which("chronos") else "python3 -m chronos",
        data=str(instance.data),
        metrics=instance.metrics,
    )
    for line in lines:
        screen.say(line)
    screen.say("Chronos stays up until Ctrl-C.")
    return is_clean


def _instance(pipeline: Pipeline, folder: Path) -> Instance:
    settings = Settings.from_environment(ENVIRONMENT)
    return from_addresses(pipeline.addresses, settings, data=folder)


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    """Gives the folder to use; a temporary one is removed at the end."""
    if data is not None:
        yield data
        return
    made = Path(tempfile.mkdtemp(prefix="chronos-"))
    made.chmod(0o711)  # The servers' account enters it; it is ours.
    try:
        yield made / "data"
    finally:
        shutil.rmtree(made, ignore_errors=True)
