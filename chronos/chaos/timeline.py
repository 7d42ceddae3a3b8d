"""The timeline of a run as one drawing: faults, and what they did, over the same axis of time.

Every fault is a bar in the uppermost part and a faint band through all parts below it. A line
is broken where nobody answered; for the read models the last part says so too, because that is
when one would like to know.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from chronos.api.docs.markup import Html, join, tag
from chronos.chaos.fault import Injection
from chronos.chaos.report import Report
from chronos.chaos.sampling import OUTBOX, READ_MODELS, Lag, Sample
from chronos.drawing.axes import Linear, Log, Scale, Span, clock_text, number_text
from chronos.drawing.shapes import box, rule, text, width_of

WIDTH: Final = 1160
LEFT: Final = 84
RIGHT: Final = 20
PLOT: Final = WIDTH - LEFT - RIGHT
PART: Final = 118
GAP: Final = 40
BAR: Final = 16
LANE: Final = 20
LONG_LABELS_MAX: Final = 36
"""With more faults than that, a bar says its kind alone; the table says the rest."""
POINTS_MAX: Final = 720
STRIP: Final = 13
MARK_ROW: Final = 14
MARK_ROWS: Final = 4

SERIES: Final = {
    OUTBOX: "outbox",
    "balances": "Faust table",
    "redis": "Redis",
    "entries": "ES entries",
    "accounts": "ES accounts",
}

Points = Sequence[tuple[float, float | None]]
"""Moments in seconds with their values; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A fault as it is drawn."""

    injection: Injection
    begin_s: float
    healing_s: float
    end_s: float
    label: str
    lane: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A curve of a part."""

    name: str
    style: str
    points: Points


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One chart under the faults."""

    title: str
    scale: Scale
    lines: Sequence[Line]
    floor: str = ""
    """Text of the lowest tick, where it stands for all that is less."""


def timeline(report: Report) -> Html:
    """Draws a run."""
    bars = _bars(report)
    span = _span(report, bars)
    bars = _in_lanes(bars, span)
    lanes = max((bar.lane for bar in bars), default=0) + 1
    top = 30 + lanes * LANE
    charts = top + MARK_ROWS * MARK_ROW
    samples = [
        one for one in report.samples if 0 <= span.place(_seconds(report, one.at_ns)) <= 1
    ]
    parts = _parts(report, samples)
    bottom = charts + len(parts) * (PART + GAP) + GAP + len(READ_MODELS) * STRIP
    drawn = [
        _bands(bars, span, top, bottom),
        _time_axis(span, top, bottom),
        _marks(report, span, top, bottom),
        *(_bar(bar, span) for bar in bars),
        *(
            _part(part, span, charts + GAP + number * (PART + GAP))
            for number, part in enumerate(parts)
        ),
        _silences(report, samples, span, bottom - len(READ_MODELS) * STRIP),
    ]
    says = "Faults, throughput, latency and lag over the time of the run"
    return tag(
        "svg", *drawn,
        viewBox=f"0 0 {WIDTH} {bottom + 44}", role="img", class_="timeline", aria_label=says,
    )  # fmt: skip


def fault_style(injection: Injection) -> str:
    """Gives the style of a fault by what it hurts."""
    return f"hits-{injection.hits[0]}" if len(injection.hits) == 1 else "hits-several"


def _bars(report: Report) -> list[Bar]:
    is_long = len(report.injections) <= LONG_LABELS_MAX
    ordered = sorted(report.injections, key=lambda one: one.begun_ns)
    return [
        Bar(
            injection=one,
            begin_s=_seconds(report, one.begun_ns),
            healing_s=_seconds(report, one.healing_ns or one.ended_ns or report.ended_ns),
            end_s=_seconds(report, one.ended_ns or report.ended_ns),
            label=f"{one.kind} {one.name}" if is_long else one.kind,
        )
        for one in ordered
    ]


def _span(report: Report, bars: Sequence[Bar]) -> Span:
    moments = [0.0, 1.0, _seconds(report, report.ended_ns)]
    moments += [moment for bar in bars for moment in (bar.begin_s, bar.end_s)]
    return Span(min(moments), max(moments))


def _in_lanes(bars: Sequence[Bar], span: Span) -> list[Bar]:
    """Puts bars with their labels into lanes in which nothing covers anything."""
    free_from: list[float] = []
    placed = []
    for bar in bars:
        left, right = _x(span, bar.begin_s), _x(span, bar.end_s)
        label_begin = _label_x(bar, span)
        begin = min(left, label_begin)
        end = max(right, label_begin + width_of(bar.label)) + 8
        lane = next((n for n, free in enumerate(free_from) if free <= begin), len(free_from))
        if lane == len(free_from):
            free_from.append(0.0)
        free_from[lane] = end
        placed.append(
            Bar(
                injection=bar.injection,
                begin_s=bar.begin_s,
                healing_s=bar.healing_s,
                end_s=bar.end_s,
                label=bar.label,
                lane=lane,
            )
        )
    return placed


def _label_x(bar: Bar, span: Span) -> float:
    """Gives where a label begins: behind its bar, or before it where the drawing ends."""
    right = _x(span, bar.end_s) + 4
    if right + width_of(bar.label) <= WIDTH:
        return right
    return max(4.0, _x(span, bar.begin_s) - 4 - width_of(bar.label))


def _bar(bar: Bar, span: Span) -> Html:
    y = 20 + bar.lane * LANE
    one = bar.injection
    lasted = (
        f"{bar.healing_s - bar.begin_s:.1f} s, healed after {bar.end_s - bar.begin_s:.1f} s"
    )
    style = fault_style(one) + (" failed" if one.failure else "")
    begin, healing, end = (_x(span, s) for s in (bar.begin_s, bar.healing_s, bar.end_s))
    return tag(
        "g",
        tag("title", f"{one.kind} {one.name}, from {clock_text(bar.begin_s)}: {lasted}"),
        box(begin, y, max(2.0, healing - begin), BAR, f"bar {style}"),
        box(healing, y, max(0.0, end - healing), BAR, f"bar healing {style}"),
        text(_label_x(bar, span), y + 12, bar.label, "label"),
    )


def _bands(bars: Sequence[Bar], span: Span, top: float, bottom: float) -> Html:
    return join(
        box(
            _x(span, bar.begin_s), top,
            max(1.0, _x(span, bar.end_s) - _x(span, bar.begin_s)), bottom - top,
            f"band {fault_style(bar.injection)}",
        )
        for bar in bars
    )  # fmt: skip


def _time_axis(span: Span, top: float, bottom: float) -> Html:
    ticks = [
        join(
            (
                rule(_x(span, moment), top, _x(span, moment), bottom, "grid"),
                text(_x(span, moment), bottom + 16, clock_text(moment), "tick", "middle"),
            )
        )
        for moment in span.ticks()
    ]
    title = "time since the load began (minutes:seconds)"
    return join(
        [*ticks, text(LEFT + PLOT / 2, bottom + 36, title, "axis", "middle"),
         text(LEFT, 12, "faults (solid: in force, pale: healing)", "title")]
    )  # fmt: skip


def _marks(report: Report, span: Span, top: float, bottom: float) -> Html:
    """Draws the moments of the whole run, their words in as many rows as they need."""
    drawn: list[Html] = []
    free_from = [0.0] * MARK_ROWS
    for mark in sorted(report.marks, key=lambda one: one.at_ns):
        moment_s = _seconds(report, mark.at_ns)
        x = _x(span, min(max(moment_s, span.begin_s), span.end_s))
        begin = min(x + 3, WIDTH - width_of(mark.text))
        row = next((n for n, free in enumerate(free_from) if free <= begin), MARK_ROWS - 1)
        free_from[row] = begin + width_of(mark.text)
        y = top + MARK_ROW * (row + 1) - 3
        tip = tag("title", f"{mark.text} at {clock_text(moment_s)}")
        words = text(begin, y, mark.text, "mark-text")
        drawn.append(tag("g", tip, rule(x, top, x, bottom, "mark"), words))
    return join(drawn)


def _parts(report: Report, samples: Sequence[Sample]) -> list[Part]:
    def points(value: Callable[[Sample], float | None], join_by: _Join) -> Points:
        given = [(_seconds(report, one.at_ns), value(one)) for one in samples]
        return list(thinned(given, join_by))

    rate = points(lambda one: one.transfers / one.seconds if one.seconds else 0.0, _mean)
    slow = {
        name: points(lambda one, of=of: of(one), max)  # type: ignore[misc]  # bound at once
        for name, of in _LATENCIES.items()
    }
    lag_s = {name: points(_lag_of(name, _lag_seconds), max) for name in SERIES}
    lag_events = {name: points(_lag_of(name, _lag_events), max) for name in SERIES}
    return [
        Part(
            title="acknowledged transfers per second",
            scale=Linear.over(_values([rate])),
            lines=[Line(name="transfers/s", style="rate", points=rate)],
        ),
        Part(
            title="latency of writes until settled, ms (log scale)",
            scale=Log.over(_values(slow.values()), low=1.0),
            lines=[Line(name=n, style=n, points=p) for n, p in slow.items()],
            floor="≤ 1",
        ),
        Part(
            title="lag, seconds: age of the oldest event to come (log scale)",
            scale=Log.over(_values(lag_s.values()), low=0.1),
            lines=[Line(name=SERIES[n], style=n, points=p) for n, p in lag_s.items()],
            floor="≤ 0.1",
        ),
        Part(
            title="lag, events (log scale)",
            scale=Log.over(_values(lag_events.values()), low=1.0),
            lines=[Line(name=SERIES[n], style=n, points=p) for n, p in lag_events.items()],
            floor="≤ 1",
        ),
    ]


_Join = Callable[[Sequence[float]], float]
_LATENCIES: Final[dict[str, Callable[[Sample], float | None]]] = {
    "p50": lambda one: one.p50_ms,
    "p99": lambda one: one.p99_ms,
}


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _lag_of(name: str, of: Callable[[Lag], float | None]) -> Callable[[Sample], float | None]:
    def value(one: Sample) -> float | None:
        lag = one.lags.get(name)
        return None if lag is None else of(lag)

    return value


def _lag_seconds(lag: Lag) -> float | None:
    return lag.seconds


def _lag_events(lag: Lag) -> float | None:
    return lag.events


def thinned(points: Points, join_by: _Join) -> Iterator[tuple[float, float | None]]:
    """Makes at most about `POINTS_MAX` points of many, none of a peak lost by `max`."""
    size = -(-len(points) // POINTS_MAX)
    for n in range(0, len(points), max(1, size)):
        group = points[n : n + size]
        known = [value for _, value in group if value is not None]
        yield group[0][0], (join_by(known) if known else None)


def _values(lines: Iterable[Points]) -> list[float]:
    return [value for points in lines for _, value in points if value is not None]


def _part(part: Part, span: Span, y: float) -> Html:
    drawn = [text(LEFT, y - 8, part.title, "title"), *_legend(part, y - 8)]
    for number, value in enumerate(part.scale.ticks()):
        at = y + PART * (1 - part.scale.place(value))
        words = part.floor if number == 0 and part.floor else number_text(value)
        drawn.append(rule(LEFT, at, WIDTH - RIGHT, at, "grid"))
        drawn.append(text(LEFT - 8, at + 4, words, "tick", "end"))
    drawn += [_curve(line, part.scale, span, y) for line in part.lines]
    return tag("g", *drawn)


def _legend(part: Part, y: float) -> Iterator[Html]:
    if len(part.lines) < 2:
        return
    x = float(WIDTH - RIGHT)
    for line in reversed(part.lines):
        x -= width_of(line.name) + 8
        yield text(x, y, line.name, "label")
        yield rule(x - 24, y - 4, x - 5, y - 4, f"line of-{line.style}")
        x -= 34


def _curve(line: Line, scale: Scale, span: Span, y: float) -> Html:
    pieces = []
    for is_known, group in groupby(line.points, key=lambda point: point[1] is not None):
        if not is_known:
            continue
        places = [
            f"{_x(span, moment):.1f},{y + PART * (1 - scale.place(value)):.1f}"
            for moment, value in group
            if value is not None
        ]
        # A single point has no line; a short one makes it visible.
        if len(places) == 1:
            x, _, at = places[0].partition(",")
            places.append(f"{float(x) + 2:.1f},{at}")
        pieces.append(tag("polyline", points=" ".join(places), class_=f"line of-{line.style}"))
    return join(pieces)


def _silences(report: Report, samples: Sequence[Sample], span: Span, y: float) -> Html:
    drawn = [text(LEFT, y - 8, "no answer about the lag of", "title")]
    for row, name in enumerate(READ_MODELS):
        at = y + row * STRIP + 4
        drawn.append(text(LEFT - 8, at + 3, SERIES[name], "small", "end"))
        for missing, group in groupby(samples, key=lambda one: name not in one.lags):
            if missing:
                run = list(group)
                begin = max(span.begin_s, _seconds(report, run[0].at_ns) - run[0].seconds)
                end = _seconds(report, run[-1].at_ns)
                drawn.append(rule(_x(span, begin), at, _x(span, end), at, f"gap of-{name}"))
    return tag("g", *drawn)


def _seconds(report: Report, at_ns: int) -> float:
    return (at_ns - report.begun_ns) / 1e9


def _x(span: Span, moment_s: float) -> float:
    return LEFT + PLOT * span.place(moment_s)
