"""Runs the pipeline with each mistake planted, and tells who finds it.

`python -m tests.mutants.run` runs all mutants, `python -m tests.mutants.run M3 M4` some; what
became of each takes the place of what is kept of it in `tests/results` (`results.py`). `M0` is
the same run without a mistake: what is found there is found by mistake. Exit 1 when a mutant
lives, or M0 does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click

from chronos.chaos import workload
from chronos.chaos.profile import SMOKE
from chronos.chaos.report import Report
from chronos.chaos.run import HISTORY, Order, run_chaos
from chronos.clock import SystemClock
from chronos.embedded.report import Screen
from chronos.errors import ChronosError
from tests.mutants.results import CONTROL, Outcome, keep
from tests.mutants.table import DRIVER, MUTANTS, Mutant

SEED: Final = 1
LAUNCH: Final = "tests.mutants.launch"
PROFILE: Final = dataclasses.replace(
    SMOKE,
    name="mutant",
    load_s=90,
    base_s=10,
    pause_s=(3, 8),
    quiescence_s=60,
    acks_min=500,
    faults_min=2,
    snapshots_min=50,
)
"""Shorter than a smoke run, of one or two kinds of fault."""
CONTROL_FAULTS: Final = ("T1", "T2", "T3", "T4")
VIOLATIONS_KEPT: Final = 2
"""Of each checker, in words."""


async def run_one(mutant: Mutant | None, folder: Path, *, seed: int) -> Outcome:
    """Runs the pipeline in a new folder, with one mistake or with none."""
    begun_s = time.monotonic()
    order = Order(
        profile=PROFILE,
        seed=seed,
        only=CONTROL_FAULTS if mutant is None else mutant.faults,
        folder=folder / "run",
        history=folder / HISTORY,
        launches={} if mutant is None else launches(mutant),
    )
    with Screen() as news, _driver_of(mutant):
        report = await run_chaos(
            order, environment=dict(os.environ), news=news, clock=SystemClock()
        )
    return outcome_of(mutant, report, seconds=time.monotonic() - begun_s)


def launches(mutant: Mutant) -> dict[str, tuple[str, ...]]:
    """Gives what brings up each process that has the mistake."""
    launch = (sys.executable, "-m", LAUNCH, mutant.name)
    return {role: launch for role in mutant.roles if role != DRIVER}


def outcome_of(mutant: Mutant | None, report: Report, *, seconds: float) -> Outcome:
    """Says who found what."""
    found = [one for one in report.verdicts if not one.holds]
    failures = [f"{one.kind}: {one.failure}" for one in report.injections if one.failure]
    return Outcome(
        mutant=CONTROL if mutant is None else mutant.name,
        sentence="Nothing is planted." if mutant is None else mutant.sentence,
        commit=report.commit,
        faults=report.only,
        expected=() if mutant is None else tuple(sorted(mutant.found_by)),
        found_by={one.checker: one.violations_count for one in found},
        said=tuple(
            f"{one.checker}: {text}"
            for one in found
            for text in one.violations[:VIOLATIONS_KEPT]
        ),
        failures=(*report.failures, *failures),
        invalid=report.invalid,
        acknowledged=report.counts.total,
        seconds=round(seconds, 1),
    )


class _Asyncio:
    """asyncio as the run's load sees it, but for how it starts the clients."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def create_subprocess_exec(self, *words: str, **options: Any) -> Any:
        wanted = (sys.executable, "-m", "chronos.chaos.load.driver")
        if words != wanted:
            raise ValueError(f"the clients are started by {words}, not by {wanted}")
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", LAUNCH, self._name, DRIVER, **options
        )


@contextlib.contextmanager
def _driver_of(mutant: Mutant | None) -> Iterator[None]:
    if mutant is None or DRIVER not in mutant.roles:
        yield
        return
    workload.asyncio = _Asyncio(mutant.name)  # type: ignore[assignment]  # as good as the module
    try:
        yield
    finally:
        workload.asyncio = asyncio


def main(names: Sequence[str]) -> int:
    """Runs the mutants that are named, or all, and gives the exit code."""
    unknown = [name for name in names if name != CONTROL and name not in MUTANTS]
    if unknown:
        click.echo(f"There is no mutant {', '.join(unknown)}.", err=True)
        return 2
    outcomes: list[Outcome] = []
    for name in names or (CONTROL, *MUTANTS):
        try:
            with _folder() as folder:
                outcomes.append(asyncio.run(run_one(MUTANTS.get(name), folder, seed=SEED)))
        except ChronosError as fault:
            click.echo(f"{name:4} could not be run: {fault}")
            return 1
        tell(outcomes[-1])
        keep(outcomes[-1])
    return 0 if all(one.is_as_it_should_be for one in outcomes) else 1


def tell(outcome: Outcome) -> None:
    """Prints an outcome: one line, and what was said."""
    found = ", ".join(f"{name} ({count})" for name, count in outcome.found_by.items())
    expected = f" (expected {' or '.join(outcome.expected)})" if outcome.expected else ""
    mark = "as it should be" if outcome.is_as_it_should_be else "NOT AS IT SHOULD BE"
    click.echo(
        f"{outcome.mutant:4} {mark}: found by {found or 'nobody'}{expected}, "
        f"{outcome.seconds:.0f} s. {outcome.sentence}"
    )
    for text in (*outcome.said, *outcome.failures, *outcome.invalid):
        click.echo(f"       {text}")


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="chronos-mutant-"))
    folder.chmod(0o711)  # The servers' account enters it.
    (folder / "run").mkdir(mode=0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
