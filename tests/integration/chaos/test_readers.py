"""The checkers' readers on the real stores, beside the copies that the product made."""

import uuid

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from msgspec import structs

from chronos.chaos.checkers.convergence import convergence
from chronos.chaos.checkers.journal import gapless, no_overdraft, zero_sum
from chronos.chaos.checkers.published import outbox_to_kafka
from chronos.chaos.readers import elasticsearch, kafka, postgres, redis, views
from chronos.chaos.readers.facts import Journal
from chronos.wire.balance import encode_balance
from tests.integration.audit.conftest import (  # noqa: F401 - fixtures
    PARTITIONS,
    PEOPLE,
    Books,
    Estate,
    books,
    estate,
    journal,
    spoil,
)


@pytest.fixture
async def stored(journal: str) -> Journal:  # noqa: F811
    return await postgres.read_journal(journal)


async def test_the_journal_is_read_whole_and_proves_itself(stored, books: Books):  # noqa: F811
    assert stored.events_count == len(books.events)
    assert stored.opened == dict.fromkeys(PEOPLE, "EUR")
    assert stored.flaws == []
    for check in (zero_sum, gapless, no_overdraft):
        assert check(stored).violations == ()
    balances = books.balances()
    for name, events in stored.accounts.items():
        last = events[-1]
        assert last.amounts.booked == balances[name].booked
        assert (last.version, last.hash.hex()) == (balances[name].version, balances[name].hash)


async def test_an_event_that_was_changed_in_the_table_is_found(journal):  # noqa: F811
    await spoil(journal, "UPDATE events SET amount = amount + 1 WHERE version = 2")

    found = gapless(await postgres.read_journal(journal))

    assert found.violations_count >= len(PEOPLE)
    assert "amount is" in found.violations[0]


async def test_an_event_that_was_deleted_is_found(journal):  # noqa: F811
    await spoil(journal, "DELETE FROM events WHERE account_id = 'alice' AND version = 3")

    found = gapless(await postgres.read_journal(journal)).violations

    assert "alice has version 4 where 3 belongs" in found
    assert any("its hash does not continue" in what for what in found)


async def test_a_body_that_is_no_event_is_found_and_still_counted(journal):  # noqa: F811
    await spoil(
        journal, "UPDATE events SET body = '{}' WHERE account_id = 'bob' AND version = 2"
    )

    found = gapless(await postgres.read_journal(journal)).violations

    assert any("bob version 2" in what and "cannot be read" in what for what in found)
    assert not any("were read" in what for what in found)


async def test_one_account_is_read_anew(journal, stored):  # noqa: F811
    assert await postgres.read_events_of(journal, "alice") == stored.accounts["alice"]
    assert await postgres.read_events_of(journal, "nobody") == []


async def test_receipts_and_what_lies_in_the_outbox_are_read(database):
    body = b'{"id":"trf_1"}'
    await spoil(
        database.owner_dsn,
        f"""
        INSERT INTO receipts (principal, idempotency_key, request_hash, status, body, position,
          recorded_at)
        VALUES ('owner', 'k', sha256('x'), 201, '\\x{body.hex()}', 7, now());
        INSERT INTO outbox_1 (position, shard, partition, topic, key, headers, value)
        VALUES (7, 0, 3, 'chronos.events.v1', 'alice', '', 'value')
        """,
    )

    found = await postgres.read_journal(database.owner_dsn)

    receipt = found.receipts["owner", "k"]
    (row,) = found.outbox
    assert (receipt.status, receipt.position, receipt.digest) == (
        201,
        7,
        postgres._sha256(body),
    )
    assert (row.topic, row.position, row.partition) == ("chronos.events.v1", 7, 3)
    assert (row.account_id, row.digest) == ("alice", postgres._sha256(b"value"))


async def test_the_topic_is_read_from_its_first_record_to_its_last(
    estate: Estate,  # noqa: F811
    stored,
    books,  # noqa: F811
):
    topic = await kafka.read_topic(estate.targets.kafka, estate.targets.names.events)

    assert (topic.partitions, len(topic.records)) == (PARTITIONS, len(books.events))
    asked = {"partitions": PARTITIONS, "topic_name": estate.targets.names.events}
    assert outbox_to_kafka(stored, topic, **asked).violations == ()

    await estate.publish(books.outbox[0])
    await estate.publish(books.outbox[1], value=b"{}")
    await estate.publish(books.outbox[2], headers=[])
    topic = await kafka.read_topic(estate.targets.kafka, estate.targets.names.events)
    found = outbox_to_kafka(stored, topic, **asked).violations
    assert len(topic.records) == len(books.events) + 3
    assert len([what for what in found if "otherwise" in what]) == 1
    assert len([what for what in found if "is not in the journal" in what]) == 1


