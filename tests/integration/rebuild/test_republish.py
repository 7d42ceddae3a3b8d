"""`republish` brings records again from a position on, none before its time."""

from __future__ import annotations

from collections import Counter

from chronos.audit.republish import republish
from chronos.stream.topic_admin import open_admin
from chronos.stream.topics import ensure_topics
from tests.integration.audit.conftest import insert_books
from tests.integration.rebuild.conftest import Watched, into_outbox
from tests.integration.rebuild.test_kafka import records


async def republished(estate, settings, position):
    return await republish(
        settings.postgres_dsn,
        settings.kafka,
        estate.targets.names,
        position=position,
        progress=Watched(),
    )


async def test_what_is_at_the_position_or_behind_it_comes_once_more(estate, settings, books):
    first = sorted(row.position for row in books.events)[20]

    published = await republished(estate, settings, first)

    found = await records(settings.kafka, estate.targets.names.events)
    counted = Counter(record.value for record in found)
    assert published == 24
    assert {row.body: 2 if row.position >= first else 1 for row in books.events} == dict(
        counted
    )
    report = await estate.reconciled()
    assert report.is_clean
    assert report.facts["records_repeated"] == 24


async def test_a_topic_that_lost_its_records_gets_all_of_them(estate, settings, books):
    async with open_admin(settings.kafka) as admin:
        await admin.delete([estate.targets.names.events])
    await ensure_topics(settings)

    assert await republished(estate, settings, 0) == len(books.events)
    assert (await estate.reconciled()).is_clean


async def test_what_the_relay_has_still_to_publish_is_left_to_it(
    estate, settings, books, later
):
    """Its account's record before it may not be there yet."""
    await insert_books(settings.postgres_dsn, later.books)
    await into_outbox(settings.postgres_dsn, estate.targets.names, later.books.outbox)

    assert await republished(estate, settings, 0) == len(books.events)


async def test_nothing_is_behind_the_end(estate, settings):
    assert await republished(estate, settings, 10**9) == 0
