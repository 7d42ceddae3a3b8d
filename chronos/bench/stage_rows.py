"""The rows of the README's table of stages: what kept reports of each stage say in a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

Report = Mapping[str, Any]
Row = tuple[str, str, str]
"""The stage, what was found, and what it took."""


def stage_rows(reports: list[Report]) -> Iterator[Row]:
    """Gives the rows of all kept reports of stages, in the order of the flow.

    Args:
        reports: As they were read; those of other benches are passed over.
    """
    for bench, rows in _ROWS.items():
        for report in reports:
            if report.get("bench") == bench:
                yield from rows(report)


def _relay(report: Report) -> Iterator[Row]:
    for sink, words in (("null_sink", "nothing"), ("kafka", "Kafka")):
        one = report[sink]
        yield (
            f"relay, a backlog into {words}",
            f"{one['rows_per_second']:,} events a second",
            _processor(one["processor_seconds"], one["rows"]),
        )
    way, rate = report["commit_to_kafka"], report["settings"]["rate"]
    yield f"from commit to Kafka at {rate:,.0f} transfers a second", _percentiles(way), ""


def _fold(report: Report) -> Iterator[Row]:
    yield _drained(f"balances worker, {_accounts(report)}", report["worker"], "")


def _mirror(report: Report) -> Iterator[Row]:
    beside = f", {report['ratio']:.2f} of a bare bulk loader"
    yield _drained("mirror worker into Elasticsearch", report["worker"], beside)


def _pipeline(report: Report) -> Iterator[Row]:
    settings = report["settings"]
    models = "" if settings["mirror"] else " without Elasticsearch"
    behind = max(report["behind"], key=lambda one: float(one["max_s"]))
    is_kept_up = "sustained" if report["is_sustained"] else "NOT sustained"
    yield (
        f"whole pipeline{models} at {settings['rate']:,.0f} transfers a second",
        f"{is_kept_up}, {settings['seconds']:,.0f} s",
        f"{behind['model']} {behind['max_s']:.2f} s behind at most",
    )
    view = _percentiles(report["commit_to_view"])
    yield f"from commit to balance view at {settings['view_rate']:,.0f} a second", view, ""


def _recovery(report: Report) -> Iterator[Row]:
    for one in report["starts"]:
        yield (
            f"balances worker, {report['accounts']:,} accounts, {one['disk']} disk",
            f"ready after {one['ready_s']:.1f} s",
            f"{one['resident_peak_mib']:,.0f} MiB at most",
        )
    for one in report["failover"]:
        yield (
            f"one of two workers killed, {one['way_back']}",
            f"all accounts answered after {one['until_all_answer_s']:.1f} s",
            f"the survivor refused {one['own_refused']} of its own",
        )


def _drained(what: str, worker: Report, beside: str) -> Row:
    used = _processor(worker["processor_seconds"], worker["records"])
    return (
        what,
        f"{worker['per_second']:,} events a second{beside}",
        f"{used}, {worker['resident_peak_mib']:,.0f} MiB at most",
    )


def _processor(seconds: float, count: int) -> str:
    return f"{seconds / max(1, count) * 1e6:,.1f} µs of processor each"


def _percentiles(way: Report) -> str:
    return f"p50 {way['p50_ms']:,.1f} ms, p99 {way['p99_ms']:,.1f} ms"


def _accounts(report: Report) -> str:
    return f"{report['settings']['accounts']:,} accounts"


_ROWS: Final[Mapping[str, Callable[[Report], Iterator[Row]]]] = {
    "relay": _relay,
    "fold": _fold,
    "mirror": _mirror,
    "pipeline": _pipeline,
    "recovery": _recovery,
}