async def test_a_topic_that_is_not_there_is_no_empty_topic(servers):
    with pytest.raises(LookupError, match=r"no topic nobody\.made\.this"):
        await kafka.read_topic(servers.kafka, "nobody.made.this")


async def test_the_changelog_is_read_as_who_fills_a_table_reads_it(
    estate: Estate,  # noqa: F811
    stored,
    books,  # noqa: F811
):
    bootstrap, space = estate.targets.kafka, estate.targets.names.namespace
    topic = estate.targets.names.balances_changelog
    newest = books.balances()
    old = structs.replace(newest["alice"], version=1, booked=9)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 2, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    sent = [("alice", encode_balance(old)), ("zoe", encode_balance(old)), ("zoe", None)]
    sent += [(name, encode_balance(balance)) for name, balance in newest.items()]
    # Of one who was thought dead: it came later, and is older.
    sent.append(("alice", encode_balance(old)))
    for key, value in sent:
        await producer.send_and_wait(topic, key=key.encode(), value=value)

    read = await kafka.read_changelog(bootstrap, space)
    entries = await elasticsearch.read_entries(estate.targets.elasticsearch_url, space)
    assert convergence(stored, [], [read], entries).violations == ()

    spoilt = structs.replace(newest["bob"], held=1)
    await producer.send_and_wait(topic, key=b"bob", value=encode_balance(spoilt))
    await producer.send_and_wait(topic, key=b"carol", value=b"{}")
    await producer.stop()
    read = await kafka.read_changelog(bootstrap, space)
    found = convergence(stored, [], [read], entries).violations
    assert any(what.startswith("the table's changelog: bob is at version") for what in found)
    assert any("the record of carol cannot be read" in what for what in found)


async def test_the_copies_are_read_and_equal_the_journal(estate: Estate, stored):  # noqa: F811
    targets = estate.targets
    names, space = sorted(stored.accounts), targets.names.namespace
    await estate.elasticsearch.entries.refresh()

    cached = await redis.read_balances(targets.redis_url, space, names)
    documents = await elasticsearch.read_accounts(targets.elasticsearch_url, space, names)
    shown = await views.read_views(targets.doors.query, "none", names)
    entries = await elasticsearch.read_entries(targets.elasticsearch_url, space)

    judged = convergence(stored, [], [cached, documents, shown], entries)
    assert judged.violations == ()
    assert judged.looked_at == 3 * len(PEOPLE)
    assert all(copy.hash for copy in (*cached.accounts.values(), *documents.accounts.values()))
    assert {copy.source for copy in shown.accounts.values()} == {"table"}


async def test_a_query_side_that_does_not_answer_is_told_as_such():
    with pytest.raises(aiohttp.ClientConnectorError):
        await views.read_views("http://127.0.0.1:1", "none", PEOPLE)


async def test_what_is_wrong_in_a_copy_is_found(estate: Estate, stored):  # noqa: F811
    targets, space = estate.targets, estate.targets.names.namespace
    names = sorted(stored.accounts)
    client = estate.redis._client
    await client.delete(f"{space}:balance:alice")
    await client.hset(f"{space}:balance:bob", "booked", "1")
    await client.hset(f"{space}:balance:carol", "version", "one")
    del estate.views["dave"]
    event_id = next(iter(stored.accounts["alice"])).event_id
    await estate.elasticsearch.client.delete(
        index=targets.names.entries_alias, id=str(uuid.UUID(bytes=event_id)), refresh=True
    )

    cached = await redis.read_balances(targets.redis_url, space, names)
    shown = await views.read_views(targets.doors.query, "none", names)
    entries = await elasticsearch.read_entries(targets.elasticsearch_url, space)

    found = convergence(stored, [], [cached, shown], entries).violations
    assert "Redis: alice is absent" in found
    assert any(what.startswith("Redis: bob is at version") for what in found)
    assert any(what.startswith("Redis: the hash of carol cannot be read") for what in found)
    assert "the view: dave is absent" in found
    assert any(what.startswith("the view: the view of dave answers 404") for what in found)
    assert "Elasticsearch has no entry of alice version 1" in found


async def test_pages_of_entries_follow_each_other(estate: Estate, books, monkeypatch):  # noqa: F811
    monkeypatch.setattr(elasticsearch, "ENTRIES_PER_PAGE", 7)
    monkeypatch.setattr(elasticsearch, "ACCOUNTS_PER_TRIP", 3)
    monkeypatch.setattr(redis, "KEYS_PER_TRIP", 3)
    targets, space = estate.targets, estate.targets.names.namespace

    entries = await elasticsearch.read_entries(targets.elasticsearch_url, space)
    documents = await elasticsearch.read_accounts(targets.elasticsearch_url, space, PEOPLE)
    cached = await redis.read_balances(targets.redis_url, space, PEOPLE)

    assert entries.counted == len(entries.event_ids) == len(books.events)
    assert set(documents.accounts) == set(cached.accounts) == set(PEOPLE)
