"""What a run has shown, in the terminal: the same words as on its page, within 80 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chronos.chaos.history import Kind, Outcome
from chronos.chaos.page import (
    REASONS_SHOWN_MAX,
    headline,
    healing_s,
    lasted_s,
    reasons,
    seconds_text,
)
from chronos.chaos.report import HOLDS, VIOLATED, Report
from chronos.chaos.verdict import Verdict
from chronos.chaos.wounds import SLACK
from chronos.drawing.axes import clock_text

WIDTH_MAX = 100


def print_summary(report: Report, console: Console | None = None) -> None:
    """Prints a report; texts of the run are shown as they are, never as markup."""
    out = console or Console(highlight=False)
    out.width = min(out.width, WIDTH_MAX)
    out.print(_checkers(report.verdicts))
    out.print(_faults(report))
    if report.promises:
        out.print(_promises(report))
    if report.left_out:
        out.print(_left_out(report))
    out.print(Text(_figures(report)))
    styles = {HOLDS: "bold green", VIOLATED: "bold red"}
    out.print(Text(headline(report), style=styles.get(report.exit_code, "bold yellow")))
    found = reasons(report)
    for reason in found[:REASONS_SHOWN_MAX]:
        out.print(Text(f"  {reason}"), soft_wrap=True)
    if len(found) > REASONS_SHOWN_MAX:
        out.print(f"  … and {len(found) - REASONS_SHOWN_MAX:,} more; see the report.")
    out.print(Text(f"The same run again: {report.replay}"), soft_wrap=True)


def _checkers(verdicts: Sequence[Verdict]) -> Table:
    table = _table("Checkers")
    table.add_column("checker", no_wrap=True)
    table.add_column("promises that")
    table.add_column("looked at", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for one in verdicts:
        cells = (one.checker, one.promise, f"{one.looked_at:,}")
        table.add_row(*(Text(cell) for cell in cells), _verdict(one))
    return table


def _verdict(one: Verdict) -> Text:
    if not one.holds:
        return Text(f"{one.violations_count:,} violated", style="bold red")
    if one.invalid or one.looked_at == 0:
        return Text("invalid", style="bold yellow")
    return Text("holds", style="green")


def _faults(report: Report) -> Table:
    table = _table("Faults")
    table.add_column("begin", justify="right", no_wrap=True)
    table.add_column("fault", no_wrap=True)
    table.add_column("what happened")
    table.add_column("in force", justify="right", no_wrap=True)
    table.add_column("healing", justify="right", no_wrap=True)
    for one in sorted(report.injections, key=lambda one: one.begun_ns):
        cells = (
            clock_text((one.begun_ns - report.begun_ns) / 1e9),
            one.kind,
            one.name + (f": {one.failure}" if one.failure else ""),
            seconds_text(lasted_s(one)),
            seconds_text(healing_s(one)),
        )
        style = "red" if one.failure else ""
        table.add_row(*(Text(cell, style=style) for cell in cells))
    return table


def _promises(report: Report) -> Table:
    table = _table(f"Promises of time (late is told, {SLACK:g} times as late is a violation)")
    table.add_column("promised is that")
    for name in ("within", "waits", "late", "slowest"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in report.promises:
        within, slowest = f"{one.within_s:g} s", seconds_text(one.slowest_s)
        cells = (one.promise, within, f"{one.waits:,}", f"{one.late:,}", slowest)
        table.add_row(*map(Text, cells), style="yellow" if one.late else "")
    return table


def _left_out(report: Report) -> Table:
    table = _table("Left out on this machine")
    table.add_column("fault", no_wrap=True)
    table.add_column("what would have happened")
    table.add_column("reason")
    for one in report.left_out:
        table.add_row(Text(one.kind), Text(one.name), Text(one.reason))
    return table


def _figures(report: Report) -> str:
    counts = report.counts
    return (
        f"{counts.of(Kind.TRANSFER, Outcome.OK):,} transfers acknowledged of {counts.total:,} "
        f"operations in {clock_text(report.seconds)} min; "
        f"{counts.of(Kind.SNAPSHOT, Outcome.OK):,} snapshots; "
        f"{len(report.injections)} faults; {counts.unknown:,} unknown to the end."
    )


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
