"""An account's events are published again from the journal, byte for byte."""

from __future__ import annotations

from dataclasses import replace

from aiokafka import AIOKafkaProducer

from chronos.domain.chart import AccountKind
from chronos.domain.ids import TransferId
from chronos.stream.topic_reader import open_topic
from chronos.wire.booking import AccountRow, EventRow, OutboxRow
from chronos.wire.headers import decode_headers
from chronos.wire.topics import Names, partition_of, shard_of
from tests.builders import MemoryBank, attempt, bookkeeper, found, open_account, transfer
from tests.integration.relay.harness import until


async def test_a_republished_account_carries_the_same_bytes(settings, outbox, relay):
    names = Names(settings.namespace)
    booked = booking(names)
    owner = await outbox.connect()
    await owner.copy_records_to_table(
        "accounts", records=booked.account_rows, columns=AccountRow._fields
    )
    await owner.copy_records_to_table(
        "events", records=booked.event_rows, columns=EventRow._fields
    )
    published = [row for row in booked.outbox_rows if row.key == b"alice"]
    process = relay()
    await until(process.is_ready, "the relay did not start")

    await command(settings, b'{"command": "republish", "account_id": "alice"}')
    records = await until(lambda: at_least(settings, len(published)), "nothing came")

    assert [record.value for record in records] == [row.value for row in published]
    assert [dict(record.headers) for record in records] == [
        without_trace(row) for row in published
    ]
    await owner.close()


def booking(names: Names):
    bank = MemoryBank(keeper=bookkeeper(names=names), state=found())
    bank.state = replace(bank.state, positions=tuple(range(1, 30)))
    commands = [
        open_account("alice"),
        open_account("bank", kind=AccountKind.SETTLEMENT),
        *(
            transfer("bank", "alice", amount=5, transfer_id=TransferId(f"trf_{n}"))
            for n in range(3)
        ),
    ]
    return bank.book([attempt(c, key=f"key-{n}") for n, c in enumerate(commands)])


def without_trace(row: OutboxRow) -> dict[str, bytes]:
    headers = dict(decode_headers(row.headers))
    headers.pop("traceparent")
    return headers


async def at_least(settings, count: int):
    records = []
    async with open_topic(settings.kafka, Names(settings.namespace).events) as reader:
        async for page in reader.pages_until(await reader.end_offsets()):
            records += page
    return records if len(records) >= count else None


async def command(settings, value: bytes) -> None:
    shard = shard_of(partition_of(b"alice", settings.partitions), settings.relay_shards)
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka)
    await producer.start()
    try:
        topic = Names(settings.namespace).relay_control
        await producer.send_and_wait(topic, value, partition=shard)
    finally:
        await producer.stop()
