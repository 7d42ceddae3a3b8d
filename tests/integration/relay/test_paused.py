"""A relay that was stopped inside a backlog, and wakes up when another has its shard."""

from __future__ import annotations

import asyncio
import contextlib
import signal

from chronos.store.outbox import count_unpublished
from chronos.store.outbox_cursor import Snapshot
from chronos.stream.topic_reader import open_topic
from chronos.wire.topics import Names, shard_of
from tests.integration.relay.harness import as_written, in_kafka, inversions, until
from tests.integration.relay.test_processes import (
    ACCOUNTS,
    _each_has_one,
    _epoch,
    _holds_not,
    _owns,
    _published,
    all_in_kafka,
)

BACKLOG_ROWS = 20_000
CHECKPOINT = "SELECT epoch, snapshot FROM relay_checkpoints WHERE shard = $1"


async def test_a_woken_relay_sends_one_page_again_at_most_and_moves_no_checkpoint(
    settings, outbox, relay
):
    first, second = relay(0), relay(1)
    await until(lambda: _each_has_one(first, second), "two relays did not share the shards")
    (lost,) = await first.shards()
    owner = await outbox.connect()
    before = await _epoch(owner, lost)
    await outbox.write(owner, *ACCOUNTS * (BACKLOG_ROWS // len(ACCOUNTS)))
    await until(lambda: _published(first, 500), "the first relay published nothing")
    first.send(signal.SIGSTOP)
    assert set(await in_kafka(settings)) < set(outbox.committed), "it was stopped too late"

    await until(lambda: _owns(second, {0, 1}), "the shard was not taken over")
    await until(lambda: all_in_kafka(settings, outbox), "the taker did not publish the rest")
    await until(lambda: _is_saved(owner, lost), "the taker did not save its checkpoint")
    taken = await _epoch(owner, lost)
    ends = await _ends(settings)
    async with _watched(outbox, lost) as checkpoints:
        first.send(signal.SIGCONT)
        await until(lambda: _holds_not(first, lost), "the woken relay kept its shard")
        await until(lambda: _each_has_one(first, second), "the relays did not settle")

    again = await _records_after(settings, ends, lost)
    assert taken > before
    assert len(again) <= settings.outbox_rows_max, "more than the page in its hands"
    assert set(again) <= set(outbox.committed)
    assert checkpoints == sorted(checkpoints), "a checkpoint went back"
    assert checkpoints[0][0] == taken

    await outbox.write(owner, *ACCOUNTS)
    seen = await until(lambda: all_in_kafka(settings, outbox), "life did not go on")
    assert inversions(seen) == []
    assert set(seen) == set(outbox.committed)
    await owner.close()


async def _is_saved(owner, shard: int) -> bool:
    return await count_unpublished(owner, shard) == 0


async def _ends(settings) -> dict[int, int]:
    async with open_topic(settings.kafka, Names(settings.namespace).events) as reader:
        return dict(await reader.end_offsets())


async def _records_after(settings, ends: dict[int, int], shard: int):
    """What was put behind these ends on the partitions of a shard."""
    async with open_topic(settings.kafka, Names(settings.namespace).events) as reader:
        reader.go_to(ends)
        return [
            as_written(record.value)
            async for page in reader.pages_until(await reader.end_offsets())
            for record in page
            if shard_of(record.partition, settings.relay_shards) == shard
        ]


@contextlib.asynccontextmanager
async def _watched(outbox, shard: int):
    """Every state of a checkpoint until the block ends: epoch, and how far the snapshot is."""
    seen: list[tuple[int, int]] = []
    connection = await outbox.connect()

    async def watch() -> None:
        while True:
            row = await connection.fetchrow(CHECKPOINT, shard)
            seen.append((row["epoch"], Snapshot.parse(row["snapshot"]).xmax))
            await asyncio.sleep(0.005)

    task = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await connection.close()
