"""The options that the commands under `chronos bench` share, and what all of them print."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from chronos.bench.load import USUAL_ACCOUNTS
from chronos.bench.report import Report, write_report
from chronos.bench.skew import ZIPF_EXPONENT, Skew
from chronos.cli.show import print_fields
from chronos.embedded.ports import API_PROCESSES_MAX

_F = TypeVar("_F", bound=Callable[..., Any])

EVENTS_MAX: Final = 50_000_000
_OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "seconds": {
        "type": click.FloatRange(0.1, 86_400),
        "default": 10.0,
        "help": "Counted, for each round.",
    },
    "warm_up_s": {
        "names": ("--warm-up",),
        "type": click.FloatRange(0, 3_600),
        "default": 3.0,
        "help": "Seconds before anything is counted.",
    },
    "connections": {
        "type": click.IntRange(1, 4096),
        "default": 64,
        "help": "Kept-alive connections, each with one request in flight.",
    },
    "rate": {
        "type": click.FloatRange(0.1, 1_000_000),
        "help": "Requests a second, whatever the answers do; latency counts from when each was "
        "due. Without it each connection asks again when it was answered.",
    },
    "accounts": {
        "type": click.IntRange(2, 1_000_000),
        "default": USUAL_ACCOUNTS,
        "help": "Accounts that take part.",
    },
    "events": {
        "type": click.IntRange(1_000, EVENTS_MAX),
        "help": "Length of the backlog, about.",
    },
    "skew": {
        "type": click.Choice([skew.value for skew in Skew]),
        "default": Skew.UNIFORM.value,
        "help": "Which accounts take part: all alike; by Zipf's law, the k-th as often as "
        f"1 / k to the power of {ZIPF_EXPONENT}; or one account that all others pay.",
    },
    "api_processes": {
        "names": ("--api-processes",),
        "type": click.IntRange(1, API_PROCESSES_MAX),
        "default": 1,
        "help": "Of the command endpoint that is started.",
    },
    "rounds": {
        "type": click.IntRange(1, 99),
        "default": 1,
        "help": "The figure is the median of all.",
    },
    "against": {
        "type": click.Choice(["pgbench"]),
        "help": "The yardstick: TPC-B, scale 10, 16 clients, on the same PostgreSQL, in turn.",
    },
    "file": {
        "names": ("--json",),
        "type": click.Path(dir_okay=False, path_type=Path),
        "help": "Write the report here too.",
    },
}


class Numbers(click.ParamType):
    """Whole numbers with commas, in ascending order."""

    name = "N,N,…"

    def __init__(self, low: int, high: int):
        self._low, self._high = low, high

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Reads the numbers."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(int(text) for text in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is no list of numbers with commas", param, ctx)
        is_ascending = list(numbers) == sorted(set(numbers))
        if not is_ascending or not self._low <= numbers[0] <= numbers[-1] <= self._high:
            self.fail(
                f"the numbers must ascend from {self._low} at least to {self._high} at most",
                param,
                ctx,
            )
        return numbers


def bench_options(*names: str, **defaults: Any) -> Callable[[_F], _F]:
    """Adds shared options to a command, in this order.

    Args:
        names: Which, of seconds, warm_up_s, connections, rate, accounts, events, skew,
            api_processes, rounds, against and file; the parameter of the function has the
            same name.
        defaults: Other defaults than the usual ones, by name.
    """

    def add(function: _F) -> _F:
        for name in reversed(names):
            facts = {**_OPTIONS[name]}
            words = facts.pop("names", (f"--{name}",))
            if name in defaults:
                facts["default"] = defaults[name]
            shown = facts.get("default") is not None
            function = click.option(*words, name, show_default=shown, **facts)(function)
        return function

    return add


def end(report: Report, file: Path | None, failures: Mapping[str, int] | None = None) -> None:
    """Prints what a report was measured on, under its figures, and keeps it when asked.

    Args:
        report: The report.
        file: Where to keep it.
        failures: What did not succeed, by what it was, and how often: then the figures are not
            those of a healthy run, and the command exits 1.
    """
    print()
    print_fields(
        [
            ("settings", words(report.settings)),
            ("PostgreSQL", words(report.postgresql) or None),
            ("machine", words(report.machine)),
            ("commit", f"{report.commit}, {report.started_at}"),
        ]
    )
    if file is not None:
        write_report(report, file)
    if failures:
        print(f"chronos: not everything succeeded: {words(failures)}", file=sys.stderr)
        sys.exit(1)


def words(facts: Mapping[str, object]) -> str:
    """Writes facts in one line, without those that are not there."""
    return ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)


@contextmanager
def bench_folder() -> Iterator[Path]:
    """Gives a data folder for servers of one's own, which is removed at the end."""
    made = Path(tempfile.mkdtemp(prefix="chronos-bench-"))
    made.chmod(0o711)  # The servers' account enters it; it is ours.
    try:
        yield made / "data"
    finally:
        shutil.rmtree(made, ignore_errors=True)
