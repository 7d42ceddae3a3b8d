"""`chronos doctor`: sentences on what is wrong with an instance, and what to do."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from chronos.cli.instance import find_place
from chronos.cli.show import instance_options, metrics_option, print_json, printable, run
from chronos.cli.up import quiet_libraries
from chronos.clock import SystemClock
from chronos.errors import MissingPart
from chronos.settings import Settings
from chronos.watch.doctor.examine import examine
from chronos.watch.doctor.findings import Code, Finding, Severity, error, is_well

_WIDTH_MIN: Final = 40
_INDENT: Final = " " * 9


@click.command(name="doctor")
@metrics_option
@instance_options
def command(data: Path | None, metrics: tuple[str, ...], *, as_json: bool) -> None:
    """Look for what is wrong with an instance, and say what to do; exit 1 when something is.

    It looks at the instance of a data folder, or at the addresses in CHRONOS_POSTGRES_DSN,
    CHRONOS_KAFKA, CHRONOS_REDIS_URL, CHRONOS_ELASTICSEARCH_URL and the ports. Nothing is
    changed, and no part that is dead hides the others.
    """

    async def work() -> int:
        findings = await _findings(data, metrics)
        if as_json:
            print_json(
                {"healthy": is_well(findings), "findings": [_plain(f) for f in findings]}
            )
        else:
            _print(findings)
        return 0 if is_well(findings) else 1

    quiet_libraries()
    run(work(), as_json=as_json)


async def _findings(data: Path | None, metrics: tuple[str, ...]) -> Sequence[Finding]:
    settings = Settings.from_environment()
    try:
        place = find_place(data, metrics)
    except MissingPart as fault:
        action = "Start it, or name what to look at: a folder with --data, or addresses."
        return [error(Code.INSTANCE, "instance", str(fault), action)]
    lanes = settings.writer_lanes * settings.api_processes
    return await examine(place, SystemClock(), lanes=lanes)


def _plain(finding: Finding) -> dict[str, str]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "about": finding.about,
        "sentence": finding.sentence,
        "action": finding.action,
    }


def _print(findings: Sequence[Finding]) -> None:
    """Prints what is wrong with what to do, then what is well."""
    for finding in findings:
        _print_wrapped(f"{finding.severity:<7}  ", f"{finding.sentence} [{finding.code}]")
        if finding.severity is not Severity.OK:
            _print_wrapped(f"{'':<7}  ", f"→ {finding.action}")
    wrong = sum(1 for finding in findings if finding.severity is not Severity.OK)
    print(f"{wrong} of {len(findings)} need a hand" if wrong else "nothing is wrong")


def _print_wrapped(head: str, text: str) -> None:
    """Wraps for a terminal; elsewhere a line stays whole, so that a search finds it."""
    line = head + printable(text)
    if not sys.stdout.isatty():
        print(line)
        return
    width = max(_WIDTH_MIN, shutil.get_terminal_size().columns - 1)
    print(textwrap.fill(line, width, subsequent_indent=_INDENT, break_on_hyphens=False))
