"""What a sweep makes of its rounds, how its journal is filled, and the picture of it."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from click.testing import CliRunner

from chronos.bench.growth.figures import (
    Axis,
    GrowthReport,
    RoundFigures,
    axis_figures,
    kept_axes,
)
from chronos.bench.growth.filling import parts_of
from chronos.bench.growth.ground import turns
from chronos.bench.growth.plot import plot
from chronos.bench.growth.read_side import Look, busy_span
from chronos.bench.report import BenchFault
from chronos.bench.stages.town import TownPlan, rows_of
from chronos.bench.table import tables
from chronos.cli.bench import command
from chronos.clock import SystemClock
from chronos.home import code_folder
from chronos.settings import Settings

RESULTS = code_folder() / "tests" / "results"
SVG = "{http://www.w3.org/2000/svg}"


def one_round(number: int, per_second: float, processor_us: float = 500.0, **more):
    return RoundFigures(round=number, per_second=per_second, processor_us=processor_us, **more)


def sweep(*axes: Axis, began: str = "2026-11-28T01:00:00Z", rate: float = 1_000.0, **more):
    points = {1: [one_round(1, rate)], 2: [one_round(1, 1.5 * rate)]}
    facts = {
        "bench": "growth",
        "what": "throughput against what grows",
        "commit": "0123456789ab",
        "started_at": began,
        "machine": {"processors": 2, "processor": "AMD EPYC"},
        "load_average": 0.2,
        "postgresql": {},
        "settings": {"rounds": 1},
        "axes": tuple(axis_figures(axis, points, took_s=1.0) for axis in axes),
        **more,
    }
    return GrowthReport(**facts)


def kept(folder: Path, **reports) -> list[Path]:
    files = []
    for name, report in reports.items():
        files.append(folder / f"{name}.json")
        files[-1].write_bytes(msgspec.json.encode(report))
    return files


def parsed(picture: str) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314 - our own picture


def words(picture: str, style: str = "") -> list[str]:
    texts = parsed(picture).iter(f"{SVG}text")
    return [one.text or "" for one in texts if style in one.get("class", "")]


def test_growth_compares_the_rounds_one_by_one():
    rounds = {
        10_000: [one_round(1, 1_000.0, 500.0), one_round(2, 500.0, 900.0)],
        1_000_000: [one_round(1, 800.0, 600.0), one_round(2, 500.0, 990.0)],
    }

    figures = axis_figures(Axis.JOURNAL, rounds, took_s=1.0)

    assert (figures.by_rate, figures.by_processor) == (1.125, 1.15)


def test_a_point_is_the_median_of_its_rounds_and_keeps_the_least_and_the_most():
    rounds = [one_round(n, rate, p99_ms=rate) for n, rate in enumerate((30.0, 10.0, 20.0))]

    (point,) = axis_figures(Axis.API, {1: rounds}, took_s=1.0).points

    assert (point.per_second, point.least_per_second, point.most_per_second) == (20, 10, 30)
    assert point.p99_ms == 20.0


def test_a_backlog_has_no_latency():
    (point,) = axis_figures(Axis.RELAY, {1: [one_round(1, 10.0)]}, took_s=1.0).points

    assert point.p99_ms is None


def test_every_second_round_goes_the_other_way():
    assert list(turns((1, 2, 4), 2)) == [(1, 1), (1, 2), (1, 4), (2, 4), (2, 2), (2, 1)]


def test_workers_are_measured_while_all_of_them_work():
    looks = [
        Look(10.0, (500, 0), 1.0),
        Look(11.0, (900, 100), 2.0),
        Look(12.0, (1_500, 700), 4.0),
        Look(13.0, (1_500, 1_300), 5.0),
    ]

    first, last = busy_span(looks)

    assert (first.at_s, last.at_s) == (11.0, 12.0)


@pytest.mark.parametrize("looks", [[], [Look(10.0, (500, 0), 1.0)], [Look(1.0, (5, 5), 1.0)]])
def test_a_backlog_that_not_all_workers_had_is_not_measured(looks):
    with pytest.raises(BenchFault, match="longer backlog"):
        busy_span(looks)


def test_the_latest_run_of_each_axis_counts():
    old = sweep(Axis.API, Axis.RELAY, began="2026-11-27T01:00:00Z", rate=1.0)
    new = sweep(Axis.API, rate=2.0)

    found = kept_axes([msgspec.to_builtins(new), {"bench": "fold"}, msgspec.to_builtins(old)])

    assert [(one.figures.axis, one.figures.points[0].per_second) for one in found] == [
        (Axis.API, 2.0),
        (Axis.RELAY, 1.0),
    ]


def test_troubles_of_all_rounds_are_added_up():
    rounds = [one_round(n, 1.0, troubles={"503 overloaded": 2}) for n in (1, 2)]
    axes = (axis_figures(Axis.API, {1: rounds}, took_s=1.0),)

    assert sweep(axes=axes).troubles == {"503 overloaded": 4}


def test_a_picture_names_axes_units_and_points(tmp_path):
    picture = plot(kept(tmp_path, one=sweep(*Axis)))

    units = words(picture, "unit")
    assert (units.count("transfers a second"), units.count("events a second")) == (3, 2)
    assert words(picture, "value") == ["1,000", "1,500"] * len(Axis)
    assert "events in the journal (log scale)" in words(picture, "axis")


def test_a_picture_is_drawn_for_light_and_for_dark_pages_with_paper_of_its_own(tmp_path):
    picture = plot(kept(tmp_path, one=sweep(Axis.API)))

    assert "prefers-color-scheme: dark" in picture
    shapes = list(parsed(picture))
    assert shapes[1].get("class") == "paper"


def test_everything_lies_on_the_paper(tmp_path):
    root = parsed(plot(kept(tmp_path, one=sweep(*Axis), two=sweep(Axis.API))))

    _, _, width, height = map(float, root.get("viewBox").split())
    for one in root.iter(f"{SVG}text"):
        assert 0 < float(one.get("y")) < height
        begin = float(one.get("x"))
        if one.get("text-anchor") == "start":
            assert begin + 6 * len(one.text) < width
    for dot in root.iter(f"{SVG}circle"):
        assert 0 < float(dot.get("cx")) < width


def test_a_busy_machine_is_pointed_out(tmp_path):
    calm = plot(kept(tmp_path, calm=sweep(Axis.API)))
    busy = plot(kept(tmp_path, busy=sweep(Axis.API, load_average=9.5)))

    assert "other work" in busy
    assert "other work" not in calm


def test_reports_without_a_sweep_cannot_be_drawn(tmp_path):
    (tmp_path / "one.json").write_text('{"bench": "fold"}')

    with pytest.raises(BenchFault, match="nothing to draw"):
        plot([tmp_path / "one.json"])


def test_the_table_says_how_many_times_the_first_point_another_one_is(tmp_path):
    rows = tables(kept(tmp_path, one=sweep(Axis.RELAY)))["growth"].splitlines()[2:]

    assert rows == [
        "| relay | 1 | 1,000 events | 1.00 |  | 500 µs |",
        "| relay | 2 | 1,500 events | 1.50 |  | 500 µs |",
    ]


def test_the_picture_in_the_repository_is_that_of_the_kept_reports(tmp_path):
    files = [str(file) for file in sorted(RESULTS.glob("growth*.json"))]

    done = CliRunner().invoke(command, ["plot", *files, "--to", str(tmp_path / "made.svg")])

    assert done.exit_code == 0, done.output
    made = (tmp_path / "made.svg").read_text(encoding="utf-8")
    assert made == (RESULTS / "growth.svg").read_text(encoding="utf-8")


def test_the_readme_shows_the_picture():
    assert "(tests/results/growth.svg)" in (code_folder() / "README.md").read_text()


def test_numbers_of_points_must_ascend():
    done = CliRunner().invoke(command, ["growth", "--workers", "2,1"])

    assert done.exit_code == 2
    assert "must ascend" in done.output


def plan(**changes) -> TownPlan:
    facts = {"now": SystemClock().now(), "is_published": False, "prefix": "town"}
    return TownPlan(**facts | changes)


def test_a_long_journal_is_divided_among_processes():
    whole = plan(accounts=1_000, events=1_000_001)

    parts = parts_of(whole, processes=4)

    assert [part.prefix for part in parts] == ["town.0", "town.1", "town.2", "town.3"]
    assert sum(part.accounts for part in parts) == 1_000
    assert sum(part.events for part in parts) == 1_000_001


@pytest.mark.parametrize(("accounts", "events"), [(1_000, 99_999), (3, 1_000_000)])
def test_a_small_journal_is_filled_by_one_process(accounts, events):
    whole = plan(accounts=accounts, events=events)

    assert parts_of(whole, processes=4) == [whole]


def test_a_town_takes_no_position_beyond_its_own():
    small = plan(accounts=50, events=777)

    rows = rows_of(Settings(), small, first_position=100)

    assert rows.events[0].position >= 100
    assert rows.events[-1].position < 100 + small.positions


def test_a_report_is_read_back_as_it_was_written():
    report = sweep(*Axis)

    assert msgspec.convert(json.loads(msgspec.json.encode(report)), GrowthReport) == report
