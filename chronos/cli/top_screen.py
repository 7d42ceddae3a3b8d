"""The view of `chronos top`: one page of text that fits into 80 columns.

Whatever a process said is made printable first: no reason and no code steers the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table
from rich.text import Text

from chronos.cli.show import printable
from chronos.watch.snapshot import RUNNING, ProcessRow, Snapshot
from chronos.watch.stages import ACCOUNTS, BALANCES, ENTRIES, REDIS, RELAY, StageLag

LAG_S_SHOWN_RED: Final = 10.0
ROOMY_WIDTH: Final = 100
REFUSALS_MAX: Final = 4
_NOT_KNOWN: Final = "-"
_LABELS: Final = {
    RELAY: "outbox → Kafka",
    BALANCES: "balances table",
    REDIS: "Redis",
    ENTRIES: "Elastic entries",
    ACCOUNTS: "Elastic accounts",
}
_STYLES: Final = {"ready": "green", RUNNING: "green", "not ready": "yellow"}
_UNITS_S: Final = {"d": 86_400, "h": 3600, "min": 60}
_STAGE_COLUMNS: Final = 48
"""What the columns of a stage take but the last one."""


class Page:
    """Shows a snapshot; as wide as the console, whatever that is by then."""

    def __init__(self, snapshot: Snapshot, *, where: str):
        self._snapshot = snapshot
        self._where = where

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Lays the page out for the width of now."""
        width, snapshot = options.max_width, self._snapshot
        yield Group(
            _head(snapshot, self._where),
            _traffic(snapshot),
            _refusals(snapshot),
            Text(),
            _stages(snapshot, width),
            Text(),
            _processes(snapshot, roomy=width >= ROOMY_WIDTH),
            *_notes(snapshot),
            _oddities(snapshot),
        )


def _line(*parts: tuple[str, str]) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    for text, style in parts:
        line.append(printable(text), style)
    return line


def _head(snapshot: Snapshot, where: str) -> Text:
    silent = [row for row in snapshot.processes if row.state not in ("ready", RUNNING)]
    told = f"{len(silent)} of {len(snapshot.processes)} processes are not well"
    return _line(
        ("chronos top", "bold"),
        (f"  {snapshot.as_of:%H:%M:%S} UTC  ", ""),
        (told if silent else "all processes are well", "red" if silent else "green"),
        (f"  {where}", "dim"),
    )


def _traffic(snapshot: Snapshot) -> Text:
    now = snapshot.traffic
    return _line(
        (_rate(now.transfers_per_s), "bold"),
        (" transfers/s  ", ""),
        (_rate(now.events_per_s), "bold"),
        (" events/s  p50 ", ""),
        (_ms(now.p50_ms), "bold"),
        ("  p99 ", ""),
        (_ms(now.p99_ms), "bold"),
        (f"  {now.pending:,} waiting  {_rate(now.published_per_s)} published/s", ""),
    )


def _refusals(snapshot: Snapshot) -> Text:
    parts = [(f"{_rate(snapshot.traffic.refused_per_s)} refused/s", "")]
    parts += [
        (f"  {one.code} {_rate(one.per_s)}/s ({one.total:,})", "")
        for one in snapshot.refusals[:REFUSALS_MAX]
    ]
    more = len(snapshot.refusals) - REFUSALS_MAX
    if more > 0:
        parts.append((f"  and {more} more codes", "dim"))
    return _line(*parts)


def _stages(snapshot: Snapshot, width: int) -> Table:
    table = _table("stage", "behind", "oldest", "by partition (outbox: by shard)")
    for stage in snapshot.stages:
        label = _cell(_label(stage))
        if stage.status != "ok":
            unknown = (_cell(text, "red") for text in ("?", "?", "not known"))
            table.add_row(label, *unknown)
            continue
        late = stage.seconds is None or stage.seconds > LAG_S_SHOWN_RED
        style = "red" if late and stage.events else ""
        table.add_row(
            label,
            _cell(f"{stage.events or 0:,}", style),
            _cell(_NOT_KNOWN if stage.seconds is None else f"{stage.seconds:.1f} s", style),
            _cell(by_partition(stage, width - _STAGE_COLUMNS)),
        )
    return table


