"""What the relay's reading rests on, shown on a real PostgreSQL and on the simulation's."""

from __future__ import annotations

import asyncio
import time

import pytest

from chronos.domain.chart import AccountKind
from chronos.errors import Unavailable
from chronos.store import outbox
from chronos.store.outbox import Fenced, connect, count_unpublished, take_shard
from chronos.store.outbox_cursor import Cursor
from chronos.store.outbox_poller import SnapshotPoller
from chronos.store.outbox_reader import ShardReader
from chronos.store.outbox_rotation import Rotation
from chronos.store.outbox_sizes import table_sizes
from chronos.store.outbox_statements import TABLES
from chronos.store.pipeline_state import recorded_at
from tests.builders import attempt, open_account, transfer
from tests.journals import store_on

SHARDS = (0, 1)
FOLLOW_S = 20.0


class Bank:
    """A journal whose commands fill the outbox, and the relay's address."""

    def __init__(self, journal, relay_dsn):
        self._journal = journal
        self.relay_dsn = relay_dsn
        self._sent = 0

    async def open(self):
        settlement = open_account("alice", kind=AccountKind.SETTLEMENT)
        await self._journal.submit(attempt(settlement, "open-1"))
        await self._journal.submit(attempt(open_account("bob"), "open-2"))

    async def move(self, times=1):
        for _ in range(times):
            self._sent += 1
            sent = transfer("alice", "bob", 1, transfer_id=f"trf_{self._sent}")
            await self._journal.submit(attempt(sent, f"key-{self._sent}"))

    async def open_transaction(self):
        """Another connection, and the number of its transaction, which does not end."""
        connection = await connect(self.relay_dsn, "idle")
        await connection.execute("BEGIN")
        return connection, await connection.fetchval("SELECT pg_current_xact_id()")


@pytest.fixture
async def on_real(database):
    async with store_on(database.writer_dsn) as store:
        yield Bank(store.journal, database.relay_dsn)


@pytest.fixture
async def on_simulated(fake_server):  # noqa: ARG001 - it is where the driver looks
    async with store_on("simulated") as store:
        yield Bank(store.journal, "simulated")


@pytest.fixture(params=["real", "simulated"])
def either(request):
    return request.getfixturevalue(f"on_{request.param}")


@pytest.fixture
async def bank(either):
    await either.open()
    return either


async def taken(bank):
    """Every shard, in the hands of this process."""
    return [await take_shard(bank.relay_dsn, shard, held_epoch=None) for shard in SHARDS]


async def rows_of(holds, rows_max=1000):
    """All rows past the checkpoints, in pages, and the cursors behind them."""
    found, cursors = [], []
    for hold in holds:
        cursor, target = hold.cursor, await hold.snapshot()
        while True:
            rows, cursor = await hold.page(cursor, cursor.frozen or target, rows_max)
            assert len(rows) <= rows_max
            found += rows
            if cursor.frozen is None:
                break
        cursors.append(cursor)
    return found, cursors


async def closed(*holds):
    for hold in holds:
        await hold.close()


async def test_every_committed_row_is_read_in_the_order_of_its_account(bank):
    await bank.move(5)
    holds = await taken(bank)

    whole, _ = await rows_of(holds)
    paged, _ = await rows_of(holds, rows_max=2)

    assert [row.position for row in whole] == [row.position for row in paged]
    assert len(whole) == 12
    for shard_rows in (whole, paged):
        by_key = [row.position for row in shard_rows if row.key == b"alice"]
        assert by_key == sorted(by_key)
    await closed(*holds)


async def test_what_is_saved_is_not_read_again(bank):
    holds = await taken(bank)
    _, cursors = await rows_of(holds)
    for hold, cursor in zip(holds, cursors, strict=True):
        await hold.save(cursor)
    await closed(*holds)
    await bank.move()

    holds = await taken(bank)
    rows, _ = await rows_of(holds)

    assert len(rows) == 2
    await closed(*holds)


