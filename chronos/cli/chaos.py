"""`chronos chaos`: faults on the real pipeline under load, and checkers that count."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from chronos.chaos.faults.catalogue import chosen_faults
from chronos.chaos.page import write_page
from chronos.chaos.profile import PROFILES
from chronos.chaos.report import Report, as_json, write_report
from chronos.chaos.run import HISTORY, Order, run_chaos
from chronos.chaos.summary import print_summary
from chronos.chaos.wounds import Wounds
from chronos.cli.up import ENVIRONMENT, quiet_libraries, run_until_signal
from chronos.clock import SystemClock
from chronos.embedded.report import Screen
from chronos.errors import SettingFault

INTERRUPTED = 130


@click.command(name="chaos")
@click.option(
    "--profile",
    type=click.Choice(sorted(PROFILES, reverse=True)),
    default="smoke",
    show_default=True,
    help="smoke: under 6 minutes. long: about 70 minutes.",
)
@click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(0),
    help="Draws the faults, their times and what clients do.",
)
@click.option("--only", default="", help="Kinds of fault, such as T4,T5; all when omitted.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for history.jsonl, report.json and report.html; chaos-PROFILE-SEED here when "
    "omitted.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the pipeline's data and logs in this new folder; a temporary one when omitted.",
)
@click.option("--json", "as_json_", is_flag=True, help="Print the report as JSON.")
def command(
    *,
    profile: str,
    seed: int,
    only: str,
    out: Path | None,
    data: Path | None,
    as_json_: bool,
) -> None:
    """Start a pipeline, hurt it under load, and count what is left.

    Exits 1 on any violation, 2 when the run proves nothing (too few acknowledged transfers,
    snapshots or faults, a pipeline that did not start), else 0.
    """
    kinds = _kinds(only)
    chosen_faults(kinds, seed=seed, wounds=Wounds())  # Nothing is made for kinds unknown.
    target = _target(out or Path(f"chaos-{profile}-{seed}"))
    quiet_libraries()
    reports: list[Report] = []
    with _folder(data) as folder:
        order = Order(
            profile=PROFILES[profile],
            seed=seed,
            only=kinds,
            folder=folder,
            history=target / HISTORY,
        )

        async def work() -> None:
            with Screen() as news:
                reports.append(
                    await run_chaos(
                        order, environment=ENVIRONMENT, news=news, clock=SystemClock()
                    )
                )

        run_until_signal(work)
    if not reports:
        sys.exit(INTERRUPTED)
    write_report(reports[0], target / "report.json")
    write_page(reports[0], target / "report.html")
    if as_json_:
        click.echo(as_json(reports[0]).decode(), nl=False)
    else:
        print_summary(reports[0])
        click.echo(f"\nThe whole of it: {target / 'report.html'}")
    sys.exit(reports[0].exit_code)


def _kinds(text: str) -> tuple[str, ...]:
    """Reads `T4,T5`; nothing at all stands for all kinds, a lone comma for a slip."""
    kinds = tuple(dict.fromkeys(kind.strip().upper() for kind in text.split(",")))
    if text and not any(kinds):
        raise SettingFault("--only", "names no kind of fault; leave it away for all")
    return tuple(filter(None, kinds))


def _target(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingFault("--out", f"cannot be made: {error}") from error
    return folder.absolute()


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    """Gives the folder of the run; a temporary one is removed at the end."""
    if data is not None:
        if data.exists() and any(data.iterdir()):
            raise SettingFault(
                "--data", f"names {data}, which is not empty; a run begins with nothing"
            )
        data.mkdir(parents=True, exist_ok=True)
        yield data.absolute()
        return
    made = Path(tempfile.mkdtemp(prefix="chronos-chaos-"))
    made.chmod(0o711)  # The servers' account enters it; it is ours.
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
