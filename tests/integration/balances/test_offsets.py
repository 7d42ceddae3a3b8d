"""What a group has committed is what it has done, however sparse the offsets are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from chronos.wire.booking import OutboxRow
from chronos.wire.headers import decode_headers
from tests.integration.balances.harness import Scene, until

DUPLICATES = 'chronos_balance_events_total{outcome="duplicate"}'
TRANSACTIONS = 150
COMMITTED_WITHIN_S = 20.0


async def test_a_transaction_marker_behind_each_record_holds_no_commit_up(scene: Scene):
    await scene.publish(await scene.open_accounts(3))
    worker = await scene.worker()
    rows = await scene.book(*(scene.pay("a0", "a1") for _ in range(TRANSACTIONS)))

    async with transactions(scene) as producer:
        for row in rows:
            async with producer.transaction():
                await send(producer, row)
        await scene.assert_equal(worker)
        await until_all_committed(scene)

    # A clean stop leaves nothing to be delivered again.
    assert await worker.stop() == 0, worker.story()
    worker.start()
    await scene.until_ready(worker)
    await scene.publish(await scene.book(scene.pay("a1", "a2")))
    await scene.assert_equal(worker)
    assert await scene.counter(worker, DUPLICATES) == 0


async def test_a_killed_worker_loses_nothing_between_markers(scene: Scene):
    await scene.publish(await scene.open_accounts(3))
    worker = await scene.worker()
    rows = await scene.book(*(scene.pay("a0", "a1") for _ in range(TRANSACTIONS)))

    async with transactions(scene) as producer:
        for number, row in enumerate(rows):
            async with producer.transaction():
                await send(producer, row)
            if number in (TRANSACTIONS // 2, TRANSACTIONS):
                worker.kill()
                worker.start()
    await scene.until_ready(worker)

    assert await scene.assert_equal(worker) == {"table"}
    await until_all_committed(scene)


@pytest.mark.parametrize("role", ["balances", "mirror"])
async def test_records_that_kafka_deleted_unread_stop_the_worker(scene: Scene, role: str):
    await scene.publish(await scene.open_accounts(3))
    worker = await scene.worker(role=role)
    await until_all_committed(scene, role)
    assert await worker.stop() == 0, worker.story()
    await scene.publish(await scene.book(*(scene.pay("a0", "a1") for _ in range(5))))
    await delete_all(scene)

    worker.start()

    assert await worker.exit_code() == 70, worker.story()
    assert "Kafka has deleted the records" in worker.story()
    assert "chronos rebuild all" in worker.story()


async def test_records_deleted_under_a_worker_that_sleeps_stop_it(scene: Scene):
    await scene.publish(await scene.open_accounts(2))
    worker = await scene.worker()
    await scene.assert_equal(worker)
    rows = await scene.book(*(scene.pay("a0", "a1") for _ in range(3)))

    worker.freeze()
    # The fetch that is under way takes the first; nobody asks for the others any more.
    await scene.publish(rows[:1])
    await scene.publish(rows[1:])
    await delete_all(scene)
    await scene.publish(await scene.book(scene.pay("a0", "a1")))
    worker.thaw()

    assert await worker.exit_code() == 70, worker.story()
    assert "Kafka has deleted the records" in worker.story()


async def delete_all(scene: Scene) -> None:
    """Deletes every record of the events topic, as a retention of no time would."""
    admin = AIOKafkaAdminClient(bootstrap_servers=scene.settings.kafka)
    await admin.start()
    places = [
        TopicPartition(scene.names.events, number)
        for number in range(scene.settings.partitions)
    ]
    await admin.delete_records({place: RecordsToDelete(before_offset=-1) for place in places})
    await admin.close()


@asynccontextmanager
async def transactions(scene: Scene) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=scene.settings.kafka,
        transactional_id=f"{scene.settings.namespace}-foreign",
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def send(producer: AIOKafkaProducer, row: OutboxRow) -> None:
    await producer.send_and_wait(
        row.topic,
        key=row.key,
        value=row.value,
        partition=row.partition,
        headers=decode_headers(row.headers),
    )


async def until_all_committed(scene: Scene, role: str = "balances") -> None:
    """Waits until no record is left behind the committed offset of any partition."""
    seen: list[Mapping[int, int]] = []

    async def all_committed() -> bool:
        seen[:] = [await left_behind(scene, role)]
        return not any(seen[0].values())

    await until(all_committed, lambda: f"records not committed: {seen}", COMMITTED_WITHIN_S)


async def left_behind(scene: Scene, role: str) -> Mapping[int, int]:
    """Counts for each partition the records (markers are none) after the committed offset."""
    admin = AIOKafkaAdminClient(bootstrap_servers=scene.settings.kafka)
    await admin.start()
    try:
        group = scene.names.app_id(role)
        committed = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    consumer = AIOKafkaConsumer(bootstrap_servers=scene.settings.kafka)
    await consumer.start()
    try:
        partitions = range(scene.settings.partitions)
        places = [TopicPartition(scene.names.events, number) for number in partitions]
        ends = await consumer.end_offsets(places)
        consumer.assign(places)
        left = dict.fromkeys(partitions, 0)
        for place in places:
            known = committed.get(place)
            consumer.seek(place, known.offset if known and known.offset > 0 else 0)
        while any([await consumer.position(place) < ends[place] for place in places]):
            found = await consumer.getmany(timeout_ms=200)
            for place, records in found.items():
                left[place.partition] += len(records)
        return left
    finally:
        await consumer.stop()
