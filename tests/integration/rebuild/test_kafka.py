"""`rebuild kafka` makes the topics anew from the journal, and the relay goes on after them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer

from chronos.audit.rebuild_kafka import rebuild_kafka
from chronos.audit.verify import verify
from chronos.domain.ids import TransferId
from chronos.errors import MissingPart, SettingFault, UnsafeSetting
from chronos.store.cluster_identity import check_identity
from chronos.store.outbox import LOCK_CLASS
from chronos.store.outbox_statements import WITH_ALL
from chronos.store.relay_refill import checkpoints_mark, release
from chronos.stream.topic_admin import open_admin
from chronos.stream.topic_reader import open_topic
from chronos.stream.topics import topic_plans
from chronos.wire.booking import ReceiptRow
from chronos.wire.headers import decode_headers
from tests import builders
from tests.integration.audit.conftest import PARTITIONS, insert_books
from tests.integration.rebuild.conftest import SHARDS, Killed, Watched, into_outbox
from tests.integration.relay.harness import RelayProcess, until


async def records(kafka, topic):
    found = []
    async with open_topic(kafka, topic) as reader:
        async for page in reader.pages_until(await reader.end_offsets()):
            found += page
    return found


async def identity_fault(dsn):
    connection = await asyncpg.connect(dsn)
    try:
        for shard in range(SHARDS):
            await check_identity(connection, shard)
    except UnsafeSetting as fault:
        return str(fault)
    finally:
        await connection.close()
    return None


async def execute(dsn, statement, *arguments):
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement, *arguments)
    finally:
        await connection.close()


async def test_lost_wrong_and_foreign_records_are_gone_afterwards(estate, settings, books):
    await estate.publish(books.outbox[0], key=b"alice", headers=[], value=b"hello")
    await estate.publish(books.outbox[3], value=b"{}")
    assert not (await estate.reconciled()).is_clean

    facts = await rebuild_kafka(settings, progress=Watched())

    report = await estate.reconciled()
    assert report.is_clean
    assert report.facts["records_repeated"] == 0
    assert (await verify(settings.postgres_dsn)).is_clean
    assert facts["published"] == {"events": len(books.events), "refusals": 0}


@pytest.mark.parametrize("setting", ["partitions", "relay_shards"])
async def test_who_would_deal_the_outbox_out_in_another_way_deletes_nothing(
    estate, settings, books, setting
):
    await rebuild_kafka(settings, progress=Watched())
    other = replace(settings, **{setting: 3})

    with pytest.raises(SettingFault, match=f"CHRONOS_{setting.upper()}: is 3, but the outbox"):
        await rebuild_kafka(other, progress=Watched())

    found = await records(settings.kafka, estate.targets.names.events)
    assert len(found) == len(books.events)


async def test_topics_that_were_lost_are_made_again(estate, settings, books):
    async with open_admin(settings.kafka) as admin:
        await admin.delete([plan.name for plan in topic_plans(settings)])

    await rebuild_kafka(settings, progress=Watched())

    found = await records(settings.kafka, estate.targets.names.events)
    assert sorted(record.value for record in found) == sorted(row.body for row in books.events)
    assert (await estate.reconciled()).is_clean


async def test_refusals_are_published_as_they_were(estate, settings):
    bank = builders.MemoryBank.empty()
    bank.keeper = builders.bookkeeper(names=estate.targets.names, partitions=PARTITIONS)
    commands = [
        builders.open_account("erin"),
        builders.open_account("frank"),
        builders.transfer("erin", "frank", 5, transfer_id=TransferId("trf_poor")),
        builders.transfer("nobody", "frank", 5, transfer_id=TransferId("trf_nobody")),
    ]
    bank.state = replace(bank.state, positions=tuple(range(10_000, 10_020)))
    booked = bank.book([builders.attempt(c, f"r{n}") for n, c in enumerate(commands)])
    refused = [r for r in booked.outbox_rows if r.topic == estate.targets.names.rejections]
    assert [receipt.status for receipt in booked.receipts] == [201, 201, 409, 422]
    assert len(refused) == 1
    await insert_books(settings.postgres_dsn, Booked(booked))
    connection = await asyncpg.connect(settings.postgres_dsn)
    await connection.copy_records_to_table(
        "receipts", records=booked.receipt_rows, columns=ReceiptRow._fields
    )
    await connection.close()

    facts = await rebuild_kafka(settings, progress=Watched())

    found = await records(settings.kafka, estate.targets.names.rejections)
    assert [(one.partition, one.key, one.value) for one in found] == [
        (row.partition, row.key, row.value) for row in refused
    ]
    expected = dict(decode_headers(refused[0].headers))
    del expected["traceparent"]
    assert dict(found[0].headers) == expected
    assert facts["published"]["refusals"] == 1


class Booked:
    """Rows of the core in the shape of the small bank's books."""

    def __init__(self, booked):
        self.accounts = booked.account_rows
        self.events = booked.event_rows


