"""The mirror worker on the real Kafka: what was published is mirrored, come what may."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from chronos.clock import SystemClock
from chronos.errors import InvariantBroken
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.lag import KafkaLag
from chronos.settings import Settings
from chronos.telemetry.metrics import REGISTRY
from chronos.wire.topics import Names
from tests.integration.mirror.cut import Cut
from tests.integration.mirror.values import Bank
from tests.integration.mirror.worker import (
    DEADLINE_S,
    BankJournal,
    eventually,
    mirrored,
    publish,
    working,
)


async def test_events_and_balances_reach_elasticsearch(
    settings: Settings, names: Names, producer: AIOKafkaProducer, search: ElasticsearchMirror
):
    bank = Bank(names)
    bank.open("alice", "bob")
    for _ in range(20):
        bank.pay("alice")
        bank.pay("bob")
    await publish(producer, settings, bank)

    async with working(settings):
        await eventually(lambda: mirrored(search, bank))

    heads = {head.account_id: head.version async for head in search.entries.heads()}
    assert heads == {name: balance.version for name, balance in bank.balances.items()}


async def test_while_elasticsearch_is_away_the_worker_waits_and_loses_nothing(
    settings: Settings,
    names: Names,
    producer: AIOKafkaProducer,
    search: ElasticsearchMirror,
    cut_search: Cut,
):
    bank = Bank(names)
    bank.open("alice")
    await publish(producer, settings, bank)
    async with working(settings, url=cut_search.url) as app:
        await eventually(lambda: mirrored(search, bank))
        await cut_search.shut()
        for _ in range(30):
            bank.pay("alice")
        await publish(producer, settings, bank, start=2)

        async def waits() -> bool:
            return app.liveness.waiting_for == ("elasticsearch",)

        await eventually(waits)
        await cut_search.open()
        await eventually(lambda: mirrored(search, bank))

    assert not app.crashed


async def test_behind_a_store_that_is_away_the_topic_stays_in_kafka(
    settings: Settings,
    names: Names,
    producer: AIOKafkaProducer,
    search: ElasticsearchMirror,
    cut_search: Cut,
):
    small = dataclasses.replace(settings, batch_events_max=50)
    bank = Bank(names)
    bank.open("alice")
    for _ in range(600):
        bank.pay("alice")
    await cut_search.shut()
    async with working(small, url=cut_search.url) as app:
        await publish(producer, small, bank)
        under_way = app.consumer._pages._records

        async def is_full() -> bool:
            return max(under_way.values(), default=0) >= 2 * 50

        await eventually(is_full)
        await asyncio.sleep(1.0)  # what would come now would come within moments
        assert max(under_way.values()) < 3 * 50
        await cut_search.open()
        await eventually(lambda: mirrored(search, bank))


async def test_a_worker_stopped_while_it_waits_has_acknowledged_nothing(
    settings: Settings,
    names: Names,
    producer: AIOKafkaProducer,
    search: ElasticsearchMirror,
    cut_search: Cut,
):
    bank = Bank(names)
    bank.open("alice")
    bank.pay("alice")
    await publish(producer, settings, bank)
    await cut_search.shut()
    async with working(settings, url=cut_search.url) as app:

        async def waits() -> bool:
            return app.liveness.waiting_for == ("elasticsearch",)

        await eventually(waits)

    async with working(settings):
        await eventually(lambda: mirrored(search, bank))


async def test_a_foreign_record_goes_to_the_dead_letters_and_a_tombstone_nowhere(
    settings: Settings, names: Names, producer: AIOKafkaProducer, search: ElasticsearchMirror
):
    bank = Bank(names)
    headers = [("ce_type", b"MoneyDeposited"), ("ce_version", b"1")]
    await producer.send_and_wait(names.events, b"junk", key=b"alice", partition=0)
    await producer.send_and_wait(names.events, b"{}", headers=headers, partition=0)
    await producer.send_and_wait(names.balances_changelog, None, key=b"alice", partition=0)
    # A compacted topic takes no record without a key, but one with an empty key.
    await producer.send_and_wait(names.balances_changelog, b"{}", key=b"", partition=0)
    await publish(producer, settings, bank)

    async with working(settings):
        await eventually(lambda: mirrored(search, bank))
        dead = await records(settings, names.dead_letters, 3)

    assert sorted(record.value for record in dead) == [b"junk", b"{}", b"{}"]
    assert {record.key for record in dead} == {b"alice", None, b""}


async def test_records_that_come_again_are_counted_and_change_nothing(
    settings: Settings, names: Names, producer: AIOKafkaProducer, search: ElasticsearchMirror
):
    bank = Bank(names)
    bank.open("alice")
    bank.pay("alice")
    sample = "chronos_mirror_documents_total"
    labels = {"index": "entries", "outcome": "already_applied"}
    await publish(producer, settings, bank)

    async with working(settings):
        await eventually(lambda: mirrored(search, bank))
        before = REGISTRY.get_sample_value(sample, labels) or 0.0
        await publish(producer, settings, bank)

        async def all_counted() -> bool:
            known = REGISTRY.get_sample_value(sample, labels) or 0.0
            return known >= before + len(bank.rows)

        await eventually(all_counted)
        assert await mirrored(search, bank)


async def test_an_event_whose_bytes_are_spoilt_is_read_from_the_journal(
    settings: Settings, names: Names, producer: AIOKafkaProducer, search: ElasticsearchMirror
):
    bank = Bank(names)
    bank.open("alice")
    journal = BankJournal(bank)
    bank.rows[-1] = bank.rows[-1]._replace(value=b'{"spoilt":')

    await publish(producer, settings, bank)
    async with working(settings, journal=journal):
        await eventually(lambda: mirrored(search, bank))

    assert await search.entries.newest_version("alice") == 1


async def test_a_document_that_can_never_be_taken_stops_the_worker(
    settings: Settings, names: Names, producer: AIOKafkaProducer, search: ElasticsearchMirror
):
    bank = Bank(names)
    body = bank.rows[0].value[:-1] + b',"surprise":1}'
    bank.rows[0] = bank.rows[0]._replace(value=body)
    await publish(producer, settings, bank)

    async with working(settings) as app:

        async def crashed() -> bool:
            return app.crash_reason is not None

        await eventually(crashed)

    assert isinstance(app.crash_reason, InvariantBroken)
    assert app.crash_reason.account_id == "world"
    await search.entries.refresh()
    assert await search.entries.count() == 0


@pytest.mark.usefixtures("search")
async def test_lag_counts_what_the_group_has_not_committed(
    settings: Settings, names: Names, producer: AIOKafkaProducer
):
    bank = Bank(names)
    bank.open("alice")
    await publish(producer, settings, bank)
    lag = KafkaLag(settings.kafka, SystemClock())
    before = await lag.measure(names.app_id("mirror"), names.events)
    assert before.records == 2
    assert before.seconds is not None
    assert before.seconds > 0

    async def caught_up() -> bool:
        now = await lag.measure(names.app_id("mirror"), names.events)
        return (now.records, now.seconds) == (0, 0.0)

    async with working(settings):
        await eventually(caught_up)
    await lag.close()


async def records(settings: Settings, topic: str, count: int) -> list:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=settings.kafka, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        found: list = []
        async with asyncio.timeout(DEADLINE_S):
            while len(found) < count:
                found.append(await consumer.getone())
        return found
    finally:
        await consumer.stop()
