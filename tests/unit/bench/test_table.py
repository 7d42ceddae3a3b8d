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


DRAINED = {
    "records": 1_000_000,
    "per_second": 31_604,
    "processor_seconds": 25.0,
    "resident_peak_mib": 214.5,
}
STAGES = {
    "recovery": {
        "bench": "recovery",
        "accounts": 1_000_000,
        "starts": [{"disk": "warm", "ready_s": 4.25, "resident_peak_mib": 380.2}],
        "failover": [{"way_back": "taken over", "until_all_answer_s": 2.1, "own_refused": 0}],
    },
    "pipeline": {
        "bench": "pipeline",
        "settings": {"rate": 1_200.0, "view_rate": 300.0, "seconds": 60.0, "mirror": False},
        "is_sustained": False,
        "behind": [{"model": "table", "max_s": 0.4}, {"model": "redis", "max_s": 2.25}],
        "commit_to_view": {"p50_ms": 20.0, "p99_ms": 80.04},
    },
    "mirror": {"bench": "mirror", "worker": DRAINED, "ratio": 0.712},
    "fold": {"bench": "fold", "settings": {"accounts": 1_000}, "worker": DRAINED},
    "relay": {
        "bench": "relay",
        "settings": {"rate": 500.0},
        "null_sink": {"rows": 100, "rows_per_second": 257_950, "processor_seconds": 0.0002},
        "kafka": {"rows": 100, "rows_per_second": 55_322, "processor_seconds": 0.001},
        "commit_to_kafka": {"p50_ms": 9.6, "p99_ms": 18.5},
    },
}


def test_stages_stand_in_the_order_of_the_flow(tmp_path):
    rows = tables(kept(tmp_path, **STAGES))["stages"].splitlines()[2:]

    assert rows == [
        "| relay, a backlog into nothing | 257,950 events a second "
        "| 2.0 µs of processor each |",
        "| relay, a backlog into Kafka | 55,322 events a second | 10.0 µs of processor each |",
        "| from commit to Kafka at 500 transfers a second | p50 9.6 ms, p99 18.5 ms |  |",
        "| balances worker, 1,000 accounts | 31,604 events a second "
        "| 25.0 µs of processor each, 214 MiB at most |",
        "| mirror worker into Elasticsearch "
        "| 31,604 events a second, 0.71 of a bare bulk loader "
        "| 25.0 µs of processor each, 214 MiB at most |",
        "| whole pipeline without Elasticsearch at 1,200 transfers a second "
        "| NOT sustained, 60 s | redis 2.25 s behind at most |",
        "| from commit to balance view at 300 a second | p50 20.0 ms, p99 80.0 ms |  |",
        "| balances worker, 1,000,000 accounts, warm disk | ready after 4.2 s "
        "| 380 MiB at most |",
        "| one of two workers killed, taken over | all accounts answered after 2.1 s "
        "| the survivor refused 0 of its own |",
    ]