def by_partition(stage: StageLag, width: int) -> str:
    """Writes the lag of each partition in their order, or where that is too long, the worst."""
    whole = " ".join(short(stage.parts[number]) for number in sorted(stage.parts))
    if len(whole) <= width:
        return whole
    behind = {number: lag for number, lag in stage.parts.items() if lag}
    return _worst(behind, width) if behind else f"0 in all {len(stage.parts)}"


def _worst(behind: Mapping[int, int], width: int) -> str:
    order = sorted(behind, key=lambda number: (-behind[number], number))
    shown = ""
    for count, number in enumerate(order):
        longer = f"{shown} {number}:{short(behind[number])}".lstrip()
        rest = f" +{len(order) - count - 1} more" if count + 1 < len(order) else ""
        if shown and len(longer + rest) > width:
            return f"{shown} +{len(order) - count} more"
        shown = longer
    return shown


def _processes(snapshot: Snapshot, *, roomy: bool) -> Table:
    columns = ("process", "state", "memory", "cpu", "up", "restarts")
    table = _table(*columns, *(("files", "pid") if roomy else ()))
    for row in snapshot.processes:
        more = [_whole(row.open_files), _whole(row.pid)] if roomy else []
        table.add_row(
            _cell(row.name),
            _cell(row.state, _style(row)),
            _cell(_mib(row.memory_bytes)),
            _cell(_NOT_KNOWN if row.cpu_share is None else f"{row.cpu_share:.0%}"),
            _cell(_span(row.up_s)),
            _cell(str(row.restarts), "red" if row.restarts else ""),
            *map(_cell, more),
        )
    return table


def _notes(snapshot: Snapshot) -> Iterator[Text]:
    """Says of each process and stage that is not well why it is not, a line each."""
    for row in snapshot.processes:
        if row.detail:
            yield _line((f"{row.name} is {row.state}: {row.detail}", _style(row)))
    for stage in snapshot.stages:
        if stage.status != "ok":
            yield _line((f"{_label(stage)} is not known: {stage.detail}", "red"))


def _style(row: ProcessRow) -> str:
    return _STYLES.get(row.state, "red")


def _label(stage: StageLag) -> str:
    return _LABELS.get(stage.stage, stage.stage)


def _oddities(snapshot: Snapshot) -> Text:
    odd, kept = snapshot.oddities, snapshot.dead_letters_kept
    known = _NOT_KNOWN if kept is None else f"{kept:,}"
    restarts = sum(row.restarts for row in snapshot.processes)
    return _line(
        (f"{known} dead letters", "red" if kept else ""),
        (f"  {odd.duplicates:,} duplicates  {odd.gaps:,} gaps", ""),
        (f"  {odd.undecodable:,} undecodable  {odd.retries:,} retries", ""),
        (f"  {restarts:,} restarts", "red" if restarts else ""),
    )


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    for number, column in enumerate(columns):
        is_text = number == 0 or column == "state" or column.startswith("by ")
        table.add_column(
            column,
            justify="left" if is_text else "right",
            no_wrap=True,
            overflow="ellipsis",
        )
    return table


def _cell(text: str, style: str = "") -> Text:
    return Text(printable(text), style)


def _rate(per_s: float | None) -> str:
    if per_s is None:
        return _NOT_KNOWN
    return f"{per_s:,.0f}" if per_s >= 10 or per_s == 0 else f"{per_s:.1f}"


def _ms(value: float | None) -> str:
    if value is None:
        return _NOT_KNOWN
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.1f} ms"


def short(count: int) -> str:
    """Writes a count in at most four characters, as 950, 12k or 3.4M."""
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if count >= size:
            many = count / size
            return f"{many:.1f}{unit}" if many < 9.95 else f"{many:.0f}{unit}"
    return str(count)


def _mib(size_bytes: int | None) -> str:
    return _NOT_KNOWN if size_bytes is None else f"{size_bytes >> 20:,} MiB"


def _whole(value: int | None) -> str:
    return _NOT_KNOWN if value is None else str(value)


def _span(seconds: float | None) -> str:
    if seconds is None:
        return _NOT_KNOWN
    for size_s, unit in ((172_800, "d"), (7200, "h"), (120, "min")):
        if seconds >= size_s:
            return f"{int(seconds) // _UNITS_S[unit]} {unit}"
    return f"{int(seconds)} s"
