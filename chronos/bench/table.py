"""Tables of kept reports, as the README shows them; a test compares the two.

`chronos bench table tests/results/*.json` prints them. A report of another form is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from chronos.bench.growth.figures import kept_axes
from chronos.bench.load import USUAL_ACCOUNTS
from chronos.bench.report import kept_reports
from chronos.bench.stage_rows import stage_rows

_BEGIN, _END = "<!-- bench: {name} -->", "<!-- end of bench -->"
_BLOCK = re.compile(r"<!-- bench: (\w+) -->\n(.*?)<!-- end of bench -->", re.DOTALL)

Report = Mapping[str, Any]


def tables(files: Iterable[Path]) -> dict[str, str]:
    """Gives the tables that can be made of reports, by name, as Markdown.

    Args:
        files: Kept reports, in any order.
    """
    reports = kept_reports(files)
    return {name: text for name, make in _TABLES.items() if (text := make(reports))}


def blocks(page: str) -> dict[str, str]:
    """Gives the tables that stand in a page between their marks, by name."""
    return {found[1]: found[2] for found in _BLOCK.finditer(page)}


def marked(name: str, table: str) -> str:
    """Gives a table between its marks."""
    return f"{_BEGIN.format(name=name)}\n{table}{_END}\n"


def _loads(reports: list[Report]) -> str:
    header = ("measured", "a second", "p50", "p99", "by pgbench", "driver")
    rows = [_load_row(report) for report in reports if {"unit", "per_second"} <= set(report)]
    order = ("single", "batches", "reads")
    rows.sort(key=lambda row: [row[0].startswith(word) for word in order], reverse=True)
    return _markdown(header, rows)


def _load_row(report: Report) -> tuple[str, ...]:
    yard, ratio = report["pgbench_per_second"], report["ratio"]
    return (
        ", ".join([report["what"], *_ways(report["settings"])]),
        f"{report['per_second']:,.0f}",
        f"{report['p50_ms']:,.1f} ms",
        f"{report['p99_ms']:,.1f} ms",
        "" if yard is None else f"{ratio:.2f} ({yard:,.0f})",
        f"{report['driver_share']:.2f}",
    )


def _ways(settings: Mapping[str, Any]) -> Iterator[str]:
    """Says in which way a load was not the usual one."""
    workers, rate = settings.get("workers_asked"), settings["rate"]
    if workers:
        yield f"{workers} {'worker' if workers == 1 else 'workers'}"
    if settings["skew"] != "uniform":
        yield str(settings["skew"])
    if settings["accounts"] != USUAL_ACCOUNTS:
        yield f"{settings['accounts']:,} accounts"
    yield f"{settings['connections']} connections"
    if rate is not None:
        yield f"{rate:,.0f} requests a second"


def _history(reports: list[Report]) -> str:
    for report in reports:
        if "reads" in report and "growth" in report:
            lengths = sorted({figures["events"] for figures in report["reads"]})
            found: dict[str, list[str]] = {}
            for figures in sorted(report["reads"], key=lambda one: int(one["events"])):
                found.setdefault(figures["read"], []).append(f"{figures['p50_ms']:.2f} ms")
            names = dict.fromkeys(figures["read"] for figures in report["reads"])
            header = ("events of the account", *(f"{length:,}" for length in lengths))
            return _markdown(header, [(name, *found[name]) for name in names])
    return ""


def _rebuild(reports: list[Report]) -> str:
    header = ("rebuilt", "read from", "seconds", "events a second", "at most")
    for report in reports:
        if "rebuilds" in report:
            rows = [
                (
                    one["target"],
                    one["read"],
                    f"{one['seconds']:,.0f}",
                    f"{one['events_per_second']:,}",
                    f"{one['resident_peak_mib']:,.0f} MiB",
                )
                for one in report["rebuilds"]
            ]
            return _markdown(header, rows)
    return ""


def _stages(reports: list[Report]) -> str:
    return _markdown(("stage", "found", "with"), list(stage_rows(reports)))


def _growth(reports: list[Report]) -> str:
    header = ("grows", "to", "a second", "of the first", "p99", "processor for one")
    rows = []
    for _, figures in kept_axes(reports):
        first = figures.points[0].per_second
        rows += [
            (
                figures.axis.value,
                f"{point.at:,}",
                f"{point.per_second:,.0f} {figures.unit}",
                f"{point.per_second / first:.2f}" if first else "",
                "" if point.p99_ms is None else f"{point.p99_ms:,.1f} ms",
                f"{point.processor_us:,.0f} µs",
            )
            for point in figures.points
        ]
    return _markdown(header, rows)


def _markdown(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    rule = ("---", *("---:" for _ in header[1:]))
    return "".join(f"| {' | '.join(row)} |\n" for row in (header, rule, *rows))


_TABLES: Final[Mapping[str, Callable[[list[Report]], str]]] = {
    "loads": _loads,
    "history": _history,
    "rebuild": _rebuild,
    "growth": _growth,
    "stages": _stages,
}
