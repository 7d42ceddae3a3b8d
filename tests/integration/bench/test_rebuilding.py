"""The measurement of rebuilds measures all four, each over the whole journal."""

from __future__ import annotations

import os
from pathlib import Path

from chronos.assembly.servers_only import servers_on
from chronos.audit.fill_from_topic import Source
from chronos.bench.rebuilding import RebuildPlan, measure_rebuild
from chronos.clock import SystemClock
from chronos.embedded.folder import DataFolder
from chronos.embedded.report import Silence

EVENTS = 1_000


async def test_every_copy_is_made_anew_and_counted(data_folder: Path):
    plan = RebuildPlan(events=EVENTS, source=Source.AUTO, environment=os.environ)
    async with servers_on(DataFolder(data_folder), os.environ, Silence()) as settings:
        report = await measure_rebuild(settings, plan, clock=SystemClock(), say=lambda _: None)

    assert [(one.target, one.read) for one in report.rebuilds] == [
        ("kafka", "postgresql"),
        ("redis", "kafka"),
        ("elasticsearch", "kafka"),
        ("table", "kafka"),
    ]
    assert {one.events for one in report.rebuilds} == {report.settings["events"]}
    assert all(one.seconds > 0 and one.resident_peak_mib > 10 for one in report.rebuilds)
