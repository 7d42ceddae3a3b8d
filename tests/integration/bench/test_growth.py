"""A sweep through the command line on servers of its own, and the journal that it fills."""

from __future__ import annotations

import json

import pytest

from chronos.audit.verify import verify
from chronos.bench.growth import filling
from chronos.bench.stages.town import TownPlan
from chronos.clock import SystemClock
from tests.integration.bench.commands import bench

SHORT = ("--rounds", "1", "--seconds", "1", "--warm-up", "0.5", "--connections", "8")
SWEEPS = {
    "write side": (
        ("--axis", "api", "--axis", "accounts", "--axis", "journal"),
        ("--api-processes", "1,2", "--accounts", "20,50", "--journal", "1000,4000"),
        {"api": [1, 2], "accounts": [20, 50], "journal": [1_000, 4_000]},
    ),
    "read side": (
        ("--axis", "relay", "--axis", "workers"),
        ("--relay-shards", "1,2", "--workers", "1", "--backlog", "60000"),
        {"relay": [1, 2], "workers": [1]},
    ),
}


@pytest.mark.parametrize("name", SWEEPS)
def test_axes_are_measured_one_after_the_other_into_one_report(name, tmp_path):
    axes, points, expected = SWEEPS[name]
    file = tmp_path / "report.json"

    bench("growth", *axes, *points, *SHORT, "--json", str(file))

    report = json.loads(file.read_text())
    assert report["bench"] == "growth"
    assert report["postgresql"]["fsync"] == "on"
    found = {axis["axis"]: [one["at"] for one in axis["points"]] for axis in report["axes"]}
    assert found == expected
    for axis in report["axes"]:
        assert all(one["per_second"] > 0 < one["processor_us"] for one in axis["points"])

    bench("plot", str(file), "--to", str(tmp_path / "growth.svg"))

    assert (tmp_path / "growth.svg").read_text().startswith("<svg")


async def test_a_journal_that_several_processes_filled_is_proved(database, monkeypatch):
    monkeypatch.setattr(filling, "PART_EVENTS_MIN", 500)
    monkeypatch.setattr(filling, "processors", lambda: 3)
    said: list[str] = []
    plan = TownPlan(accounts=30, events=2_000, now=SystemClock().now(), is_published=False)

    town = await filling.fill_journal(database.owner_dsn, plan, say=said.append)

    assert "3 processes" in said[0]
    assert len(town.accounts) == 30
    proof = await verify(database.owner_dsn)
    assert proof.is_clean, proof.lines()
    assert f"{town.events:,} events" in proof.lines()[0]
