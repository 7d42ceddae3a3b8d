"""The page of a run for people: one file that asks for nothing else and runs nothing.

What the run has met (names, notes, answers of servers) is text here, never markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from chronos.api.docs.markup import NOTHING, Html, join, raw, tag
from chronos.chaos.fault import Injection
from chronos.chaos.history import Kind, Outcome
from chronos.chaos.report import HOLDS, INVALID, VIOLATED, Report
from chronos.chaos.timeline import fault_style, timeline
from chronos.chaos.verdict import Verdict
from chronos.chaos.wounds import SLACK
from chronos.drawing.axes import clock_text
from chronos.embedded.files import write_atomically

HERE: Final = Path(__file__).resolve().parent
REASONS_SHOWN_MAX: Final = 40
EACH_SHOWN_MAX: Final = 3
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_STYLES: Final = {HOLDS: "holds", VIOLATED: "violated", INVALID: "invalid"}


def write_page(report: Report, path: Path) -> None:
    """Puts the page into a file, in one step."""
    write_atomically(path, page(report), mode=0o644)


def page(report: Report) -> str:
    """Shows a report as HTML."""
    title = f"chronos chaos, {report.profile.name}, seed {report.seed}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", f"{headline(report)} · {title}"),
        raw("style", (HERE / "page.css").read_text(encoding="utf-8")),
    )
    body = tag(
        "main",
        tag("h1", f"{title} · {report.started_at}"),
        _headline(report),
        _figures(report),
        _section("Timeline", timeline(report)),
        _section("Checkers", _checkers(report.verdicts)),
        _section("Faults", _faults(report)),
        _section("Promises of time", _promises(report)),
        _section("Faults left out on this machine", _left_out(report)),
        _section("Operations", _operations(report)),
        _footer(report),
    )
    return "<!doctype html>" + tag("html", head, tag("body", body), lang="en")


def headline(report: Report) -> str:
    """Says in one line what the run has shown."""
    match report.exit_code:
        case 0:
            return "Nothing lost, nothing invented"
        case 2:
            return "Invalid: this run proves nothing"
        case _:
            count = sum(v.violations_count for v in report.verdicts)
            count += len(report.failures) + sum(bool(i.failure) for i in report.injections)
            return f"Violated: {_counted(count, 'broken promise')}"


def reasons(report: Report) -> list[str]:
    """Tells why a run is not green: a few violations of each checker, and all else."""
    invalid = [f"Invalid: {text}" for text in report.invalid]
    return [*report.told(EACH_SHOWN_MAX), *invalid]


def lasted_s(injection: Injection) -> float | None:
    """Tells how long a fault was in force; None when nobody ended it."""
    end_ns = injection.healing_ns or injection.ended_ns
    return (end_ns - injection.begun_ns) / 1e9 if end_ns else None


def healing_s(injection: Injection) -> float | None:
    """Tells how long healing took; None when it never ended."""
    if not injection.ended_ns:
        return None
    return (injection.ended_ns - (injection.healing_ns or injection.ended_ns)) / 1e9


def seconds_text(seconds: float | None) -> str:
    """Writes seconds to a tenth; a hyphen when there are none."""
    return "-" if seconds is None else f"{seconds:,.1f} s"


def _headline(report: Report) -> Html:
    held = sum(v.holds and not v.invalid and v.looked_at > 0 for v in report.verdicts)
    kinds = [one.kind for one in report.injections]
    text = (
        f"{held} of {len(report.verdicts)} checkers hold after "
        f"{_counted(len(kinds), 'fault')} of {_counted(len(set(kinds)), 'kind')}."
    )
    return tag(
        "div",
        tag("strong", headline(report)),
        tag("span", text),
        _list(reasons(report), most=REASONS_SHOWN_MAX),
        class_=f"headline {_STYLES[report.exit_code]}",
    )


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _list(texts: Sequence[str], *, most: int) -> Html:
    if not texts:
        return NOTHING
    shown = [tag("li", text) for text in texts[:most]]
    if len(texts) > most:
        shown.append(tag("li", f"… and {len(texts) - most:,} more; see the JSON report."))
    return tag("ul", *shown)


def _figures(report: Report) -> Html:
    counts = report.counts
    figures = {
        "transfers acknowledged": f"{counts.of(Kind.TRANSFER, Outcome.OK):,}",
        "operations": f"{counts.total:,}",
        "unknown to the end": f"{counts.unknown:,}",
        "snapshots read": f"{counts.of(Kind.SNAPSHOT, Outcome.OK):,}",
        "faults injected": f"{len(report.injections):,}",
        "duration": f"{clock_text(report.seconds)} min",
    }
    return tag(
        "dl",
        *(tag("div", tag("dt", name), tag("dd", text)) for name, text in figures.items()),
        class_="figures",
    )


def _section(title: str, content: Html) -> Html:
    return tag("section", tag("h2", title), tag("div", content, class_="scroll"))


def _checkers(verdicts: Sequence[Verdict]) -> Html:
    head = ("checker", "promises that", "#looked at", "verdict")
    rows = [
        (
            _name(one.checker),
            tag("td", one.promise),
            _number(f"{one.looked_at:,}"),
            tag("td", _verdict(one)),
        )
        for one in verdicts
    ]
    return _table(head, rows)


def _verdict(one: Verdict) -> Html:
    if not one.holds:
        word = _counted(one.violations_count, "violation")
        return join((tag("span", word, class_="bad"), _list(one.violations, most=5)))
    if one.invalid or one.looked_at == 0:
        return tag("span", f"invalid: {one.invalid or 'it looked at nothing'}", class_="unsure")
    return tag("span", "holds", class_="good")


def _faults(report: Report) -> Html:
    head = ("fault", "what happened", "hits", "#begin", "#in force", "#healing", "note")
    rows = [
        (
            tag(
                "td", tag("span", class_=f"swatch {fault_style(one)}"), one.kind, class_="name"
            ),
            tag("td", one.name),
            tag("td", ", ".join(one.hits)),
            _number(clock_text((one.begun_ns - report.begun_ns) / 1e9)),
            _number(seconds_text(lasted_s(one))),
            _number(seconds_text(healing_s(one))),
            tag("td", one.note, _failure(one)),
        )
        for one in sorted(report.injections, key=lambda one: one.begun_ns)
    ]
    return _table(head, rows)


def _failure(one: Injection) -> Html:
    return tag("div", one.failure, class_="bad") if one.failure else NOTHING


def _promises(report: Report) -> Html:
    head = ("promised is that", "#within", "#waits", "#late", "#slowest")
    rows = [
        (
            tag("td", one.promise),
            _number(f"{one.within_s:g} s"),
            _number(f"{one.waits:,}"),
            tag("td", f"{one.late:,}", class_="number unsure" if one.late else "number"),
            _number(seconds_text(one.slowest_s)),
        )
        for one in report.promises
    ]
    told = (
        "Waits count from the last moment at which what they rest upon was hurt by another "
        f"fault. Later than promised is late, {SLACK:g} times as late is a violation."
    )
    return join((tag("p", told), _table(head, rows)))


def _left_out(report: Report) -> Html:
    rows = [
        (_name(one.kind), tag("td", one.name), tag("td", one.reason)) for one in report.left_out
    ]
    return _table(("fault", "what would have happened", "reason"), rows)


def _operations(report: Report) -> Html:
    head = ("operation", "#ok", "#refused", "#unknown")
    rows = [
        (
            _name(kind.value),
            *(_number(f"{report.counts.of(kind, outcome):,}") for outcome in Outcome),
        )
        for kind in Kind
        if kind.value in report.counts.operations
    ]
    return _table(head, rows)


def _table(head: Iterable[str], rows: Sequence[tuple[Html, ...]]) -> Html:
    cells = [
        tag(
            "th", text.removeprefix("#"), class_="number" if text[0] == "#" else "", scope="col"
        )
        for text in head
    ]
    body = [tag("tr", *row) for row in rows]
    if not body:
        body = [tag("tr", tag("td", "none", colspan=f"{len(cells)}"))]
    return tag("table", tag("thead", tag("tr", *cells)), tag("tbody", *body))


def _name(text: str) -> Html:
    return tag("td", text, class_="name")


def _number(text: str) -> Html:
    return tag("td", text, class_="number")


def _footer(report: Report) -> Html:
    machine = " · ".join(f"{name} {value}" for name, value in report.machine.items())
    return tag(
        "footer",
        tag("p", "The same run again: ", tag("code", report.replay)),
        tag("p", f"Commit {report.commit} · {machine}"),
        tag("p", f"{report.counts.attempts:,} attempts at {report.counts.total:,} operations"),
    )
