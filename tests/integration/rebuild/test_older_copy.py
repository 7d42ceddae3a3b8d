"""An older copy of the database that passes for the right one is found out by Kafka's end."""

from __future__ import annotations

from dataclasses import replace

import asyncpg
import pytest

from chronos.audit.topic_end import prove_topic_end
from chronos.errors import UnsafeSetting
from chronos.stream.topic_admin import open_admin
from chronos.stream.topic_reader import end_offsets
from tests.integration.audit.conftest import PARTITIONS, insert_books, spoil
from tests.integration.rebuild.conftest import into_outbox
from tests.integration.relay.harness import RelayProcess, until

TRIGGERS = ("events_never_change", "events_zero_sum")
CUT = """
SELECT pg_terminate_backend(pid)
FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'chronos relay %'
"""


async def proved(estate):
    targets = estate.targets
    await prove_topic_end(targets.postgres_dsn, targets.kafka, targets.names)


def last_of(books, account_id):
    return [row for row in books.events if row.account_id == account_id][-1]


async def lose(dsn, row):
    """Has the journal as it was before its last event, with its triggers in order."""
    owner = await asyncpg.connect(dsn)
    async with owner.transaction():
        for name in TRIGGERS:
            await owner.execute(f"ALTER TABLE events DISABLE TRIGGER {name}")
        done = await owner.execute(
            "DELETE FROM events WHERE account_id = $1 AND version = $2",
            row.account_id,
            row.version,
        )
        for name in TRIGGERS:
            await owner.execute(f"ALTER TABLE events ENABLE ALWAYS TRIGGER {name}")
    assert done == "DELETE 1"
    await owner.close()


async def records(estate):
    targets = estate.targets
    ends = await end_offsets(targets.kafka, targets.names.events, range(PARTITIONS))
    return sum(ends.values())


async def test_a_journal_that_has_what_kafka_has_is_the_right_one(estate, books):
    await estate.publish(books.outbox[0], key=b"alice", headers=[], value=b"of somebody else")
    await estate.publish(books.outbox[0])

    await proved(estate)


async def test_a_lost_event_is_missed(estate, books):
    lost = last_of(books, "alice")
    await lose(estate.targets.postgres_dsn, lost)

    with pytest.raises(UnsafeSetting, match=f"has event {lost.event_id} as version"):
        await proved(estate)


async def test_another_event_under_the_same_version_is_noticed(estate, books):
    lost = last_of(books, "alice")
    other = "00000000-0000-7000-8000-000000000000"
    await spoil(
        estate.targets.postgres_dsn,
        f"UPDATE events SET event_id = '{other}' WHERE event_id = '{lost.event_id}'",
    )

    with pytest.raises(UnsafeSetting, match=f"the journal has event {other} there"):
        await proved(estate)


async def test_a_topic_that_is_not_there_ends_with_nothing(estate):
    async with open_admin(estate.targets.kafka) as admin:
        await admin.delete([estate.targets.names.events])

    await proved(estate)


@pytest.mark.usefixtures("estate")
async def test_a_relay_does_not_start_on_an_older_copy(settings, database, books, tmp_path):
    await lose(settings.postgres_dsn, last_of(books, "bob"))
    relay = RelayProcess(replace(settings, postgres_dsn=database.relay_dsn), tmp_path).start()

    assert await relay.exit_code() == 78
    assert "an older copy of the one that Kafka was fed from" in relay.story()


async def test_a_relay_publishes_nothing_from_an_older_copy_that_took_its_place(
    estate, settings, database, books, later, tmp_path
):
    """The database goes away and comes back older, while the relay waits for it."""
    relay = RelayProcess(replace(settings, postgres_dsn=database.relay_dsn), tmp_path).start()
    try:
        await until(relay.is_ready, "the relay did not start")
        before = await records(estate)

        await lose(settings.postgres_dsn, last_of(books, "bob"))
        owner = await asyncpg.connect(settings.postgres_dsn)
        await owner.execute(CUT)
        await owner.close()
        await insert_books(settings.postgres_dsn, later.books)
        await into_outbox(settings.postgres_dsn, estate.targets.names, later.books.outbox)

        assert await relay.exit_code() == 78
        assert await records(estate) == before
    finally:
        if relay.process.poll() is None:
            relay.kill()
