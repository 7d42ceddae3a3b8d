"""The page and the summary of a run: all of it is there, and none of it is markup."""

import io
import re
from html.parser import HTMLParser

import msgspec
import pytest
from rich.console import Console

from chronos.chaos.fault import Injection, LeftOut
from chronos.chaos.page import page, write_page
from chronos.chaos.summary import print_summary
from chronos.chaos.timeline import LEFT, POINTS_MAX, WIDTH, thinned
from chronos.chaos.verdict import verdict
from chronos.drawing.axes import Linear, Log, Span, clock_text
from tests.unit.chaos.reports import BEGUN_NS, PROMISES, S, injections, report, samples

EVIL = '<script>alert("1")</script> & [bold]x[/bold]'
VOID = {"meta"}


class Read(HTMLParser):
    """Reads a page: its texts, its elements, and whether they are nested as they should be."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" not in self._open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    def of(self, name: str, style: str = "") -> list[dict[str, str | None]]:
        wanted = set(style.split())
        return [
            given
            for tag, given in self.elements
            if tag == name and wanted <= set((given.get("class") or "").split())
        ]


def summary(of) -> str:
    console = Console(file=io.StringIO(), width=80, highlight=False)
    print_summary(of, console)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def whole() -> Read:
    return Read(page(report()))


def test_the_page_asks_for_nothing_and_runs_nothing(whole):
    names = {name for name, _ in whole.elements}
    given = {key for _, attributes in whole.elements for key in attributes}

    assert names.isdisjoint({"script", "link", "img", "iframe", "object"})
    assert given.isdisjoint({"src", "href", "srcset", "action"})
    assert not [key for key in given if key.startswith("on")]
    assert not re.search(r"url\(|@import|https?:", page(report()))


def test_every_fault_is_in_the_table_and_in_the_drawing(whole):
    for one in injections():
        assert f"{one.kind} {one.name}" in whole.texts  # the bar's label
        assert one.name in whole.texts  # the table's cell
        assert one.note in whole.texts
    count = len(injections())
    assert len(whole.of("rect", "band")) == count
    assert len(whole.of("rect", "bar healing")) == count
    assert len(whole.of("rect", "bar")) == 2 * count


def test_promised_times_are_told_with_those_that_were_late(whole):
    first = whole.texts.index("the API, killed, is ready again")

    assert whole.texts[first : first + 5][1:] == ["5 s", "3", "1", "6.2 s"]
    assert [one["class"] for one in whole.of("td", "number unsure")] == ["number unsure"]
    line = next(line for line in summary(report()).splitlines() if "the API, killed" in line)
    assert line.split()[-6:] == ["5", "s", "3", "1", "6.2", "s"]


def test_a_fault_is_drawn_when_it_was(whole):
    kafka = injections()[1]
    begin_s, end_s = ((at - BEGUN_NS) / S for at in (kafka.begun_ns, kafka.healing_ns))
    (band,) = whole.of("rect", "band hits-kafka")
    bar, _ = whole.of("rect", "bar hits-kafka")
    span = Span(0.0, 262.0)

    plot = WIDTH - LEFT - 20
    assert float(band["x"]) == pytest.approx(LEFT + plot * span.place(begin_s), abs=0.1)
    assert float(bar["width"]) == pytest.approx(plot * (end_s - begin_s) / 262, abs=0.1)


def test_all_parts_share_one_axis_of_time(whole):
    ticks = [text for text in whole.texts if re.fullmatch(r"\d+:\d\d", text)]
    assert {"0:00", "0:30", "4:00"} <= set(ticks)
    for title in (
        "acknowledged transfers per second",
        "latency of writes until settled, ms (log scale)",
        "lag, seconds: age of the oldest event to come (log scale)",
        "lag, events (log scale)",
        "no answer about the lag of",
        "time since the load began (minutes:seconds)",
    ):
        assert title in whole.texts
    for mark in report().marks:
        assert mark.text in whole.texts


def test_a_line_is_broken_where_nobody_answered_and_that_is_shown(whole):
    silent = [one for one in samples() if "redis" not in one.lags]
    gaps = whole.of("line", "gap of-redis")
    lines = whole.of("polyline", "of-redis")

    assert len(silent) > 10
    assert len(gaps) > 1
    # Seconds and events, each cut where there is a gap inside.
    assert len(lines) >= 2 * len(gaps) - 1


@pytest.mark.parametrize(
    ("changes", "words", "style"),
    [
        ({}, "Nothing lost, nothing invented", "holds"),
        ({"verdicts": ()}, "Invalid: this run proves nothing", "invalid"),
        ({"failures": ("Not quiet in time.",)}, "Violated: 1 broken promise", "violated"),
    ],
)
def test_the_first_line_says_what_the_run_has_shown(changes, words, style):
    of = report(**changes)
    read = Read(page(of))

    assert words in read.texts
    assert len(read.of("div", f"headline {style}")) == 1
    assert words in summary(of)
    for reason in (*of.violations, *of.invalid):
        assert reason in read.text
        assert reason in summary(of)


def test_every_checker_says_what_it_promises_and_how_much_it_saw(whole):
    for number, promise in enumerate(PROMISES, 1):
        assert f"C{number}" in whole.texts
        assert promise in whole.texts
        assert f"{1000 * number:,}" in whole.texts
    assert whole.texts.count("holds") == len(PROMISES)


def test_violations_are_told_at_their_checker():
    broken = verdict(
        "C9", "one key, one answer", looked_at=7, violations=["key k1 has 2 answers"]
    )
    read = Read(page(report(verdicts=(broken,))))

    assert "1 violation" in read.texts
    assert "key k1 has 2 answers" in read.texts
    assert "1 violated" in summary(report(verdicts=(broken,)))


def test_one_checker_does_not_hide_what_another_found():
    broken = [
        verdict(f"C{n}", "p", looked_at=7, violations=[f"wrong {n}.{k}" for k in range(50)])
        for n in (3, 10)
    ]
    of = report(verdicts=tuple(broken))

    for text in ("C3: wrong 3.2", "C3: 47 more of the same kind.", "C10: wrong 10.0"):
        assert text in Read(page(of)).texts
        assert text in summary(of)


def test_faults_left_out_are_told_with_their_reason(whole):
    assert "tmpfs cannot be mounted here" in whole.texts
    assert "tmpfs cannot be mounted" in summary(report())


def test_no_text_of_the_run_is_markup():
    one = Injection(
        kind="T1", name=EVIL, hits=(EVIL,), begun_ns=BEGUN_NS, healing_ns=BEGUN_NS + S,
        ended_ns=BEGUN_NS + 2 * S, note=EVIL, failure=EVIL,
    )  # fmt: skip
    evil = report(
        injections=(one,),
        left_out=(LeftOut(kind=EVIL, name=EVIL, reason=EVIL),),
        verdicts=(verdict(EVIL, EVIL, looked_at=1, violations=[EVIL], invalid=EVIL),),
        failures=(EVIL,),
        spoiled=(EVIL,),
        commit=EVIL,
        machine={EVIL: EVIL},
        only=(EVIL,),
    )

    read = Read(page(evil))

    assert "script" not in {name for name, _ in read.elements}
    assert read.text.count(EVIL) > 10
    assert "[bold]x[/bold]" in summary(evil)


def test_the_summary_fits_into_a_terminal_and_names_every_fault():
    text = summary(report())

    assert max(len(line) for line in text.splitlines()) <= 80
    for one in injections():
        assert one.name.split()[-1] in text
    assert "17,204 transfers acknowledged" in text
    assert "The same run again: chronos chaos --profile smoke --seed 42" in text


def test_a_run_without_anything_has_a_page():
    empty = report(injections=(), samples=(), verdicts=(), left_out=(), marks=())

    assert "Invalid: this run proves nothing" in Read(page(empty)).texts
    assert "Nothing was checked." in summary(empty)


def test_nothing_is_drawn_outside_of_the_axis_of_time():
    first = samples()[0]
    early = [
        msgspec.structs.replace(first, at_ns=BEGUN_NS - n * S, lags={}) for n in range(9, 0, -1)
    ]

    read = Read(page(report(samples=(*early, *samples()))))

    places = [
        float(point.split(",")[0])
        for line in read.of("polyline")
        for point in line["points"].split()
    ]
    places += [float(gap[end]) for gap in read.of("line", "gap") for end in ("x1", "x2")]
    assert min(places) >= LEFT
    assert max(places) <= WIDTH


def test_a_fault_that_was_never_healed_lasts_to_the_end():
    one = Injection(kind="T4", name="Kafka is paused", hits=("kafka",), begun_ns=BEGUN_NS)

    read = Read(page(report(injections=(one,))))

    (band,) = read.of("rect", "band")
    assert float(band["width"]) == pytest.approx(WIDTH - LEFT - 20, abs=0.2)


def test_a_long_run_is_drawn_with_bounded_points_and_its_peaks():
    points = [(float(n), 1.0) for n in range(5_000)]
    points[3_217] = (3217.0, 900.0)
    points[40] = (40.0, None)

    few = list(thinned(points, max))

    assert len(few) <= POINTS_MAX
    assert max(value for _, value in few if value is not None) == 900
    assert list(thinned(points[:50], max)) == points[:50]


def test_the_page_is_written_whole(tmp_path):
    write_page(report(), tmp_path / "report.html")

    assert (tmp_path / "report.html").read_text() == page(report())


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (-5, "-0:05"), (-0.2, "0:00"), (750, "12:30")]
)
def test_moments_are_minutes_and_seconds(seconds, text):
    assert clock_text(seconds) == text


def test_axes_end_at_round_numbers_above_all_values():
    assert Linear.over([3.0, 118.0]).ticks() == [0, 50, 100, 150, 200]
    assert Linear.over([]).top > 0
    assert list(Log.over([0.0, 30.0], low=0.1).ticks()) == pytest.approx([0.1, 1, 10, 100])
    assert Log.over([], low=1.0).place(10.0) == 1.0
    assert Log.over([50.0], low=1.0).place(0.2) == 0.0
    assert list(Span(-7.0, 61.0).ticks())[:2] == [-5, 0]
