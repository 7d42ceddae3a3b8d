"""The events topic, read from offset 0 to where it ends now, without a consumer group."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from chronos.chaos.readers.facts import Record, Topic

REQUEST_DEADLINE_MS: Final = 20_000
PAGE_RECORDS_MAX: Final = 5_000
SILENCE_S: Final = 60.0
"""Longest time without a record before the end is reached."""


async def read_topic(bootstrap: str, topic: str) -> Topic:
    """Reads every record of a topic.

    Raises:
        KafkaError: Kafka does not answer.
        TimeoutError: It answers and gives nothing, though there is more.
        LookupError: There is no such topic.
    """
    count = await _partitions(bootstrap, topic)
    places = [TopicPartition(topic, number) for number in range(count)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        request_timeout_ms=REQUEST_DEADLINE_MS,
    )
    try:
        await consumer.start()
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends = await consumer.end_offsets(places)
        records = await _until(consumer, ends)
    finally:
        await consumer.stop()
    records.sort(key=lambda record: (record.partition, record.offset))
    return Topic(partitions=count, records=records)


async def _partitions(bootstrap: str, topic: str) -> int:
    """Counts the partitions of a topic; asking for it by name could make it."""
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_DEADLINE_MS
    )
    try:
        await admin.start()
        known = await admin.describe_topics()
    finally:
        await admin.close()
    counts = [len(one["partitions"]) for one in known if one["topic"] == topic]
    if not counts:
        raise LookupError(f"Kafka has no topic {topic}")
    return counts[0]


async def _until(consumer: Any, ends: dict[TopicPartition, int]) -> list[Record]:
    records: list[Record] = []
    loop = asyncio.get_running_loop()
    heard = loop.time()
    while await _is_before(consumer, ends):
        pages = await consumer.getmany(timeout_ms=250, max_records=PAGE_RECORDS_MAX)
        for page in pages.values():
            heard = loop.time()
            records.extend(map(_record, page))
        if loop.time() - heard > SILENCE_S:
            raise TimeoutError(f"Kafka gave no record for {SILENCE_S:g} s before the end")
    return records


async def _is_before(consumer: Any, ends: dict[TopicPartition, int]) -> bool:
    for place, end in ends.items():
        if await consumer.position(place) < end:
            return True
    return False


def _record(raw: Any) -> Record:
    named = {name: bytes(value or b"") for name, value in raw.headers}
    version = named.get("ce_version", b"").decode("ascii", "replace")
    return Record(
        partition=raw.partition,
        offset=raw.offset,
        key=(raw.key or b"").decode("ascii", "replace"),
        event_id=_from_hex(named.get("ce_id", b"").replace(b"-", b"")),
        version=int(version) if version.isdecimal() and len(version) < 19 else 0,
        hash=_from_hex(named.get("ce_hash", b"")),
        digest=hashlib.sha256(raw.value or b"").digest(),
    )


def _from_hex(text: bytes) -> bytes:
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return b""
