"""`rebuild kafka`, killed, goes on in the topics that it made, and only where it may."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import asyncpg
import pytest

from chronos.audit.rebuild_kafka import rebuild_kafka
from chronos.domain.ids import TransferId
from chronos.errors import UnsafeSetting
from chronos.store.outbox_statements import BY_ITSELF, WITH_ALL
from chronos.store.relay_refill import open_refill, release
from chronos.stream.topic_admin import open_admin
from chronos.stream.topics import ensure_topics
from chronos.wire.booking import AccountRow, EventRow, ReceiptRow
from chronos.wire.headers import decode_headers
from tests import builders
from tests.integration.audit.conftest import PARTITIONS, Books, insert_books, make_books
from tests.integration.rebuild.conftest import (
    EARLY_EVENTS,
    OUTBOX,
    Killed,
    Watched,
    into_outbox,
    placed,
)
from tests.integration.rebuild.test_kafka import execute, records
from tests.integration.relay.harness import RelayProcess, until

PAGE = 10
BEGAN_AGAIN = "the topics were not as the run before had left them"


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr("chronos.store.relay_refill.PAGE_ROWS", PAGE)


@pytest.fixture
def whole_books():
    """The small bank with room between its positions: 10, 20, 30."""
    made = make_books()
    return Books(
        accounts=made.accounts,
        events=[row._replace(position=row.position * 10) for row in made.events],
        outbox=[row._replace(position=row.position * 10) for row in made.outbox],
    )


async def killed_after_a_page(settings, command=BY_ITSELF):
    with pytest.raises(Killed):
        await rebuild_kafka(settings, progress=Watched(kill_at="publishing"), command=command)


def kill_at_the_end(phase, done, total):
    if phase == "publishing" and done == total:
        raise Killed


async def the_place(settings):
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        return await connection.fetchval("SELECT (place -> 'last')::bigint FROM relay_refill")
    finally:
        await connection.close()


def places(found):
    return {(record.partition, record.offset, record.timestamp_ms) for record in found}


def counts(events, refusals=0):
    return {"events": events, "refusals": refusals}


async def nothing(*_):
    pass


@pytest.mark.parametrize("role", ["owner", "relay"])
async def test_it_goes_on_in_the_topics_that_it_made(estate, settings, database, role):
    topic = estate.targets.names.events
    as_role = replace(settings, postgres_dsn=getattr(database, f"{role}_dsn"))
    await killed_after_a_page(as_role)
    left = await records(settings.kafka, topic)

    facts = await rebuild_kafka(as_role, progress=Watched())

    assert len(left) == PAGE
    assert places(left) < places(await records(settings.kafka, topic))
    assert facts == {
        "published": counts(EARLY_EVENTS),
        "of_these_by_an_earlier_run": counts(PAGE),
    }
    report = await estate.reconciled()
    assert report.is_clean
    assert report.facts["records_repeated"] == 0


async def test_what_it_had_not_written_down_comes_twice(estate, settings, monkeypatch):
    await killed_after_a_page(settings)
    with monkeypatch.context() as without:
        without.setattr("chronos.store.refill_place.save", nothing)
        with pytest.raises(Killed):
            await rebuild_kafka(settings, progress=kill_at_the_end)

    facts = await rebuild_kafka(settings, progress=Watched())

    assert facts["of_these_by_an_earlier_run"] == counts(PAGE)
    report = await estate.reconciled()
    assert report.is_clean
    assert report.facts["records_repeated"] == EARLY_EVENTS - PAGE


async def test_its_place_is_written_down_while_it_works(estate, settings, monkeypatch):
    monkeypatch.setattr("chronos.store.relay_refill._EPOCH_EVERY_S", 0.01)
    async with open_refill(
        settings.postgres_dsn, estate.targets.names, partitions=PARTITIONS, command=BY_ITSELF
    ) as refill:
        await refill.begin()
        await refill.fix()
        assert await the_place(settings) == 0
        page = await anext(refill.pages())
        refill.took(page, {})

        async def is_there():
            return await the_place(settings) == page[-1].position

        await until(is_there, "the place was not written down")


async def test_it_goes_on_with_the_refusals(estate, settings):
    refused = await refusal(estate, settings, first_position=255)
    await killed_after_a_page(settings)

    facts = await rebuild_kafka(settings, progress=Watched())

    assert facts == {
        "published": counts(EARLY_EVENTS + 2, 1),
        "of_these_by_an_earlier_run": counts(PAGE),
    }
    found = await records(settings.kafka, estate.targets.names.rejections)
    assert [record.value for record in found] == [refused.value]


async def lose(settings, topic, *, made_again=False):
    async with open_admin(settings.kafka) as admin:
        await admin.delete([topic])
    if made_again:
        await ensure_topics(settings)


@pytest.mark.parametrize("made_again", [False, True])
@pytest.mark.parametrize("lost", ["events", "rejections"])
async def test_where_a_topic_was_lost_since_it_begins_again(estate, settings, lost, made_again):
    names = estate.targets.names
    await refusal(estate, settings, first_position=25)
    await killed_after_a_page(settings)
    assert len(await records(settings.kafka, names.rejections)) == 1
    await lose(settings, getattr(names, lost), made_again=made_again)

    facts = await rebuild_kafka(settings, progress=Watched())

    whole = EARLY_EVENTS + 2
    assert facts == {"published": counts(whole, 1), "begun_again": BEGAN_AGAIN}
    assert len(await records(settings.kafka, names.events)) == whole
    assert len(await records(settings.kafka, names.rejections)) == 1


async def test_where_one_partition_has_less_than_it_had_it_begins_again(
    estate, settings, books
):
    await killed_after_a_page(settings)
    partition = books.outbox[0].partition
    await execute(
        settings.postgres_dsn,
        "UPDATE relay_refill SET place = jsonb_set(place, $1, to_jsonb(100))",
        ["ends", estate.targets.names.events, str(partition)],
    )

    facts = await rebuild_kafka(settings, progress=Watched())

    assert facts == {"published": counts(EARLY_EVENTS), "begun_again": BEGAN_AGAIN}
    assert (await estate.reconciled()).facts["records_repeated"] == 0


async def test_where_the_topic_ends_with_another_history_all_begins_again_and_no_part(
    estate, settings, books
):
    """A copy of the disk, made while a rebuild ran, tells nothing of what came later."""
    await killed_after_a_page(settings)
    other = [
        (name, b"0" * 36 if name == "ce_id" else value)
        for name, value in decode_headers(books.outbox[-1].headers)
    ]
    await estate.publish(books.outbox[-1], headers=other)

    with pytest.raises(UnsafeSetting, match="until `chronos rebuild all`"):
        await rebuild_kafka(settings, progress=Watched())
    facts = await rebuild_kafka(settings, progress=Watched(), command=WITH_ALL)
    await release(settings.postgres_dsn)

    assert facts["begun_again"] == BEGAN_AGAIN
    assert (await estate.reconciled()).is_clean


async def test_killed_before_the_topics_were_there_it_begins_again(
    estate, settings, monkeypatch
):
    async def killed(_):
        raise Killed

    await killed_after_a_page(settings)
    await lose(settings, estate.targets.names.events)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("chronos.audit.rebuild_kafka.ensure_topics", killed)
        with pytest.raises(Killed):
            await rebuild_kafka(settings, progress=Watched())

    facts = await rebuild_kafka(settings, progress=Watched())

    assert facts == {"published": counts(EARLY_EVENTS)}
    assert (await estate.reconciled()).is_clean


async def test_as_a_part_of_all_it_goes_on_too(estate, settings):
    await killed_after_a_page(settings, WITH_ALL)

    facts = await rebuild_kafka(settings, progress=Watched(), command=WITH_ALL)
    again = await rebuild_kafka(settings, progress=Watched(), command=WITH_ALL)
    await release(settings.postgres_dsn)

    assert facts["of_these_by_an_earlier_run"] == counts(PAGE)
    assert again == {"published": counts(EARLY_EVENTS)}
    assert (await estate.reconciled()).is_clean


async def test_on_a_database_that_was_restored_meanwhile_it_does_not_go_on(estate, settings):
    await killed_after_a_page(settings)
    await execute(settings.postgres_dsn, "UPDATE relay_refill SET timeline_id = 7")

    with pytest.raises(UnsafeSetting, match="until `chronos rebuild all`"):
        await rebuild_kafka(settings, progress=Watched())
    facts = await rebuild_kafka(settings, progress=Watched(), command=WITH_ALL)
    await release(settings.postgres_dsn)

    assert facts == {"published": counts(EARLY_EVENTS)}
    assert (await estate.reconciled()).is_clean


async def test_an_older_schema_is_told_before_anything_is_deleted(estate, settings):
    await execute(settings.postgres_dsn, "DROP TABLE relay_refill")

    with pytest.raises(UnsafeSetting, match="older schema"):
        await rebuild_kafka(settings, progress=Watched())

    assert len(await records(settings.kafka, estate.targets.names.events)) == EARLY_EVENTS


@pytest.mark.parametrize(
    "positions",
    [(25, 26, 27, 28), (255, 256, 257, 258), (95, 96, 105, 106)],
    ids=["passed", "to come", "on both sides"],
)
@pytest.mark.parametrize("at_the_end", [False, True])
async def test_what_was_under_way_at_its_snapshot_is_the_relays(
    estate, settings, database, tmp_path, positions, at_the_end
):
    names = estate.targets.names
    first, second = moved_twice(names, positions)
    connection = await asyncpg.connect(settings.postgres_dsn)
    try:
        await connection.execute("BEGIN")
        await write(connection, names, first)
        with pytest.raises(Killed):
            await rebuild_kafka(
                settings,
                progress=kill_at_the_end if at_the_end else Watched(kill_at="publishing"),
            )
        await connection.execute("COMMIT")
    finally:
        await connection.close()
    await insert_books(settings.postgres_dsn, second)
    await into_outbox(settings.postgres_dsn, names, second.outbox)

    facts = await rebuild_kafka(settings, progress=Watched())
    found = await relayed(settings, database, tmp_path, names, EARLY_EVENTS + 6)

    assert facts == {
        "published": counts(EARLY_EVENTS),
        "of_these_by_an_earlier_run": counts(EARLY_EVENTS if at_the_end else PAGE),
    }
    seen = Counter((record.key, int(record.header("ce_version"))) for record in found)
    assert set(seen.values()) == {1}
    assert [version for key, version in seen if key == b"erin"] == [1, 2, 3]
    assert "kafka" not in (await estate.reconciled()).findings_by_check


async def relayed(settings, database, tmp_path, names, due):
    relay = RelayProcess(replace(settings, postgres_dsn=database.relay_dsn), tmp_path).start()
    try:

        async def all_there():
            assert relay.process.poll() is None, relay.story()
            found = await records(settings.kafka, names.events)
            return found if len(found) >= due else None

        return await until(all_there, "the relay did not publish the rest")
    finally:
        relay.kill()


def moved_twice(names, positions):
    """Two openings and a transfer in one transaction at old positions, a transfer at new."""
    bank = builders.MemoryBank.empty()
    bank.keeper = builders.bookkeeper(names=names, partitions=PARTITIONS)
    bank.state = replace(bank.state, positions=positions)
    first = books_of(
        bank.book(
            [
                *(builders.attempt(opening(name), name) for name in ("erin", "frank")),
                builders.attempt(late_transfer("trf_late_1"), "move-1"),
            ]
        )
    )
    assert [row.position for row in first.events] == list(positions)
    bank.state = replace(bank.state, positions=tuple(range(9_000, 9_010)))
    second = books_of(bank.book([builders.attempt(late_transfer("trf_late_2"), "move-2")]))
    assert [row.version for row in second.events] == [3, 3]
    return first, second


def opening(name):
    return builders.open_account(name, overdraft_limit=1000)


def late_transfer(transfer_id):
    return builders.transfer("erin", "frank", 5, transfer_id=TransferId(transfer_id))


def books_of(booked):
    assert {receipt.status for receipt in booked.receipts} == {201}
    return Books(
        accounts=list(booked.account_rows),
        events=list(booked.event_rows),
        outbox=list(booked.outbox_rows),
    )


async def write(connection, names, books):
    table = f"outbox_{await connection.fetchval('SELECT which FROM outbox_current')}"
    for name, rows, columns in (
        ("accounts", books.accounts, AccountRow._fields),
        ("events", books.events, EventRow._fields),
        (table, placed(books.outbox, names), OUTBOX),
    ):
        await connection.copy_records_to_table(name, records=rows, columns=columns)


async def refusal(estate, settings, *, first_position):
    """Books two accounts and a refused transfer; gives the refusal's record."""
    bank = builders.MemoryBank.empty()
    bank.keeper = builders.bookkeeper(names=estate.targets.names, partitions=PARTITIONS)
    bank.state = replace(bank.state, positions=tuple(range(first_position, first_position + 5)))
    commands = [
        builders.open_account("erin"),
        builders.open_account("frank"),
        builders.transfer("erin", "frank", 5, transfer_id=TransferId("trf_poor")),
    ]
    booked = bank.book([builders.attempt(c, f"r{n}") for n, c in enumerate(commands)])
    assert [receipt.status for receipt in booked.receipts] == [201, 201, 409]
    await insert_books(
        settings.postgres_dsn,
        Books(accounts=list(booked.account_rows), events=list(booked.event_rows)),
    )
    connection = await asyncpg.connect(settings.postgres_dsn)
    await connection.copy_records_to_table(
        "receipts", records=booked.receipt_rows, columns=ReceiptRow._fields
    )
    await connection.close()
    topic = estate.targets.names.rejections
    (record,) = [row for row in booked.outbox_rows if row.topic == topic]
    return record