async def test_a_relay_does_not_publish_from_a_rebuild_that_was_killed(
    estate, settings, monkeypatch
):
    monkeypatch.setattr("chronos.store.relay_refill.PAGE_ROWS", 10)

    with pytest.raises(Killed):
        await rebuild_kafka(settings, progress=Watched(kill_at="publishing"))
    fault = await identity_fault(settings.postgres_dsn)
    await rebuild_kafka(settings, progress=Watched())

    assert "`chronos rebuild kafka` was begun and did not end" in fault
    assert await identity_fault(settings.postgres_dsn) is None
    report = await estate.reconciled()
    assert report.is_clean
    assert report.facts["records_repeated"] == 0


async def test_a_restored_database_is_relayed_again_after_a_rebuild_of_all_and_only_then(
    estate, settings
):
    other = "UPDATE relay_checkpoints SET system_identifier = 7, timeline_id = 1"
    await execute(settings.postgres_dsn, other)
    before = await identity_fault(settings.postgres_dsn)
    mark = await checkpoints_mark(settings.postgres_dsn)

    with pytest.raises(UnsafeSetting, match="until `chronos rebuild all`"):
        await rebuild_kafka(settings, progress=Watched())
    assert await checkpoints_mark(settings.postgres_dsn) == mark
    await rebuild_kafka(settings, progress=Watched(), command=WITH_ALL)
    between = await identity_fault(settings.postgres_dsn)
    with pytest.raises(UnsafeSetting, match="`chronos rebuild all` was begun"):
        await rebuild_kafka(settings, progress=Watched())
    await release(settings.postgres_dsn)

    assert "`chronos rebuild all`" in before
    assert "`chronos rebuild all` was begun and did not end" in between
    assert await identity_fault(settings.postgres_dsn) is None
    assert await checkpoints_mark(settings.postgres_dsn) != mark
    assert (await estate.reconciled()).is_clean


async def test_the_relay_goes_on_after_the_snapshot(
    estate, settings, database, later, whole_books, tmp_path
):
    """What was committed before is not published again, what came after is, in order."""
    await into_outbox(settings.postgres_dsn, estate.targets.names, whole_books.outbox[:10])

    await rebuild_kafka(settings, progress=Watched())
    await insert_books(settings.postgres_dsn, later.books)
    await into_outbox(settings.postgres_dsn, estate.targets.names, later.books.outbox)
    signed_in = replace(settings, postgres_dsn=database.relay_dsn)
    relay = RelayProcess(signed_in, tmp_path).start()
    try:

        async def all_there():
            assert relay.process.poll() is None, relay.story()
            found = await records(settings.kafka, estate.targets.names.events)
            return found if len(found) >= len(whole_books.outbox) else None

        found = await until(all_there, "the relay published nothing")
    finally:
        relay.kill()

    counted = Counter((record.key, record.header("ce_version")) for record in found)
    assert set(counted.values()) == {1}
    report = await estate.reconciled()
    assert "kafka" not in report.findings_by_check


async def test_it_is_refused_while_a_worker_runs(estate, settings):
    names = estate.targets.names
    consumer = AIOKafkaConsumer(
        names.events, bootstrap_servers=settings.kafka, group_id=names.app_id("mirror")
    )
    await consumer.start()
    try:
        with pytest.raises(MissingPart, match="1 mirror worker runs"):
            await rebuild_kafka(settings, progress=Watched())
    finally:
        await consumer.stop()
    assert (await estate.reconciled()).is_clean


async def test_it_is_refused_while_a_relay_holds_a_shard(estate, settings):
    connection = await asyncpg.connect(settings.postgres_dsn)
    await connection.execute("SELECT pg_advisory_lock($1::int, 1)", LOCK_CLASS)
    try:
        with pytest.raises(MissingPart, match="holds shard 1"):
            await rebuild_kafka(settings, progress=Watched())
    finally:
        await connection.close()
    assert await identity_fault(settings.postgres_dsn) is None
    assert (await estate.reconciled()).is_clean
