"""What ledgers on Faust lost data by: restarts, a compacted changelog, a hot account."""

from __future__ import annotations

import asyncio

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from chronos.stream.topic_reader import open_topic
from tests.integration.balances.harness import Scene, until
from tests.integration.balances.test_faults import pay_around
from tests.integration.balances.test_offsets import until_all_committed
from tests.integration.balances.test_rebalance import GAPS, Load

RESTARTS = 8
HOT_EVENTS = 10_000
PORTION = 1_000
COMPACTED_WITHIN_S = 90.0
COMPACT_NOW = {
    "min.cleanable.dirty.ratio": "0.01",
    "segment.ms": "100",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "100",
}


async def test_eight_restarts_in_a_row_lose_nothing_and_block_no_commit(scene: Scene):
    load = Load(scene)
    await load.open()
    loading = asyncio.create_task(load.run())
    worker = await scene.worker()

    for number in range(RESTARTS):
        if number % 2:
            assert await worker.stop() == 0, worker.story()
        else:
            worker.kill()
        worker.start()
        await scene.until_ready(worker)
        assert await scene.counter(worker, GAPS) == 0
    load.end()
    await loading

    assert await scene.assert_equal(worker) == {"table"}
    assert await scene.counter(worker, GAPS) == 0
    await until_all_committed(scene)


async def test_a_table_comes_back_from_a_changelog_that_was_compacted(scene: Scene):
    await scene.publish(await scene.open_accounts(40))
    worker = await scene.worker()
    await pay_around(scene, 600)
    await scene.assert_equal(worker)
    written = await changelog_records(scene)
    await set_changelog(scene, COMPACT_NOW)
    # A segment is closed when the next record comes, and only closed ones are compacted.
    await pay_around(scene, 200)
    await scene.assert_equal(worker)

    async def compacted() -> bool:
        return await changelog_records(scene) < written

    await until(compacted, worker.story, COMPACTED_WITHIN_S)
    assert await worker.stop() == 0, worker.story()
    scene.lose_disk(worker)
    worker.start()
    await scene.until_ready(worker)

    assert await scene.assert_equal(worker) == {"table"}
    await pay_around(scene, 200)
    assert await scene.assert_equal(worker) == {"table"}
    await until_all_committed(scene)


async def test_a_hot_account_is_right_after_a_restart(scene: Scene):
    await scene.publish(await scene.open_accounts(1))
    worker = await scene.worker()
    for start in range(0, HOT_EVENTS, PORTION):
        rows = await scene.book(*(scene.pay("bank", "a0") for _ in range(PORTION)))
        await scene.publish(rows)
        if start == HOT_EVENTS // 2:
            worker.kill()
            worker.start()
    await scene.until_ready(worker)

    shown = await scene.balance(worker, "a0", min_version=HOT_EVENTS + 2)
    assert shown["booked"] == 1_000_000 + HOT_EVENTS
    assert await scene.assert_equal(worker) == {"table"}


async def changelog_records(scene: Scene) -> int:
    count = 0
    topic = scene.names.balances_changelog
    async with open_topic(scene.settings.kafka, topic) as reader:
        async for page in reader.pages_until(await reader.end_offsets()):
            count += len(page)
    return count


async def set_changelog(scene: Scene, configs: dict[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=scene.settings.kafka)
    await admin.start()
    topic = scene.names.balances_changelog
    await admin.alter_configs(
        [
            ConfigResource(
                ConfigResourceType.TOPIC,
                topic,
                configs={"cleanup.policy": "compact", **configs},
            )
        ]
    )
    await admin.close()
