"""Topics, read from offset 0 to where they end now, without a consumer group.

The events topic, and the changelog of the table `balances`. A worker that was thought dead may
have written to the latter after its successor, so of an account's records that with the newest
version counts, wherever it lies; a worker on an empty disk fills its table by the same rule.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from chronos.chaos.readers.facts import Amounts, Copies, Copy, Record, Topic

REQUEST_DEADLINE_MS: Final = 20_000
PAGE_RECORDS_MAX: Final = 5_000
SILENCE_S: Final = 60.0
"""Longest time without a record before the end is reached."""


class _Balance(msgspec.Struct):
    version: int
    booked: int
    held: int
    overdraft_limit: int | None
    hash: str
    event_id: str


_decode = msgspec.json.Decoder(_Balance).decode


async def read_topic(bootstrap: str, topic: str) -> Topic:
    """Reads every record of the events topic.

    Raises:
        KafkaError: Kafka does not answer.
        TimeoutError: It answers and gives nothing, though there is more.
        LookupError: There is no such topic.
    """
    records: list[Record] = []
    count = await _read(bootstrap, topic, lambda raw: records.append(_record(raw)))
    records.sort(key=lambda record: (record.partition, record.offset))
    return Topic(partitions=count, records=records)


async def read_changelog(bootstrap: str, namespace: str) -> Copies:
    """Reads the table of balances as its changelog keeps it.

    Raises:
        KafkaError: Kafka does not answer.
        TimeoutError: It answers and gives nothing, though there is more.
        LookupError: There is no such topic.
    """
    accounts: dict[str, Copy] = {}
    flaws: list[str] = []

    def take(raw: Any) -> None:
        key = (raw.key or b"").decode("utf-8", "replace")
        if raw.value is None:
            accounts.pop(key, None)
            return
        try:
            copy = copy_of(raw.value)
        except (msgspec.MsgspecError, ValueError) as error:
            flaws.append(f"the record of {key} cannot be read: {error}")
            return
        known = accounts.get(key)
        if known is None or copy.amounts.version >= known.amounts.version:
            accounts[key] = copy

    await _read(bootstrap, f"{namespace}-balances-balances-changelog", take)
    return Copies(name="the table's changelog", accounts=accounts, flaws=tuple(flaws))


def copy_of(value: bytes) -> Copy:
    """Reads one account from its record in the changelog.

    Raises:
        msgspec.MsgspecError: It is no balance.
        ValueError: Its hash or event is none.
    """
    found = _decode(value)
    available = found.booked - found.held + (found.overdraft_limit or 0)
    return Copy(
        amounts=Amounts(found.version, found.booked, found.held, available),
        hash=bytes.fromhex(found.hash),
        event_id=bytes.fromhex(found.event_id.replace("-", "")),
    )


async def _read(bootstrap: str, topic: str, take: Callable[[Any], None]) -> int:
    """Hands over every record, each partition's in order; gives the number of partitions."""
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
        await _until(consumer, ends, take)
    finally:
        await consumer.stop()
    return count


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


async def _until(
    consumer: Any, ends: dict[TopicPartition, int], take: Callable[[Any], None]
) -> None:
    loop = asyncio.get_running_loop()
    heard = loop.time()
    while await _is_before(consumer, ends):
        pages = await consumer.getmany(timeout_ms=250, max_records=PAGE_RECORDS_MAX)
        for page in pages.values():
            heard = loop.time()
            for raw in page:
                take(raw)
        if loop.time() - heard > SILENCE_S:
            raise TimeoutError(f"Kafka gave no record for {SILENCE_S:g} s before the end")


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
