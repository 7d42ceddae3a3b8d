"""A database that was restored behind what was shown ends the workers, not the money."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chronos.audit.rebuild_table import rebuild_table
from tests.integration.balances.harness import Scene, Worker

THIS_ONE = """
UPDATE relay_checkpoints
SET system_identifier = c.system_identifier, timeline_id = k.timeline_id
FROM pg_control_system() AS c, pg_control_checkpoint() AS k
"""
ANOTHER = "UPDATE relay_checkpoints SET timeline_id = timeline_id + 1"
UNFINISHED = "UPDATE relay_checkpoints SET system_identifier = 0, timeline_id = 1"


async def refused(scene: Scene, role: str) -> str:
    settings = replace(scene.settings, slot=1)
    worker = Worker(settings, scene.folder / f"refused-{role}.log", role)
    scene.workers.append(worker)
    worker.start()
    assert await worker.exit_code() == 78
    return worker.story()


@pytest.mark.parametrize("role", ["balances", "mirror"])
async def test_no_worker_starts_on_a_restored_database(scene: Scene, role: str):
    await scene.owner.execute(THIS_ONE)
    await scene.owner.execute(ANOTHER)

    story = await refused(scene, role)

    assert "restored or another database" in story
    assert "chronos rebuild all" in story


async def test_no_worker_starts_beside_a_rebuild_that_did_not_end(scene: Scene):
    await scene.owner.execute(UNFINISHED)

    assert "`chronos rebuild all` was begun and did not end" in await refused(scene, "balances")


async def test_a_running_worker_stops_showing_what_a_restored_database_does_not_have(
    scene: Scene,
):
    await scene.owner.execute(THIS_ONE)
    await scene.publish(await scene.open_accounts(2))
    worker = await scene.worker()
    await scene.assert_equal(worker)

    await scene.owner.execute(ANOTHER)

    assert await worker.exit_code() == 78
    assert "restored or another database" in worker.story()


async def test_a_database_that_is_away_at_the_start_proves_nothing(scene: Scene, postgres_door):
    await scene.owner.execute(THIS_ONE)
    await scene.publish(await scene.open_accounts(2))
    await postgres_door.shut()

    worker = await scene.worker()
    await postgres_door.open()

    await scene.assert_equal(worker)
    await scene.owner.execute(ANOTHER)
    assert await worker.exit_code() == 78


async def test_a_table_on_the_disk_of_a_machine_that_no_rebuild_reached_is_refused(
    scene: Scene,
):
    """Another machine made all anew; the disk of this one has the table from before."""
    await scene.owner.execute(THIS_ONE)
    await scene.publish(await scene.open_accounts(2))
    worker = await scene.worker()
    await scene.assert_equal(worker)
    await worker.stop()
    (mark,) = scene.settings.state_dir.glob("balances-0/journal.json")
    mark.write_bytes(mark.read_bytes().replace(b'"timeline_id":1', b'"timeline_id":7'))

    worker.start()

    assert await worker.exit_code() == 78
    assert "run `chronos rebuild table` on this machine" in worker.story()
    await rebuild_table(
        scene.settings.kafka, scene.names, scene.settings.state_dir, progress=lambda *_: None
    )
    worker.start()
    await scene.until_ready(worker)
    assert await scene.assert_equal(worker) == {"table"}
