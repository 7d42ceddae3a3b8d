"""The plot of kept sweeps: one chart for each axis, as a picture that stands alone.

It lies in the repository beside the reports and is shown by the README, in a light page and in
a dark one: so it brings its own paper, and colours for both.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from chronos.api.docs.markup import Html, join, raw, tag
from chronos.bench.growth.figures import Axis, Kept, PointFigures, kept_axes
from chronos.bench.report import BenchFault, Report, kept_reports
from chronos.drawing.axes import Linear, Scale, number_text
from chronos.drawing.shapes import LETTER, box, rule, text

COLUMNS: Final = 3
CHART_WIDTH: Final = 320
CHART_HEIGHT: Final = 268
LEFT: Final = 58
RIGHT: Final = 16
TOP: Final = 52
BOTTOM: Final = 50
INSET: Final = 30
"""Between the axis and the first point, so that its words have room."""
HEAD: Final = 34
MARGIN: Final = 16
LINE: Final = 17
WHISKER: Final = 4
HEADROOM: Final = 1.12
"""For the words above the highest point."""
BUSY_SHARE: Final = 0.5
"""With a higher load average for each processor the picture says that the machine was busy."""

_TITLES: Final[Mapping[Axis, str]] = {
    Axis.API: "Command API",
    Axis.RELAY: "Relay",
    Axis.WORKERS: "Balances workers",
    Axis.ACCOUNTS: "Accounts",
    Axis.JOURNAL: "Journal",
}
_ALONG: Final[Mapping[Axis, str]] = {
    Axis.API: "processes of the command API",
    Axis.RELAY: "shards of the outbox, one relay",
    Axis.WORKERS: "balances workers",
    Axis.ACCOUNTS: "accounts that take part (log scale)",
    Axis.JOURNAL: "events in the journal (log scale)",
}
_LOGARITHMIC: Final = frozenset({Axis.ACCOUNTS, Axis.JOURNAL})
_OPENING: Final = re.compile(r"(?<=>)<(?!/)")
_STYLE: Final = """
.plot { font: 12px system-ui, sans-serif; color-scheme: light dark; }
.paper { fill: #fff; stroke: #dfe3e6; } text { fill: #1d2126; }
.head { font-weight: 600; font-size: 15px; } .title { font-weight: 600; font-size: 13px; }
.tick, .axis, .unit, .note { fill: #5d6670; } .value { font-weight: 600; }
.grid { stroke: #e9ecee; } .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.whisker { stroke-width: 1.5; opacity: .55; }
.of-api { color: #7a4fb5; } .of-relay { color: #0f8a8a; } .of-workers { color: #c2571a; }
.of-accounts { color: #9c3d8f; } .of-journal { color: #2f6bb3; }
.line, .whisker { stroke: currentColor; } .dot { fill: currentColor; }
@media (prefers-color-scheme: dark) {
  .paper { fill: #14171a; stroke: #31373d; } text { fill: #e6e9ec; }
  .tick, .axis, .unit, .note { fill: #9aa4ae; } .grid { stroke: #2a2f34; }
  .of-api { color: #b492ec; } .of-relay { color: #43c6c6; } .of-workers { color: #f0935a; }
  .of-accounts { color: #dc86d0; } .of-journal { color: #6ea8ec; }
}
"""


class _Place(NamedTuple):
    """Where a chart lies."""

    x: float
    y: float

    @property
    def left(self) -> float:
        return self.x + LEFT

    @property
    def right(self) -> float:
        return self.x + CHART_WIDTH - RIGHT

    @property
    def top(self) -> float:
        return self.y + TOP

    @property
    def bottom(self) -> float:
        return self.y + CHART_HEIGHT - BOTTOM


def plot(files: Iterable[Path]) -> str:
    """Draws the latest run of each axis that kept reports have.

    Args:
        files: Kept reports, in any order; those of other benches are passed over.

    Raises:
        BenchFault: No report is of a sweep.
    """
    kept = kept_axes(kept_reports(files))
    if not kept:
        raise BenchFault(
            "None of these is a report of `chronos bench growth`: there is nothing to draw."
        )
    width = COLUMNS * CHART_WIDTH
    letters_max = int((width - 2 * MARGIN) / LETTER)
    notes = [line for note in _notes(kept) for line in textwrap.wrap(note, letters_max)]
    charts_height = math.ceil(len(kept) / COLUMNS) * CHART_HEIGHT
    height = HEAD + charts_height + len(notes) * LINE + 12
    drawn = [
        raw("style", _STYLE),
        box(0.5, 0.5, width - 1, height - 1, "paper"),
        text(MARGIN, 24, "Throughput against what grows", "head"),
        *(
            _chart(one, _Place(n % COLUMNS * CHART_WIDTH, HEAD + n // COLUMNS * CHART_HEIGHT))
            for n, one in enumerate(kept)
        ),
        *(
            text(MARGIN, HEAD + charts_height + LINE * (n + 1) - 4, note, "note")
            for n, note in enumerate(notes)
        ),
    ]
    picture = tag(
        "svg",
        *drawn,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=f"{width}",
        height=f"{height}",
        role="img",
        class_="plot",
        aria_label="; ".join(map(_in_words, kept)),
    )
    # A line for each shape, so that two versions of a picture can be compared.
    return _OPENING.sub("\n<", picture) + "\n"


def _in_words(kept: Kept) -> str:
    figures = kept.figures
    points = ", ".join(f"{one.at:,}: {one.per_second:,.0f}" for one in figures.points)
    return f"{figures.unit} a second by {_ALONG[figures.axis]}: {points}"


def _notes(kept: Sequence[Kept]) -> Iterator[str]:
    yield "Points: the median of the rounds; bars: from the least to the most of them."
    reports = {one.report.started_at: one.report for one in kept}
    for began, report in sorted(reports.items()):
        names = ", ".join(_TITLES[one.figures.axis] for one in kept if one.report is report)
        machine = report.machine
        yield (
            f"{names}: {machine['processors']} x {machine['processor']}, {began[:10]}, commit "
            f"{report.commit}, rounds: {report.settings['rounds']}, load average "
            f"{report.load_average} at the start"
            + (" (the machine did other work meanwhile)" if _was_busy(report) else "")
        )


def _was_busy(report: Report) -> bool:
    return report.load_average > BUSY_SHARE * int(report.machine["processors"])


def _chart(kept: Kept, place: _Place) -> Html:
    figures = kept.figures
    scale = Linear.over([HEADROOM * one.most_per_second for one in figures.points])
    middle = (place.left + place.right) / 2
    return tag(
        "g",
        text(place.x + MARGIN, place.y + 22, _TITLES[figures.axis], "title"),
        text(place.x + MARGIN, place.y + 39, f"{figures.unit} a second", "unit"),
        *_grid(scale, place),
        *_points(figures.points, scale, place, is_log=figures.axis in _LOGARITHMIC),
        text(middle, place.bottom + 36, _ALONG[figures.axis], "axis", "middle"),
        class_=f"of-{figures.axis.value}",
    )


def _grid(scale: Scale, place: _Place) -> Iterator[Html]:
    for value in scale.ticks():
        y = _height(value, scale, place)
        yield rule(place.left, y, place.right, y, "grid")
        yield text(place.left - 8, y + 4, number_text(value), "tick", "end")


def _points(
    points: Sequence[PointFigures], scale: Scale, place: _Place, *, is_log: bool
) -> Iterator[Html]:
    xs = places([one.at for one in points], place, is_log=is_log)
    ys = [_height(one.per_second, scale, place) for one in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
    yield tag("polyline", points=line, class_="line")
    for one, x, y in zip(points, xs, ys, strict=True):
        least, most = (
            _height(value, scale, place)
            for value in (one.least_per_second, one.most_per_second)
        )
        yield join(
            (
                rule(x, least, x, most, "whisker"),
                rule(x - WHISKER, least, x + WHISKER, least, "whisker"),
                rule(x - WHISKER, most, x + WHISKER, most, "whisker"),
                tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="3.5", class_="dot"),
                text(x, most - 7, f"{one.per_second:,.0f}", "value", "middle"),
                text(x, place.bottom + 17, f"{one.at:,}", "tick", "middle"),
            )
        )


def places(values: Sequence[int], place: _Place, *, is_log: bool) -> list[float]:
    """Gives where the points of an axis lie, the first and the last with some inset."""
    along = [math.log10(value) if is_log else float(value) for value in values]
    begin, span = along[0], along[-1] - along[0]
    left, right = place.left + INSET, place.right - INSET
    if not span:
        return [(left + right) / 2]
    return [left + (one - begin) / span * (right - left) for one in along]


def _height(value: float, scale: Scale, place: _Place) -> float:
    return place.bottom - scale.place(value) * (place.bottom - place.top)
