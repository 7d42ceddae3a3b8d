"""The benches of the stages, each through the command line on servers of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.bench.commands import bench

COMMANDS = {
    "relay": ("--rows", "3000", "--accounts", "20", "--rate", "50"),
    "mirror": ("--events", "12000", "--accounts", "20"),
    "fold": ("--events", "30000", "--accounts", "20"),
    "pipeline": ("--rate", "50", "--view-rate", "20", "--accounts", "20"),
    "recovery": ("--accounts", "200"),
}
SHORT = ("--seconds", "2", "--warm-up", "1", "--connections", "8")
LOADS = {"relay", "pipeline"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_stage_is_measured_and_says_on_what(name, tmp_path):
    report = measure(name, tmp_path / "report.json")

    assert report["bench"] == name
    assert report["machine"]["processors"] >= 1
    assert report["postgresql"]["fsync"] == "on"
    assert report["settings"]
    EXPECTED[name](report)


def measure(name: str, file: Path) -> dict:
    words = (*COMMANDS[name], *(SHORT if name in LOADS else ()))
    bench(name, *words, "--json", str(file))
    return json.loads(file.read_text())


def expect_relay(report: dict) -> None:
    assert report["null_sink"]["rows"] == report["kafka"]["rows"] == 2_999
    assert report["kafka"]["rows_per_second"] > 0
    way = report["commit_to_kafka"]
    assert 0 < way["p50_ms"] <= way["p99_ms"] <= way["max_ms"]
    # Two events of each of the transfers, of which 100 were due.
    assert way["events"] >= 100


def expect_mirror(report: dict) -> None:
    assert 0 < report["worker"]["records"] <= report["settings"]["events"]
    assert [turn["documents"] for turn in report["loader"]] == [11_999, 11_999]
    assert report["ratio"] > 0


def expect_fold(report: dict) -> None:
    assert 0 < report["worker"]["records"] <= report["settings"]["events"]
    assert report["worker"]["resident_peak_mib"] > 50


def expect_pipeline(report: dict) -> None:
    models = {one["model"]: one for one in report["behind"]}
    assert set(models) == {
        "topic",
        "table",
        "redis",
        "elasticsearch accounts",
        "elasticsearch entries",
    }
    assert all(one["samples"] == 2 and not one["unseen"] for one in models.values())
    assert report["commit_to_view"]["samples"] > 0
    assert {"api", "relay", "balances", "mirror", "postgres"} <= {
        one["name"] for one in report["processes"]
    }


def expect_recovery(report: dict) -> None:
    assert [one["disk"] for one in report["starts"]] == ["warm", "empty"]
    assert all(0 < one["ready_s"] <= one["answered_s"] for one in report["starts"])
    assert [one["way_back"] for one in report["failover"]] == ["restarted", "taken over"]
    assert all(len(one["partitions_s"]) == 8 for one in report["failover"])
    assert all(one["own_refused"] == 0 for one in report["failover"])


EXPECTED = {
    "relay": expect_relay,
    "mirror": expect_mirror,
    "fold": expect_fold,
    "pipeline": expect_pipeline,
    "recovery": expect_recovery,
}
