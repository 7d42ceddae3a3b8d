"""A worker that does not get on ends itself; one that waits for a store does not."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from tests.integration.balances.harness import Scene, Worker, until

STUCK_AFTER_S = 5
DRAIN_S = 4
ENDED_WITHIN_S = STUCK_AFTER_S + DRAIN_S + 10


@pytest.fixture
def impatient(scene: Scene) -> Scene:
    """A bank whose workers end themselves after five seconds."""
    scene.settings = replace(scene.settings, stuck_after_s=STUCK_AFTER_S, drain_s=DRAIN_S)
    return scene


async def test_an_agent_that_hangs_ends_its_worker_and_nothing_is_lost(impatient: Scene):
    worker = await impatient.worker(planted="hangs")
    await impatient.publish(await impatient.open_accounts(3))

    started_s = time.monotonic()
    assert await worker.exit_code() == 1, worker.story()
    assert STUCK_AFTER_S - 1 < time.monotonic() - started_s < ENDED_WITHIN_S
    (said,) = worker.said("worker_stuck")
    assert (said["agent"], said["level"]) == ("balances", "error")
    assert said["topic"] == impatient.names.events
    assert said["lag_records"] > 0
    assert said["last_progress_s"] >= STUCK_AFTER_S
    assert 0 <= said["partition"] < impatient.settings.partitions
    (end,) = worker.said("worker_ended")
    assert "Agent balances has done nothing" in end["reason"]

    worker.planted = ""
    worker.start()
    await impatient.until_ready(worker)
    assert await impatient.assert_equal(worker) == {"table"}


async def test_a_blocked_event_loop_ends_its_process(impatient: Scene):
    worker = await impatient.worker(planted="blocks")
    await impatient.publish(await impatient.open_accounts(1))

    started_s = time.monotonic()
    assert await worker.exit_code() == 1, worker.story()
    assert STUCK_AFTER_S - 1 < time.monotonic() - started_s < ENDED_WITHIN_S
    (said,) = worker.said("event_loop_blocked")
    assert said["last_progress_s"] >= STUCK_AFTER_S
    # The stacks of its threads say where.
    assert "planted.py" in worker.story()


async def test_a_worker_that_waits_for_postgresql_lives(impatient: Scene, postgres_door):
    await impatient.publish(await impatient.open_accounts(2))
    worker = await impatient.worker()
    await impatient.assert_equal(worker)
    missing = await impatient.book(*(impatient.pay("a0", "a1") for _ in range(3)))
    await postgres_door.shut()
    await impatient.publish(missing[-2:])

    await lives_for(impatient, worker, 3 * STUCK_AFTER_S, waiting_for=["postgresql"])

    await postgres_door.open()
    await impatient.assert_equal(worker)


async def test_a_worker_without_work_lives_and_so_does_one_whose_work_goes_on(
    impatient: Scene,
):
    await impatient.publish(await impatient.open_accounts(2))
    worker = await impatient.worker()
    await impatient.assert_equal(worker)

    await lives_for(impatient, worker, 2 * STUCK_AFTER_S, waiting_for=[])

    ends_s = time.monotonic() + 2 * STUCK_AFTER_S
    while time.monotonic() < ends_s:
        await impatient.publish(await impatient.book(impatient.pay("a0", "a1")))
        await impatient.assert_equal(worker)
    assert not worker.said("worker_stuck")


async def test_a_worker_that_was_put_to_sleep_is_not_stuck(impatient: Scene):
    await impatient.publish(await impatient.open_accounts(2))
    worker = await impatient.worker(1)
    await impatient.assert_equal(worker)

    worker.freeze()
    first = await impatient.worker(0)
    await impatient.until_owner_of_all(first)
    worker.thaw()

    # It lost its partitions and says so; that its loop stood still is no reason of its own.
    assert await worker.exit_code() == 1, worker.story()
    assert not worker.said("event_loop_blocked")
    assert not worker.said("worker_stuck")


async def lives_for(
    scene: Scene, worker: Worker, seconds: float, *, waiting_for: list[str]
) -> None:
    """Watches a worker, which must live all the time and say at the end what it waits for."""
    ends_s = time.monotonic() + seconds
    seen: list[object] = []

    async def over() -> bool:
        assert worker.process.poll() is None, worker.story()
        status, body = await scene.ask(worker, "/healthz")
        assert status == 200, body
        seen[:] = [body]
        return time.monotonic() > ends_s and body["waiting_for"] == waiting_for

    await until(over, lambda: str(seen), 2 * seconds)
