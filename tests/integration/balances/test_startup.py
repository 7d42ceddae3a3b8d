"""A worker that only reads refuses an unsafe database too, as soon as it can see it."""

from __future__ import annotations

import dataclasses

import pytest

from tests.integration.balances.harness import Scene, Worker, free_port, until

UNSAFE = "GRANT UPDATE (body) ON events TO chronos_reader"


def started(scene: Scene, role: str) -> Worker:
    worker = Worker(scene.settings, scene.folder / f"{role}.log", role)
    scene.workers.append(worker)
    worker.start()
    return worker


@pytest.mark.parametrize("role", ["balances", "mirror"])
async def test_a_reader_that_could_rewrite_the_journal_does_not_start(scene: Scene, role: str):
    await scene.owner.execute(UNSAFE)

    worker = started(scene, role)

    assert await worker.exit_code() == 78, worker.story()
    assert "CHRONOS_POSTGRES_DSN: its role may UPDATE" in worker.story()


async def test_a_journal_without_its_triggers_is_not_read(scene: Scene):
    await scene.owner.execute("ALTER TABLE events DISABLE TRIGGER events_zero_sum")

    worker = started(scene, "balances")

    assert await worker.exit_code() == 78, worker.story()
    assert "events_zero_sum: this trigger" in worker.story()


async def test_an_unsafe_database_that_comes_later_is_refused_then(scene: Scene, postgres_door):
    await scene.owner.execute(UNSAFE)
    await postgres_door.shut()
    worker = await scene.worker()

    async def waits() -> bool:
        return "startup_checks_wait" in worker.story()

    await until(waits, worker.story)
    await postgres_door.open()

    assert await worker.exit_code() == 78, worker.story()
    assert "its role may UPDATE" in worker.story()


@pytest.mark.parametrize("role", ["balances", "mirror", "relay"])
async def test_a_worker_waits_for_a_kafka_that_is_away_at_its_start(scene: Scene, role: str):
    nowhere = dataclasses.replace(scene.settings, kafka=f"127.0.0.1:{free_port()}")
    worker = Worker(nowhere, scene.folder / f"{role}.log", role)
    scene.workers.append(worker)
    worker.start()

    async def waits() -> bool:
        return len(worker.said("store_awaited")) >= 3

    await until(waits, worker.story)
    assert worker.said("store_awaited")[0]["service"] == "kafka"
    assert await worker.stop() == 0, worker.story()
