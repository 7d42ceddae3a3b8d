"""The load benches through the command line, each for a second, on real servers."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from chronos.bench.stack import Parts, started_side
from chronos.embedded.report import Silence
from tests.databases import made_database
from tests.integration.api.running import make_key, running_api
from tests.integration.bench.commands import bench, run_bench

DEADLINE_S = 240
SHORT = ("--seconds", "1", "--warm-up", "0.2", "--accounts", "20")
HEAD = {
    "bench", "what", "commit", "started_at", "machine", "load_average", "postgresql", "settings"
}  # fmt: skip


def measured(file: Path, *words: str, **variables: str) -> dict[str, Any]:
    """Runs a bench that is to succeed, and gives its report."""
    bench(*words, "--json", str(file), deadline_s=DEADLINE_S, **variables)
    report = json.loads(file.read_bytes())
    assert set(report) > HEAD
    assert report["bench"] == words[0]
    return report


@pytest.fixture(scope="module")
def door(cluster_dsn, template, tmp_path_factory):
    """A running command endpoint, as an address and variables."""
    folder = tmp_path_factory.mktemp("api")
    with (
        made_database(cluster_dsn, template) as database,
        running_api(database, folder) as api,
    ):
        key = make_key(database, "bench", "read", "write", "admin")
        yield (
            f"http://127.0.0.1:{api.port}",
            {
                "CHRONOS_API_KEY": key,
                "CHRONOS_POSTGRES_DSN": database.owner_dsn,
            },
        )


def test_transfers_beside_pgbench_on_servers_of_their_own(tmp_path):
    report = measured(tmp_path / "r.json", "transfers", *SHORT, "--against", "pgbench")

    assert report["per_second"] > 0
    assert report["postgresql"]["fsync"] == report["postgresql"]["synchronous_commit"] == "on"
    assert report["settings"]["connections"] == 64
    assert report["settings"]["loop"] == "closed"
    assert report["ratio"] == pytest.approx(
        report["per_second"] / report["pgbench_per_second"], rel=0.01
    )
    [load] = report["rounds"]
    assert load["statuses"] == {"201": load["done"]}
    assert load["driver_cpu_us"] > 0
    assert 0 < report["p50_ms"] <= report["p95_ms"] <= report["p99_ms"] <= report["max_ms"]


def test_transfers_at_a_rate_on_a_given_address(tmp_path, door):
    api, variables = door
    words = ("transfers", *SHORT, "--rate", "50", "--skew", "one-hot", "--api", api)
    report = measured(tmp_path / "r.json", *words, **variables)

    assert report["settings"]["loop"] == "open"
    assert report["settings"]["skew"] == "one-hot"
    assert 40 <= report["rounds"][0]["due"] <= 60
    assert report["rounds"][0]["failures"] == {}


def test_batches_count_their_transfers(tmp_path, door):
    api, variables = door
    words = ("batches", *SHORT, "--batch", "10", "--connections", "2", "--api", api)
    report = measured(tmp_path / "r.json", *words, "--skew", "zipf", **variables)

    [load] = report["rounds"]
    assert load["done"] == 10 * load["statuses"]["200"] > 0
    assert report["unit"] == "transfers"
    assert (report["settings"]["batch"], report["settings"]["zipf_exponent"]) == (10, 0.99)


def test_balances_from_the_journal(tmp_path, door):
    api, variables = door
    words = ("balance", *SHORT, "--from", "command", "--connections", "2", "--api", api)
    report = measured(tmp_path / "r.json", *words, **variables)

    assert report["per_second"] > 0
    assert report["settings"]["from"] == "command"


def test_a_key_that_nobody_holds_is_said_in_one_sentence(door):
    api, variables = door
    wrong = variables | {"CHRONOS_API_KEY": "none"}
    done = run_bench("transfers", *SHORT, "--api", api, deadline_s=DEADLINE_S, **wrong)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "unauthenticated" in done.stderr


async def test_balances_from_the_table_and_from_redis(data_folder: Path, tmp_path):
    async with started_side(
        data_folder, Parts(workers=2), environment=os.environ, report=Silence()
    ) as side:
        addresses = ("--api", side.doors.command)
        for query in side.queries:
            addresses = (*addresses, "--query", query)
        key = {"CHRONOS_API_KEY": side.doors.api_key}
        for origin in ("table", "redis"):
            words = ("balance", *SHORT, "--from", origin, "--workers", "2", *addresses)
            report = await asyncio.to_thread(
                measured, tmp_path / "r.json", *words, "--connections", "4", **key
            )
            assert report["settings"]["from"] == origin
            assert report["settings"]["workers_asked"] == 2
            assert report["per_second"] > 0
