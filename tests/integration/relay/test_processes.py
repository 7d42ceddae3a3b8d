"""Relays as processes on real servers: killed, stopped, doubled, restored behind their back."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time

from aiokafka import AIOKafkaProducer

from chronos.wire.topics import Names
from tests.integration.relay.harness import FAUST, in_kafka, inversions, until

ACCOUNTS = [f"acc_{n}" for n in range(20)]

CUT_CONNECTIONS = """
SELECT count(pg_terminate_backend(pid))
FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'chronos relay %'
"""


@contextlib.asynccontextmanager
async def steady_writing(outbox):
    """Commits events without a pause until the block is left."""
    connection = await outbox.connect()
    stop = asyncio.Event()

    async def work() -> None:
        turn = 0
        while not stop.is_set():
            await outbox.write(connection, *ACCOUNTS[turn % 4 :: 4])
            turn += 1

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        stop.set()
        await task
        await connection.close()


async def all_in_kafka(settings, outbox):
    seen = await in_kafka(settings)
    return seen if set(outbox.committed) <= set(seen) else None


async def test_a_relay_that_is_killed_leaves_duplicates_only(settings, outbox, relay):
    first = relay()
    await until(first.is_ready, "the relay did not start")
    async with steady_writing(outbox):
        await until(lambda: _published(first, 500), "nothing was published")
        first.kill()
        second = relay()
        await until(second.is_ready, "the relay did not start again")
        await until(lambda: _published(second, 500), "nothing was published again")

    seen = await until(lambda: all_in_kafka(settings, outbox), "events were lost")
    assert inversions(seen) == []
    assert set(seen) == set(outbox.committed), "Kafka has what was never committed"


async def test_a_relay_that_is_told_to_stop_under_load_publishes_nothing_twice(
    settings, outbox, relay
):
    async with steady_writing(outbox):
        for _ in range(2):
            process = relay()
            await until(process.is_ready, "the relay did not start")
            await until(lambda p=process: _published(p, 500), "nothing was published")

            told_s = time.monotonic()
            # Impatient people press again: it changes nothing.
            for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
                process.send(number)
            assert await process.exit_code() == 0, process.story()
            assert time.monotonic() - told_s < settings.drain_s
    relay()

    seen = await until(lambda: all_in_kafka(settings, outbox), "events were lost")
    assert len(seen) == len(outbox.committed)
    assert inversions(seen) == []


async def test_tables_rotate_under_load_and_cut_connections_heal(settings, outbox, relay):
    process = relay()
    await until(lambda: _owns(process, {0, 1}), "the relay did not start")
    owner = await outbox.connect()
    async with steady_writing(outbox):
        await until(lambda: _truncated(process, 1), "no table was emptied")
        cut = await owner.fetchval(CUT_CONNECTIONS)
        await until(lambda: _truncated(process, 3), "no table was emptied after the cut")
        await until(lambda: _owns(process, {0, 1}), "a shard was not taken again")

    seen = await until(lambda: all_in_kafka(settings, outbox), "events were lost")
    assert cut >= 4
    assert inversions(seen) == []
    assert set(seen) == set(outbox.committed)
    await owner.close()


async def test_a_relay_refuses_a_restored_database_with_exit_code_78(outbox, relay):
    owner = await outbox.connect()
    first = relay()
    await until(lambda: _owns(first, {0, 1}), "the relay did not start")
    first.send(signal.SIGTERM)
    assert await first.exit_code() == 0
    await owner.execute("UPDATE relay_checkpoints SET timeline_id = timeline_id + 1")

    second = relay()

    assert await second.exit_code() == 78
    assert "restored or another database" in second.story()
    await owner.close()


async def test_commands_are_obeyed_or_logged_and_end_nothing(settings, relay):
    first = relay()
    await until(lambda: _owns(first, {0, 1}), "the relay did not start")

    await send_command(settings, b'{"command": "republish", "account_id": "acc_none"}')
    await send_command(settings, b"not a command")

    async def obeyed() -> bool:
        return await first.counted("chronos_stream_events_processed_total{") == 2

    await until(obeyed, "the commands were not read")
    assert await first.is_ready()


async def test_the_command_line_of_faust_starts_the_same_relay(settings, outbox, relay):
    writer = await outbox.connect()
    process = relay(program=FAUST)
    await until(lambda: _owns(process, {0, 1}), "Faust did not start the relay")

    await outbox.write(writer, *ACCOUNTS)

    assert await until(lambda: all_in_kafka(settings, outbox), "nothing came through")
    process.send(signal.SIGTERM)
    assert await process.exit_code() == 0
    await writer.close()


async def send_command(settings, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka)
    await producer.start()
    try:
        topic = Names(settings.namespace).relay_control
        await producer.send_and_wait(topic, value, partition=0)
    finally:
        await producer.stop()


async def _published(process, rows: int) -> bool:
    return await process.counted("chronos_outbox_rows_published_total{") >= rows


async def _truncated(process, tables: int) -> bool:
    return await process.counted("chronos_outbox_truncations_total") >= tables


async def _owns(process, shards: set[int]) -> bool:
    assert process.process.poll() is None, process.story()
    return await process.shards() == shards


async def _each_has_one(first, second) -> bool:
    mine, other = await first.shards(), await second.shards()
    return len(mine) == len(other) == 1 and mine != other


async def _holds_not(process, shard: int) -> bool:
    assert process.process.poll() is None, process.story()
    return (await process.get("/metrics"))[0] == 200 and shard not in await process.shards()


async def _epoch(owner, shard: int) -> int:
    return await owner.fetchval("SELECT epoch FROM relay_checkpoints WHERE shard = $1", shard)