async def test_an_open_transaction_is_in_every_snapshot_until_it_ends(bank):
    holds = await taken(bank)
    before = await holds[0].snapshot()
    idle, xid = await bank.open_transaction()
    await bank.move()
    during = await holds[0].snapshot()

    await idle.execute("COMMIT")
    after = await holds[0].snapshot()

    assert during.is_newer_than(before)
    assert xid in during.xip
    assert after.is_newer_than(during)
    assert xid not in after.xip
    assert xid in after.ended_since(during)
    idle.terminate()
    await closed(*holds)


async def test_a_second_taker_ends_the_holder_and_fences_it(bank, monkeypatch):
    monkeypatch.setattr(outbox, "TAKEOVER_AFTER_S", 0.3)
    first = await take_shard(bank.relay_dsn, 0, held_epoch=None)

    second = await take_shard(bank.relay_dsn, 0, held_epoch=None)

    assert second.epoch == first.epoch + 1
    assert second.ended_holders == 1
    with pytest.raises(Unavailable):
        await first.save(first.cursor)
    assert first.is_lost
    second.epoch -= 1
    with pytest.raises(Fenced):
        await second.save(second.cursor)
    await closed(first, second)


async def test_a_shard_that_went_to_another_is_not_asked_for_again(bank):
    holder = await take_shard(bank.relay_dsn, 0, held_epoch=None)

    refused = await take_shard(bank.relay_dsn, 0, held_epoch=holder.epoch - 1)

    assert refused is None
    await closed(holder)


async def test_a_window_is_kept_in_the_checkpoint(bank):
    await bank.move(4)
    for shard in SHARDS:
        hold = await take_shard(bank.relay_dsn, shard, held_epoch=None)
        rows, cursor = await hold.page(hold.cursor, await hold.snapshot(), 1)
        await hold.save(cursor)
        await closed(hold)

        again = await take_shard(bank.relay_dsn, shard, held_epoch=None)

        assert again.cursor == cursor
        if cursor.frozen is not None:
            assert cursor.last_position == rows[0].position
            following, _ = await again.page(cursor, cursor.frozen, 1)
            assert following[0].position > rows[0].position
        await closed(again)


async def test_the_reader_follows_the_poller(bank):
    poller = SnapshotPoller(bank.relay_dsn)
    holds = await taken(bank)
    seen = []

    async def offer(page):
        page.is_begun = True
        seen.extend(page.rows)
        page.published.set()

    readers = [ShardReader(hold, poller, offer=offer, rows_max=3) for hold in holds]
    tasks = [asyncio.create_task(work.run()) for work in (poller, *readers)]
    await bank.move(6)
    deadline = time.monotonic() + FOLLOW_S
    while len(seen) < 14:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert len({row.position for row in seen}) == len(seen) == 14
    await closed(*holds)


async def test_published_tables_are_emptied_in_turn(bank):
    rotation = Rotation(rows_max=1, age_max_s=3600)
    house = await connect(bank.relay_dsn, "house")
    assert await rotation.turn(house) == (1, 0), "unpublished rows were thrown away"
    await bank.move()
    holds = await taken(bank)
    for hold in holds:
        await hold.save(Cursor(snapshot=await hold.snapshot()))
        assert await count_unpublished(house, hold.shard) == 0

    assert await rotation.turn(house) == (1, 1)

    await closed(*holds)
    house.terminate()


async def test_rows_past_the_checkpoint_are_counted(bank):
    holds = await taken(bank)
    house = await connect(bank.relay_dsn, "house")

    waiting = [await count_unpublished(house, shard) for shard in SHARDS]

    rows, _ = await rows_of(holds)
    assert sum(waiting) == len(rows) == 2
    house.terminate()
    await closed(*holds)


async def test_the_size_and_age_of_each_table_are_told(bank):
    holds = await taken(bank)
    rows, _ = await rows_of(holds)
    house = await connect(bank.relay_dsn, "house")

    written, *empty = await table_sizes(house, len(SHARDS))

    assert [written.table, *(one.table for one in empty)] == list(TABLES)
    assert written.size_bytes > 0
    assert written.oldest_recorded_at == min(recorded_at(row.value) for row in rows)
    assert [one.oldest_recorded_at for one in empty] == [None, None]
    house.terminate()
    await closed(*holds)
