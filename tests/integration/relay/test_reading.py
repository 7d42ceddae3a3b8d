"""Reading the outbox by snapshot difference: nothing lost, no account out of order."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from chronos.errors import Unavailable, UnsafeSetting
from chronos.store import outbox as outbox_store
from chronos.store.outbox import Fenced, ShardHold, connect, take_shard
from chronos.store.outbox_cursor import Cursor, Snapshot
from chronos.store.outbox_poller import SnapshotPoller
from chronos.store.outbox_reader import ShardReader
from tests.databases import Database
from tests.integration.relay.harness import Outbox, as_written, inversions, until

ONE_SHARD = {"shards": 1}


@pytest.fixture
def outbox(database: Database, namespace: str) -> Outbox:
    return Outbox(dsn=database.owner_dsn, namespace=namespace, **ONE_SHARD)


class Reading:
    """A reader of shard 0 whose pages count as published at once."""

    def __init__(self, hold: ShardHold, poller: SnapshotPoller, *, rows_max: int):
        self.seen = []
        self.pages = 0
        self.reader = ShardReader(hold, poller, offer=self._take, rows_max=rows_max)

    async def _take(self, page):
        page.is_begun = True
        self.seen += [as_written(row.value) for row in page.rows]
        self.pages += 1
        page.published.set()


@contextlib.asynccontextmanager
async def reading(database: Database, *, rows_max: int = 50):
    hold = await take_shard(database.relay_dsn, 0, held_epoch=None)
    poller = SnapshotPoller(database.relay_dsn)
    made = Reading(hold, poller, rows_max=rows_max)
    tasks = [asyncio.create_task(poller.run()), asyncio.create_task(made.reader.run())]
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await hold.close()


async def test_a_row_that_becomes_visible_late_is_published_and_keeps_its_order(
    database, outbox
):
    slow, fast = await outbox.connect(), await outbox.connect()
    async with reading(database) as relay:
        open_one = slow.transaction()
        await open_one.start()
        await outbox.lock(slow, ["acc_a"])
        late = await outbox.add(slow, ["acc_a"])
        for _ in range(3):
            await outbox.write(fast, "acc_b", "acc_c")

        await until(lambda: _holds(relay, outbox.committed), "the fast rows were held up")
        await open_one.commit()
        outbox.committed += late
        await outbox.write(fast, "acc_a")

        await until(lambda: _holds(relay, outbox.committed), "the late row was lost")
    assert inversions(relay.seen) == []
    assert len(relay.seen) == len(outbox.committed)
    await slow.close()
    await fast.close()


async def test_a_transaction_that_began_first_and_wrote_second_is_published_second(
    database, outbox
):
    early, quick = await outbox.connect(), await outbox.connect()
    hold = await take_shard(database.relay_dsn, 0, held_epoch=None)
    before = await hold.snapshot()
    first_xid = early.transaction()
    await first_xid.start()
    await early.fetchval("SELECT pg_current_xact_id()")
    await outbox.write(quick, "acc_a")
    await outbox.lock(early, ["acc_a"])
    outbox.committed += await outbox.add(early, ["acc_a"])
    await first_xid.commit()

    rows, _ = await hold.page(Cursor(snapshot=before), await hold.snapshot(), 100)

    assert [as_written(row.value).version for row in rows] == [1, 2]
    await hold.close()
    await early.close()
    await quick.close()


async def test_an_idle_writer_holds_nobody_up(database, outbox):
    idle, busy = await outbox.connect(), await outbox.connect()
    async with reading(database, rows_max=20) as relay:
        forgotten = idle.transaction()
        await forgotten.start()
        await outbox.lock(idle, ["acc_idle"])
        await outbox.add(idle, ["acc_idle"])
        for _ in range(50):
            await outbox.write(busy, "acc_a", "acc_b")

        await until(
            lambda: _holds(relay, outbox.committed), "an idle writer stalled it", within_s=5
        )
        await forgotten.rollback()
    assert inversions(relay.seen) == []
    await idle.close()
    await busy.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_storm_of_slow_and_fast_writers_loses_nothing_and_inverts_nothing(
    database, outbox, seed
):
    chance = random.Random(seed)
    accounts = [f"acc_{n}" for n in range(12)]

    async def writer(number: int) -> None:
        connection = await outbox.connect()
        try:
            for _ in range(60):
                chosen = chance.sample(accounts, 2)
                async with connection.transaction():
                    if number % 2:
                        await connection.fetchval("SELECT pg_current_xact_id()")
                    await outbox.lock(connection, chosen)
                    written = await outbox.add(connection, chosen)
                    pause = chance.choice([0, 0, 0.001, 0.02])
                    await connection.execute("SELECT pg_sleep($1)", pause)
                outbox.committed.extend(written)
        finally:
            await connection.close()

    async with reading(database, rows_max=7) as relay:
        async with asyncio.TaskGroup() as writers:
            for number in range(8):
                writers.create_task(writer(number))
        await until(lambda: _holds(relay, outbox.committed), "rows were lost")

    assert inversions(relay.seen) == []
    assert len(relay.seen) == len(outbox.committed) == len(set(relay.seen))


async def test_a_reader_that_returns_goes_on_inside_its_window(database, outbox):
    connection = await outbox.connect()
    for _ in range(30):
        await outbox.write(connection, "acc_a", "acc_b", "acc_c")
    first = await take_shard(database.relay_dsn, 0, held_epoch=None)
    rows, inside = await first.page(first.cursor, await first.snapshot(), 40)
    await first.save(inside)
    await first.close()

    async with reading(database, rows_max=40) as relay:
        await until(
            lambda: _holds(relay, outbox.committed[40:]), "the rest of the window was lost"
        )

    assert inside.frozen is not None
    before = [as_written(row.value) for row in rows]
    assert [*before, *relay.seen] == outbox.committed
    await connection.close()


async def test_a_holder_that_does_not_move_loses_its_shard_for_good(
    database, outbox, monkeypatch
):
    monkeypatch.setattr(outbox_store, "TAKEOVER_AFTER_S", 0.3)
    writer = await outbox.connect()
    await outbox.write(writer, "acc_a")
    stopped = await take_shard(database.relay_dsn, 0, held_epoch=None)
    _, after = await stopped.page(stopped.cursor, await stopped.snapshot(), 10)

    taker = await take_shard(database.relay_dsn, 0, held_epoch=None)

    assert (taker.epoch, taker.ended_holders) == (stopped.epoch + 1, 1)
    with pytest.raises(Unavailable):
        await stopped.save(after)
    assert stopped.is_lost
    assert await take_shard(database.relay_dsn, 0, held_epoch=stopped.epoch) is None
    stored = await writer.fetchval("SELECT snapshot FROM relay_checkpoints WHERE shard = 0")
    assert Snapshot.parse(stored) == taker.cursor.snapshot
    await taker.close()
    await stopped.close()
    await writer.close()


async def test_an_older_epoch_cannot_move_the_checkpoint_even_with_a_connection(database):
    old = await take_shard(database.relay_dsn, 0, held_epoch=None)
    newest = await old.snapshot()
    await old.close()
    new = await take_shard(database.relay_dsn, 0, held_epoch=None)

    connection = await connect(database.relay_dsn, "ghost")
    ghost = ShardHold(connection, shard=0, epoch=old.epoch, cursor=old.cursor)
    with pytest.raises(Fenced):
        await ghost.save(Cursor(snapshot=newest))

    await ghost.close()
    await new.close()


@pytest.mark.parametrize("column", ["system_identifier", "timeline_id"])
async def test_a_restored_database_is_refused(database, outbox, column):
    owner = await outbox.connect()
    hold = await take_shard(database.relay_dsn, 0, held_epoch=None)
    await hold.close()
    await owner.execute(f"UPDATE relay_checkpoints SET {column} = {column} + 1")

    with pytest.raises(UnsafeSetting, match="restored or another"):
        await take_shard(database.relay_dsn, 0, held_epoch=None)

    await owner.close()


async def _holds(relay: Reading, wanted) -> bool:
    return set(wanted) <= set(relay.seen)
