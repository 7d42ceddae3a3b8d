"""`chronos doctor` and `chronos top` beside a pipeline: well, and with a stopped mirror."""

import os
import signal

import pytest

from tests.integration.end_to_end.running import Running, eventually, started

SEEN_S = 120
BEHIND_S = 10


@pytest.fixture
async def running(data_folder):
    async with started(data_folder, "--port", "0", "--api-processes", "2") as instance:
        yield instance


async def findings(running: Running):
    code, answer = await running.command("doctor")
    assert answer["healthy"] is (code == 0)
    return {(one["code"], one["about"]): one for one in answer["findings"]}


async def wrong(running: Running):
    found = await findings(running)
    return {place: one for place, one in found.items() if one["severity"] != "ok"}


async def look(running: Running):
    """Gives what `chronos top` sees: processes by name, stages by name, traffic."""
    _, seen = await running.command("top")
    rows = {row["name"]: row for row in seen["processes"]}
    stages = {stage["stage"]: stage for stage in seen["stages"]}
    return rows, stages, seen["traffic"]


async def test_a_pipeline_is_well_until_its_mirror_stands_still(running):
    await until_well(running)
    rows, stages, traffic = await look(running)
    assert list(rows)[:5] == ["api-0", "api-1", "relay", "balances", "mirror"]
    assert {row["state"] for row in rows.values()} == {"ready", "running"}
    assert {stage["status"] for stage in stages.values()} == {"ok"}
    assert traffic["transfers_per_s"] == 0

    mirror = running.addresses["pids"]["mirror"]
    os.kill(mirror, signal.SIGSTOP)
    try:
        await pay(running)
        rows, stages = await until_behind(running)
        assert (rows["mirror"]["state"], rows["relay"]["state"]) == ("silent", "ready")
        assert sum(stages["entries"]["parts"].values()) == stages["entries"]["events"]
        assert (stages["relay"]["events"], stages["balances"]["events"]) == (0, 0)

        found = await wrong(running)
        assert found["process", "mirror"]["severity"] == "error"
        behind = found["lag", "entries"]["sentence"]
        assert f"{stages['entries']['events']} events" in behind
        assert {about for code, about in found if code == "lag"} <= {"entries", "accounts"}
    finally:
        os.kill(mirror, signal.SIGCONT)


async def until_well(running: Running) -> None:
    said = {}

    async def is_well():
        said["wrong"] = await wrong(running)
        return not said["wrong"]

    await eventually(is_well, within_s=SEEN_S, what=lambda: said)


async def until_behind(running: Running):
    said = {}

    async def is_behind():
        said["rows"], said["stages"], _ = await look(running)
        entries = said["stages"]["entries"]
        return entries["events"] >= 10 and (entries["seconds"] or 0) > BEHIND_S

    await eventually(is_behind, within_s=SEEN_S, what=lambda: said)
    return said["rows"], said["stages"]


async def pay(running: Running) -> None:
    async with running.client() as client:
        await client.accounts.open("bank", currency="EUR", kind="settlement")
        await client.accounts.open("alice", currency="EUR")
        for _ in range(5):
            await client.transfers.make("bank", "alice", amount=1, currency="EUR")
