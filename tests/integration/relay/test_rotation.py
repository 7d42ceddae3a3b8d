"""The outbox tables take turns: published rows go, unpublished ones never do."""

from __future__ import annotations

import pytest

from chronos.store.outbox import connect, take_shard
from chronos.store.outbox_cursor import Cursor
from chronos.store.outbox_rotation import Rotation
from tests.databases import Database
from tests.integration.relay.harness import COLUMNS, Outbox, Written, as_written

ALWAYS = {"rows_max": 5, "age_max_s": 3600.0}


@pytest.fixture
def outbox(database: Database, namespace: str) -> Outbox:
    return Outbox(dsn=database.owner_dsn, namespace=namespace, shards=1)


async def counts(connection) -> list[int]:
    return [await connection.fetchval(f"SELECT count(*) FROM outbox_{n}") for n in range(3)]


async def test_a_table_with_an_open_writer_is_kept_and_its_row_is_published(database, outbox):
    slow, fast = await outbox.connect(), await outbox.connect()
    house = await connect(database.relay_dsn, "test")
    hold = await take_shard(database.relay_dsn, 0, held_epoch=None)
    rotation = Rotation(**ALWAYS)
    open_one = slow.transaction()
    await open_one.start()
    await outbox.lock(slow, ["acc_slow"])
    late = await outbox.add(slow, ["acc_slow"])
    await outbox.write(fast, *(f"acc_{n}" for n in range(6)))

    assert await rotation.turn(house) == (1, 0)
    rows, cursor = await hold.page(hold.cursor, await hold.snapshot(), 100)
    await hold.save(cursor)
    await outbox.write(fast, *(f"acc_{n}" for n in range(6)))
    assert await rotation.turn(house) == (1, 0), "a table was emptied under its writer"
    await outbox.write(fast, *(f"acc_{n}" for n in range(6)))
    assert await rotation.turn(house) == (0, 0), "a table in use was named again"

    await open_one.commit()
    outbox.committed += late
    assert (await rotation.turn(house))[1] == 0, "an unpublished row was emptied away"
    more, cursor = await hold.page(cursor, await hold.snapshot(), 100)
    await hold.save(cursor)
    assert (await rotation.turn(house))[1] == 2
    seen = [as_written(row.value) for row in (*rows, *more)]
    assert sorted(seen) == sorted(outbox.committed)
    assert len(seen) == len(outbox.committed)
    for connection in (slow, fast, house):
        await connection.close()
    await hold.close()


async def test_two_tables_go_on_taking_turns_while_the_third_is_held_open(database, outbox):
    slow, fast = await outbox.connect(), await outbox.connect()
    house = await connect(database.relay_dsn, "test")
    hold = await take_shard(database.relay_dsn, 0, held_epoch=None)
    rotation = Rotation(**ALWAYS)
    open_one = slow.transaction()
    await open_one.start()
    await outbox.lock(slow, ["acc_slow"])
    await outbox.add(slow, ["acc_slow"])
    cursor, written_to, emptied = hold.cursor, [], 0
    for _ in range(5):
        await outbox.write(fast, *(f"acc_{n}" for n in range(6)))
        written_to.append(await fast.fetchval("SELECT which FROM outbox_current"))
        _, cursor = await hold.page(cursor, await hold.snapshot(), 100)
        await hold.save(cursor)
        switched, truncated = await rotation.turn(house)
        assert switched == 1
        emptied += truncated

    assert written_to == [0, 1, 2, 1, 2]
    assert emptied == 3
    assert await counts(fast) == [6, 0, 6]
    await open_one.rollback()
    assert (await rotation.turn(house))[1] == 2
    for connection in (slow, fast, house):
        await connection.close()
    await hold.close()


async def test_rows_that_are_published_but_not_saved_are_kept(database, outbox):
    writer = await outbox.connect()
    house = await connect(database.relay_dsn, "test")
    hold = await take_shard(database.relay_dsn, 0, held_epoch=None)
    rotation = Rotation(**ALWAYS)
    await outbox.write(writer, *(f"acc_{n}" for n in range(6)))
    assert await rotation.turn(house) == (1, 0)

    published = await hold.snapshot()
    assert await rotation.turn(house) == (0, 0)
    assert await counts(writer) == [6, 0, 0]
    await hold.save(Cursor(snapshot=published))

    assert await rotation.turn(house) == (0, 1)
    assert await counts(writer) == [0, 0, 0]
    for connection in (writer, house):
        await connection.close()
    await hold.close()


async def test_a_command_that_read_the_old_table_just_before_the_switch_is_published(
    database, outbox
):
    late, fast = await outbox.connect(), await outbox.connect()
    house = await connect(database.relay_dsn, "test")
    hold = await take_shard(database.relay_dsn, 0, held_epoch=None)
    rotation = Rotation(**ALWAYS)
    await outbox.write(fast, *(f"acc_{n}" for n in range(6)))
    async with late.transaction():
        table = f"outbox_{await late.fetchval('SELECT which FROM outbox_current')}"
        assert await rotation.turn(house) == (1, 0)
        rows, cursor = await hold.page(hold.cursor, await hold.snapshot(), 100)
        await hold.save(cursor)
        assert await rotation.turn(house) == (0, 1)
        outbox.versions["acc_late"] += 1
        position = await late.fetchval("SELECT nextval('journal_position')")
        row = outbox.row(position, Written("acc_late", 1))
        await late.copy_records_to_table(table, records=[row], columns=COLUMNS)

    more, cursor = await hold.page(cursor, await hold.snapshot(), 100)

    assert [as_written(row.value).account for row in more] == ["acc_late"]
    assert len(rows) == 6
    for connection in (late, fast, house):
        await connection.close()
    await hold.close()
