"""A backlog of an outage of hours drains with the memory of a page, not of the backlog.

TEST_BACKLOG_ROWS says how long it is; a run of results/ drained a million rows.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from chronos.settings import Settings
from chronos.stream.topic_reader import open_topic
from chronos.wire.headers import encode_headers
from chronos.wire.topics import Names, partition_of, shard_of
from tests.integration.relay.harness import until

ROWS = int(os.environ.get("TEST_BACKLOG_ROWS", "200000"))
ACCOUNTS = 1_000
RESIDENT_GROWTH_MIB_MAX = 100
DRAINED_S = 600.0
# As long as an event of a transfer and its headers are.
BODY = {
    "account_id": "acc_000000",
    "amount": 123456,
    "booked_after": 987654321,
    "counterparty": "acc_000001",
    "currency": "EUR",
    "description": "Invoice 2026-000123, thank you",
    "event_id": "01999999-9999-7999-8999-999999999999",
    "held_after": 0,
    "metadata": {"order": "A-4711", "channel": "web"},
    "overdraft_limit_after": 0,
    "principal": "key_01j9z3k4m5n6p7q8r9s0t1v2w3",
    "recorded_at": "2026-01-01T00:00:00.000000Z",
    "schema_version": 1,
    "status_after": "open",
    "transfer_id": "trf_01j9z3k4m5n6p7q8r9s0t1v2w3",
    "type": "MoneyReceived",
    "value_date": "2026-01-01",
}
HEADERS = [
    ("ce_specversion", b"1.0"),
    # Not the id of an event: the relay would look it up in the journal, and there is none.
    ("ce_id", b"01999999-9999-7999-8999-99999999999"),
    ("ce_type", b"MoneyReceived"),
    ("ce_source", b"urn:chronos:ledger"),
    ("ce_subject", b"acc_000000"),
    ("ce_time", b"2026-01-01T00:00:00.000000Z"),
    ("ce_version", b"1"),
    ("ce_hash", b"0" * 64),
    ("content-type", b"application/json"),
    ("traceparent", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01"),
]
PLACES = "CREATE TEMP TABLE places (n integer, key bytea, partition smallint, shard smallint)"
# md5 makes each row another one: what compresses to nothing would cost nothing to send.
FILL = """
INSERT INTO outbox_0 (position, shard, partition, topic, key, headers, value)
SELECT
  position, shard, partition, $1, key, $2,
  convert_to(position || ',' || md5(position::text) || ',' || $3, 'UTF8')
FROM generate_series($4::bigint, $5::bigint) AS position
JOIN places ON n = position % $6
ORDER BY position
"""


@pytest.fixture
async def settings(settings: Settings) -> AsyncIterator[Settings]:
    """As an operator has them, with pages of the usual length; the topic goes afterwards."""
    usual = Settings()
    yield replace(
        settings,
        outbox_rows_max=usual.outbox_rows_max,
        outbox_rotate_rows=usual.outbox_rotate_rows,
        outbox_rotate_s=usual.outbox_rotate_s,
    )
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    await admin.delete_topics([Names(settings.namespace).events])
    await admin.close()


async def test_a_long_backlog_drains_with_bounded_memory(settings, outbox, relay, figures):
    owner = await outbox.connect()
    process = relay()
    await until(lambda: _owns_all(process), "the relay did not start")
    async with _resident(process.process.pid) as idle:
        await outbox.write(owner, "acc_first")
        await until(lambda: _published(process, 1), "the first row did not come through")

    async with _resident(process.process.pid) as sampled:
        # One transaction: the whole backlog is there at once.
        await _fill(owner, settings)
        began_s = time.monotonic()
        await until(
            lambda: _published(process, ROWS + 1), "the backlog did not drain", DRAINED_S
        )
        seconds = time.monotonic() - began_s
    positions = await _positions_in_kafka(settings)
    growth_mib = round(max(sampled) - max(idle), 1)
    figures["backlog"] = {
        "rows": ROWS,
        "bytes_per_row": len(_value_end()) + 40 + len(encode_headers(HEADERS)),
        "seconds": round(seconds, 1),
        "rows_per_second": round(ROWS / seconds),
        "page_rows": settings.outbox_rows_max,
        "shards": settings.relay_shards,
        "resident_idle_mib": round(max(idle), 1),
        "resident_peak_mib": round(max(sampled), 1),
        "resident_growth_mib": growth_mib,
    }
    for in_order in positions.values():
        assert in_order == sorted(in_order), "a partition is out of order"
    everything = sorted(position for some in positions.values() for position in some)
    assert everything == list(range(10, 10 + ROWS))
    assert growth_mib <= RESIDENT_GROWTH_MIB_MAX, figures
    await owner.close()


async def _fill(owner, settings: Settings) -> None:
    await owner.execute(PLACES)
    places = []
    for number in range(ACCOUNTS):
        key = f"acc_{number:06}".encode()
        partition = partition_of(key, settings.partitions)
        places.append((number, key, partition, shard_of(partition, settings.relay_shards)))
    await owner.copy_records_to_table("places", records=places)
    await owner.execute(
        FILL,
        Names(settings.namespace).events,
        encode_headers(HEADERS),
        _value_end(),
        10,
        9 + ROWS,
        ACCOUNTS,
        timeout=DRAINED_S,
    )


def _value_end() -> str:
    return msgspec.json.encode(BODY).decode()


async def _positions_in_kafka(settings: Settings) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    async with open_topic(settings.kafka, Names(settings.namespace).events) as reader:
        async for page in reader.pages_until(await reader.end_offsets()):
            for record in page:
                if record.key != b"acc_first":
                    position = int(record.value.split(b",", 1)[0])
                    found.setdefault(record.partition, []).append(position)
    return found


@contextlib.asynccontextmanager
async def _resident(pid: int) -> AsyncIterator[list[float]]:
    """The resident memory of a process in MiB, again and again until the block ends."""
    seen: list[float] = []

    async def sample() -> None:
        while True:
            seen.append(_resident_mib(pid))
            await asyncio.sleep(0.05)

    task = asyncio.create_task(sample())
    try:
        yield seen
        seen.append(_resident_mib(pid))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


async def _published(process, rows: int) -> bool:
    assert process.process.poll() is None, process.story()
    return await process.counted("chronos_outbox_rows_published_total{") >= rows


async def _owns_all(process) -> bool:
    assert process.process.poll() is None, process.story()
    return await process.shards() == {0, 1}
