"""Redis and Elasticsearch are filled from Kafka where it is whole; the journal proves them."""

from __future__ import annotations

from dataclasses import replace

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from chronos.audit import fill_from_topic
from chronos.audit.fill_from_topic import PHASE, Source
from chronos.audit.rebuild import RebuildFailed
from chronos.audit.rebuild_all import rebuild_part
from chronos.errors import MissingPart
from chronos.mirror.indices import delete_indices
from chronos.store.journal_pages import JournalPages
from chronos.store.outbox_statements import WITH_ALL
from chronos.stream.topic_admin import open_admin
from chronos.stream.topic_reader import TopicReader
from tests.integration.audit.conftest import PARTITIONS, delete_keys, spoil
from tests.integration.rebuild.conftest import Killed, Watched

COPIES = ["redis", "elasticsearch"]


@pytest.fixture
def rebuilt(estate, settings):
    """Empties a copy and makes it anew."""
    made = replace(
        settings,
        redis_url=estate.targets.redis_url,
        elasticsearch_url=estate.targets.elasticsearch_url,
    )

    async def rebuild(copy, progress=None, **options):
        return await rebuild_part(copy, made, progress=progress or Watched(), **options)

    return rebuild


async def lose(estate, copy):
    if copy == "redis":
        await delete_keys(estate.redis, estate.targets.names)
    else:
        await delete_indices(estate.elasticsearch.client, estate.targets.names)


def read_no_event(monkeypatch):
    async def events(_, stretches):
        assert not list(stretches), "PostgreSQL was asked for events"
        return
        yield

    monkeypatch.setattr(JournalPages, "events", events)


@pytest.mark.parametrize("copy", COPIES)
async def test_a_whole_topic_spares_postgresql_the_events(estate, rebuilt, monkeypatch, copy):
    await lose(estate, copy)
    read_no_event(monkeypatch)
    watched = Watched()

    facts = await rebuilt(copy, watched)

    assert facts["read"] == "kafka"
    assert watched.phases[0] == PHASE
    assert (await estate.reconciled()).is_clean


@pytest.mark.parametrize("copy", COPIES)
async def test_balances_that_do_not_fit_are_written_and_read_again(
    estate, rebuilt, monkeypatch, copy
):
    monkeypatch.setattr(fill_from_topic, "BALANCES_KEPT", 1)
    monkeypatch.setitem(TopicReader.page.__kwdefaults__, "records_max", 3)
    await lose(estate, copy)
    read_no_event(monkeypatch)

    await rebuilt(copy)

    assert (await estate.reconciled()).is_clean


@pytest.mark.parametrize("copy", COPIES)
async def test_what_the_topic_lacks_or_spoils_comes_from_the_journal(
    estate, rebuilt, books, later, copy
):
    """Records twice, foreign ones, other bytes, and a whole stretch that Kafka never had."""
    await estate.publish(books.outbox[5])
    await estate.publish(books.outbox[5], key=b"alice", headers=[], value=b"hello")
    await later.book()
    extra = [row for row in books.outbox if row.key == b"bob"][-1]
    async with open_admin(estate.targets.kafka) as admin:
        await admin.delete([estate.targets.names.events])
        await remake(estate)
    for number, row in enumerate(later.whole.outbox):
        if number % 7 != 3 and row is not extra:
            await estate.publish(row, value=b"{}" if number % 11 == 5 else row.value)
    await lose(estate, copy)

    facts = await rebuilt(copy)

    assert facts["read"] == "kafka"
    report = await estate.reconciled()
    assert set(report.findings_by_check) == {"kafka"}, report.lines()


async def remake(estate):
    admin = AIOKafkaAdminClient(bootstrap_servers=estate.targets.kafka)
    await admin.start()
    await admin.create_topics([NewTopic(estate.targets.names.events, PARTITIONS, 1)])
    await admin.close()


@pytest.mark.parametrize("copy", COPIES)
async def test_a_rebuild_that_was_killed_over_the_topic_goes_on(
    estate, rebuilt, monkeypatch, copy
):
    monkeypatch.setitem(TopicReader.page.__kwdefaults__, "records_max", 10)
    await lose(estate, copy)
    with pytest.raises(Killed):
        await rebuilt(copy, Watched(kill_at=PHASE))

    await rebuilt(copy)

    assert (await estate.reconciled()).is_clean


async def test_a_record_that_the_journal_never_had_takes_no_copy_over(estate, rebuilt, books):
    """Nobody but the relay writes there; who does it none the less is found out."""
    lost = [row for row in books.events if row.account_id == "bob"][-1]
    where = f"account_id = 'bob' AND version = {lost.version}"
    await spoil(estate.targets.postgres_dsn, f"DELETE FROM events WHERE {where}")

    with pytest.raises(RebuildFailed, match="--from postgresql"):
        await rebuilt("redis")
    facts = await rebuilt("redis", source=Source.POSTGRESQL)

    assert facts["read"] == "postgresql"
    assert (await estate.redis.read_many(["bob"]))[0].version == lost.version - 1


async def test_the_journal_is_read_where_kafka_was_lost_or_the_database_restored(
    estate, rebuilt
):
    connection = await asyncpg.connect(estate.targets.postgres_dsn)
    await connection.execute("UPDATE relay_checkpoints SET system_identifier = 7")
    await connection.close()
    restored = await rebuilt("redis")
    with pytest.raises(MissingPart, match="restored or another database"):
        await rebuilt("redis", source=Source.KAFKA)

    async with open_admin(estate.targets.kafka) as admin:
        await admin.delete([estate.targets.names.events])
    with pytest.raises(MissingPart, match="has no topic"):
        await rebuilt("redis", source=Source.KAFKA)
    lost = await rebuilt("redis")

    assert restored["read"] == lost["read"] == "postgresql"


@pytest.mark.parametrize(
    ("source", "read"), [(Source.AUTO, "postgresql"), (Source.KAFKA, "kafka")]
)
async def test_a_topic_that_was_just_made_is_read_only_when_asked_for(
    estate, rebuilt, source, read
):
    """As a part of `rebuild all`, while the checkpoints name no cluster."""
    connection = await asyncpg.connect(estate.targets.postgres_dsn)
    await connection.execute(
        "UPDATE relay_checkpoints SET system_identifier = 0, timeline_id = 1"
    )
    await connection.close()

    facts = await rebuilt("redis", source=source, command=WITH_ALL)

    assert facts["read"] == read
    assert (await estate.reconciled()).is_clean
