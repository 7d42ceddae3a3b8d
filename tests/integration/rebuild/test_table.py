"""`rebuild table` has the balances workers replay every event, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiokafka import TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete
from msgspec import structs

from chronos.audit.rebuild_all import rebuild_part
from chronos.audit.rebuild_kafka import rebuild_kafka
from chronos.audit.rebuild_table import rebuild_table
from chronos.errors import MissingPart
from chronos.stream.topic_admin import open_admin
from chronos.stream.topic_reader import open_topic
from chronos.stream.topics import ensure_topics
from chronos.wire.balance import decode_balance, encode_balance
from tests.integration.balances.conftest import (
    postgres_door,
    redis,
    redis_door,
    redis_url,
    scene,
)
from tests.integration.balances.harness import until
from tests.integration.rebuild.conftest import Watched

__all__ = ["postgres_door", "redis", "redis_door", "redis_url", "scene"]


async def rebuilt(scene):
    settings = scene.settings
    return await rebuild_table(
        settings.kafka, scene.names, settings.state_dir, progress=Watched()
    )


async def served(scene):
    """Has a worker follow all that was published, and leave again."""
    worker = await scene.worker()
    await scene.assert_equal(worker)
    await worker.stop()
    await until_nobody(scene)


async def until_nobody(scene):
    """A stopped worker is a member until Kafka has missed it."""

    async def left():
        async with open_admin(scene.settings.kafka) as admin:
            return await admin.members(scene.names.app_id("balances")) == 0

    await until(left, lambda: "a member is still there")


async def lose(admin, bootstrap, topic, loss):
    if loss == "the topic":
        await admin.delete([topic])
        return
    async with open_topic(bootstrap, topic) as reader:
        ends = await reader.end_offsets()
    gone = {
        TopicPartition(topic, number): RecordsToDelete(
            before_offset=end if loss == "all records" else min(end, 1)
        )
        for number, end in ends.items()
    }
    await admin._admin.delete_records(gone)


async def changelog(scene):
    found = {}
    async with open_topic(scene.settings.kafka, scene.names.balances_changelog) as reader:
        async for page in reader.pages_until(await reader.end_offsets()):
            found |= {record.key: record for record in page}
    return found


async def test_a_wrong_table_is_right_after_a_replay(scene):
    await scene.publish(await scene.open_accounts(6))
    await served(scene)
    # Somebody who may write to the changelog plants money; the disk state goes with it.
    before = await changelog(scene)
    planted = decode_balance(before[b"a3"].value)
    await scene.producer.send_and_wait(
        scene.names.balances_changelog,
        key=b"a3",
        value=encode_balance(structs.replace(planted, booked=9)),
        partition=before[b"a3"].partition,
    )

    facts = await rebuilt(scene)

    assert await changelog(scene) == {}
    assert not list(scene.settings.state_dir.glob("balances-*"))
    assert len(facts["wiped"]) == 1
    again = await scene.worker()
    await scene.publish(await scene.book(scene.pay("a0", "a3")))
    assert await scene.assert_equal(again) == {"table"}
    after = await changelog(scene)
    assert after.keys() == before.keys()
    # Offsets go on, so a group that keeps its own place in the changelog misses nothing.
    assert all(after[key].offset > before[key].offset for key in before)


async def test_it_is_refused_while_a_worker_runs_and_waits_for_one_that_died(scene):
    await scene.publish(await scene.open_accounts(2))
    worker = await scene.worker()
    await scene.assert_equal(worker)

    with pytest.raises(MissingPart, match="1 balances worker runs"):
        await rebuilt(scene)
    worker.kill()
    await rebuilt(scene)
    await rebuilt(scene)

    await scene.assert_equal(await scene.worker())


@pytest.mark.parametrize(
    "loss", ["the topic", "all records", "the first records", "the topic, and life went on"]
)
async def test_a_table_is_not_wiped_where_kafka_was_lost(scene, database, loss):
    await scene.publish(await scene.open_accounts(4))
    await served(scene)
    before = await changelog(scene)
    async with open_admin(scene.settings.kafka) as admin:
        if loss == "the topic, and life went on":
            await lose(admin, scene.settings.kafka, scene.names.events, "the topic")
            await ensure_topics(scene.settings)
            await scene.publish(await scene.book(scene.pay("a0", "a1")))
        else:
            await lose(admin, scene.settings.kafka, scene.names.events, loss)

    with pytest.raises(MissingPart, match=r"Nothing was wiped.*`chronos rebuild kafka`"):
        await rebuild_part("table", scene.settings, progress=Watched())

    assert (await changelog(scene)).keys() == before.keys()
    assert list(scene.settings.state_dir.glob("balances-*"))
    # What the sentence says to do is done.
    owner = replace(scene.settings, postgres_dsn=database.owner_dsn)
    await rebuild_part("kafka", owner, progress=Watched())
    await rebuild_part("table", scene.settings, progress=Watched())
    assert await scene.assert_equal(await scene.worker()) == {"table"}


async def test_the_table_of_an_empty_bank_may_be_rebuilt(scene):
    await served(scene)

    facts = await rebuild_part("table", scene.settings, progress=Watched())

    assert len(facts["wiped"]) == 1


async def test_a_table_follows_topics_that_were_made_anew(scene, database):
    await scene.publish(await scene.open_accounts(4))
    await served(scene)
    more = await scene.book(*[scene.pay("a0", "a1") for _ in range(20)])
    owner = replace(scene.settings, postgres_dsn=database.owner_dsn)

    facts = await rebuild_kafka(owner, progress=Watched())
    await rebuilt(scene)

    assert facts["published"]["events"] == scene.published + len(more)
    assert await scene.assert_equal(await scene.worker()) == {"table"}
