"""Workers that are told to stop under load leave nothing to be done again."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator

import pytest

from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.indices import delete_indices
from tests.integration.balances.harness import Scene, Worker, until
from tests.integration.balances.test_rebalance import GAPS, Load

DUPLICATES = 'chronos_balance_events_total{outcome="duplicate"}'
APPLIED = 'chronos_balance_events_total{outcome="applied"}'
AGAIN = 'chronos_mirror_documents_total{index="%s",outcome="already_applied"}'
CONSUMED = 'chronos_stream_events_processed_total{agent="mirror-entries"}'
MIRRORED = 'chronos_mirror_documents_total{index="entries",outcome="applied"}'


@pytest.fixture
async def search(scene: Scene) -> AsyncIterator[ElasticsearchMirror]:
    mirror = ElasticsearchMirror(scene.settings.elasticsearch_url, scene.names)
    await mirror.ensure_indices()
    yield mirror
    await delete_indices(mirror.client, scene.names)
    await mirror.close()


async def test_a_stopped_balances_worker_leaves_nothing_to_be_done_again(scene: Scene):
    load = Load(scene)
    await load.open()
    loading = asyncio.create_task(load.run())
    worker = await scene.worker()

    for _ in range(2):
        await until_counted(scene, worker, APPLIED)
        await stopped_in_time(scene, worker)
        worker.start()
        await scene.until_ready(worker)
    await until_counted(scene, worker, APPLIED)
    load.end()
    await loading

    assert await scene.assert_equal(worker) == {"table"}
    assert await scene.counter(worker, DUPLICATES) == 0
    assert await scene.counter(worker, GAPS) == 0


async def test_mirrors_come_and_go_under_load_and_do_nothing_again(
    scene: Scene, search: ElasticsearchMirror
):
    load = Load(scene)
    await load.open()
    await scene.worker()
    first = await scene.worker(0, role="mirror")
    # The new index is filled from the topic before anything is consumed.
    await until_counted(scene, first, CONSUMED, more_than=0)
    loading = asyncio.create_task(load.run())
    await until_counted(scene, first, MIRRORED)

    await stopped_in_time(scene, first)
    first.start()
    await scene.until_ready(first)
    await until_counted(scene, first, MIRRORED)
    assert await scene.counter(first, AGAIN % "entries") == 0
    second = await scene.worker(1, role="mirror")
    await until_counted(scene, second, MIRRORED)
    await stopped_in_time(scene, second)
    load.end()
    await loading

    async def is_mirrored() -> bool:
        await search.entries.refresh()
        await search.accounts.refresh()
        found = {account.account_id: account.hash async for account in search.accounts.scan()}
        heads = {name: head.hash.hex() for name, head in scene.bank.state.heads.items()}
        return await search.entries.count() == len(load.balances) and found == heads

    await until(is_mirrored, first.story)


async def until_counted(
    scene: Scene, worker: Worker, sample: str, *, more_than: float | None = None
) -> None:
    """Waits until a worker has done something more, a hundred times if nothing else is said."""
    if more_than is None:
        more_than = await scene.counter(worker, sample) + 100

    async def more() -> bool:
        return await scene.counter(worker, sample) > more_than

    await until(more, worker.story)


async def stopped_in_time(scene: Scene, worker: Worker) -> None:
    """Stops a worker as an impatient person does: pressing again changes nothing."""
    told_s = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
        worker.process.send_signal(number)
    assert await worker.exit_code() == 0, worker.story()
    assert time.monotonic() - told_s < scene.settings.drain_s
