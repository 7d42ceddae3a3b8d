"""The tables of the README are made from the reports that are kept."""

import json
from pathlib import Path

from chronos.bench.table import blocks, marked, tables
from chronos.home import code_folder

RESULTS = code_folder() / "tests" / "results"
LOAD = {
    "bench": "transfers",
    "what": "single transfers over HTTP",
    "unit": "transfers",
    "per_second": 2706.4,
    "p50_ms": 22.4,
    "p99_ms": 44.6,
    "pgbench_per_second": 2261.3,
    "ratio": 1.197,
    "driver_share": 0.09,
    "settings": {"rate": None, "connections": 64, "accounts": 20, "skew": "one-hot"},
}


def kept(folder: Path, **reports) -> list[Path]:
    files = []
    for name, report in reports.items():
        files.append(folder / f"{name}.json")
        files[-1].write_text(json.dumps(report))
    return files


def test_a_row_says_in_which_way_a_load_was_not_the_usual_one(tmp_path):
    made = tables(kept(tmp_path, one=LOAD))["loads"].splitlines()

    assert made[2:] == [
        "| single transfers over HTTP, one-hot, 20 accounts, 64 connections | 2,706 | 22.4 ms "
        "| 44.6 ms | 1.20 (2,261) | 0.09 |"
    ]


def test_single_transfers_come_before_batches_and_reads(tmp_path):
    alone = {"pgbench_per_second": None, "ratio": None}
    reads = LOAD | alone | {"what": "reads of balances over HTTP, from table"}
    files = kept(tmp_path, a=reads, b=LOAD | {"what": "batches of 100"}, c=LOAD)

    rows = tables(files)["loads"].splitlines()[2:]

    assert [row.split()[1] for row in rows] == ["single", "batches", "reads"]
    assert rows[2].endswith("| 44.6 ms |  | 0.09 |")


def test_reports_of_another_form_are_passed_over(tmp_path):
    assert tables(kept(tmp_path, one={"what": "a fault run"}, two=[{"mutant": "one"}])) == {}


def test_the_tables_in_the_readme_are_those_of_the_kept_reports():
    shown = blocks((code_folder() / "README.md").read_text(encoding="utf-8"))
    made = tables(RESULTS.glob("*.json"))

    assert shown
    assert shown == {name: made[name] for name in shown}


def test_a_marked_table_is_found_again():
    assert blocks("before\n" + marked("loads", "| a |\n") + "after") == {"loads": "| a |\n"}
