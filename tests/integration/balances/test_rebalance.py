"""One worker, three, and one again, under load: nothing lost, doubled or made up meanwhile."""

from __future__ import annotations

import asyncio
import json
import random

import aiohttp

from tests.integration.balances.harness import Scene, Worker
from tests.integration.balances.test_faults import assert_redis_equal

ACCOUNTS = 30
PORTION = 20
SEED = 11
GAPS = "chronos_balance_gaps_repaired_total"


class Load:
    """Payments that go on until they are told to end, and every balance that ever was."""

    def __init__(self, scene: Scene):
        self._scene = scene
        self._chance = random.Random(SEED)
        self._over = asyncio.Event()
        self.balances: set[tuple[str, int, int]] = set()

    async def open(self) -> None:
        await self._publish(await self._scene.open_accounts(ACCOUNTS))

    async def run(self) -> None:
        while not self._over.is_set():
            pairs = [self._chance.sample(range(ACCOUNTS), 2) for _ in range(PORTION)]
            rows = await self._scene.book(
                *(self._scene.pay(f"a{x}", f"a{y}") for x, y in pairs)
            )
            await self._publish(rows)
            await asyncio.sleep(0)

    def end(self) -> None:
        self._over.set()

    async def _publish(self, rows) -> None:
        for row in rows:
            body = json.loads(row.value)
            self.balances.add((body["account_id"], body["version"], body["booked_after"]))
        await self._scene.publish(rows)


class Watching:
    """Readers of all workers: each answer is a balance that was, or says that it is none."""

    def __init__(self, scene: Scene, load: Load):
        self._scene = scene
        self._load = load
        self._chance = random.Random(SEED)
        self.workers: list[Worker] = []
        self.shown = 0
        self.gaps: dict[int, float] = {}

    async def run(self) -> None:
        while True:
            for worker in list(self.workers):
                await self._read(worker)
            await asyncio.sleep(0.02)

    async def _read(self, worker: Worker) -> None:
        account_id = f"a{self._chance.randrange(ACCOUNTS)}"
        try:
            status, body = await self._scene.ask(worker, f"/v1/accounts/{account_id}/balance")
            self.gaps[worker.slot] = await self._scene.counter(worker, GAPS)
        except (aiohttp.ClientError, TimeoutError):
            return
        assert status in (200, 503), body
        if status == 200:
            self.shown += 1
            assert (account_id, body["version"], body["booked"]) in self._load.balances, body


async def test_workers_come_and_go_under_load(scene: Scene, redis_url):
    load = Load(scene)
    await load.open()
    watching = Watching(scene, load)
    first = await scene.worker(0)
    watching.workers.append(first)
    tasks = [asyncio.create_task(load.run()), asyncio.create_task(watching.run())]

    for slot in (1, 2):
        watching.workers.append(await scene.worker(slot))
        await settled(scene, watching, tasks)
    for _ in (1, 2):
        leaving = watching.workers.pop()
        assert await leaving.stop() == 0, leaving.story()
        await settled(scene, watching, tasks)
    load.end()
    await tasks[0]

    assert await scene.assert_equal(first) == {"table"}
    tasks[1].cancel()
    await asyncio.wait(tasks)
    await assert_redis_equal(scene, redis_url)
    assert watching.shown > 100
    # Kafka had every record: one that had to be read from the journal was dropped on its way.
    assert set(watching.gaps.values()) == {0.0}, watching.gaps


async def settled(scene: Scene, watching: Watching, tasks: list[asyncio.Task]) -> None:
    """Waits until every worker follows what is booked now."""
    version = scene.bank.state.heads["a0"].state.version
    for worker in watching.workers:
        await scene.balance(worker, "a0", min_version=version)
    for task in tasks:
        assert not task.done(), task
