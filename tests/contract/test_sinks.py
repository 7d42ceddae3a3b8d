"""Kafka's producer, Redis and Elasticsearch as the product uses them: real ones and fakes."""

from __future__ import annotations

from typing import NamedTuple
from unittest import mock

import pytest

from chronos.clock import SystemIds
from chronos.mirror import marker
from chronos.mirror import redis as redis_mirror
from chronos.mirror.accounts import AccountIndex
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.entries import EntryIndex
from chronos.mirror.indices import delete_indices, ensure_indices
from chronos.mirror.marker import FilledMark
from chronos.mirror.redis import RedisMirror
from chronos.settings import Settings
from chronos.stream import publisher as publishing
from chronos.stream.publisher import Publisher
from chronos.stream.topic_reader import open_topic
from chronos.stream.topics import ensure_topics
from chronos.wire.headers import encode_headers
from chronos.wire.topics import Names
from tests.integration.mirror.values import Bank, balance, rich_balance
from tests.simulation.kafka import FakeKafka
from tests.simulation.search import FakeElasticsearch
from tests.simulation.sinks import FakeRedis
from tests.simulation.world import World

PARTITIONS = 4


@pytest.fixture
def names():
    return Names(SystemIds().new_id("t"))


@pytest.fixture
async def world():
    made = World(0)
    made.is_calm = True
    return made


@pytest.fixture
async def real_redis(servers, names):
    mirror = RedisMirror(servers.redis, names)
    mark = FilledMark(servers.redis, names, worker="test")
    yield mirror, mark
    keys = [names.balance_key(name) for name in ("alice", "bob")]
    await mirror._client.delete(*keys, mark._key)
    await mirror.close()
    await mark.close()


@pytest.fixture
async def simulated_redis(world, names):
    redis = FakeRedis(world)
    with (
        mock.patch.object(redis_mirror, "open_client", redis.client),
        mock.patch.object(marker.Redis, "from_url", redis.client),
    ):
        yield RedisMirror("fake", names), FilledMark("fake", names, worker="test")


@pytest.fixture(params=["real", "simulated"])
def redis(request):
    return request.getfixturevalue(f"{request.param}_redis")


@pytest.fixture
async def real_search(servers, names):
    mirror = ElasticsearchMirror(servers.elasticsearch, names)
    await mirror.ensure_indices()
    yield mirror.accounts, mirror.entries
    await delete_indices(mirror.client, names)
    await mirror.close()


@pytest.fixture
async def simulated_search(world, names):
    search = FakeElasticsearch(world)
    await ensure_indices(search, names)
    return AccountIndex(search, names.accounts_alias), EntryIndex(search, names.entries_alias)


@pytest.fixture(params=["real", "simulated"])
def search(request):
    return request.getfixturevalue(f"{request.param}_search")


class Kafka(NamedTuple):
    """Where records go, and a way to see what arrived."""

    publisher: Publisher
    topic: str
    arrived: object


@pytest.fixture
async def real_kafka(servers, namespace):
    settings = Settings(namespace=namespace, kafka=servers.kafka, partitions=PARTITIONS)
    await ensure_topics(settings)
    topic = Names(namespace).events

    async def arrived():
        found = [[] for _ in range(PARTITIONS)]
        async with open_topic(settings.kafka, topic) as reader:
            async for page in reader.pages_until(await reader.end_offsets()):
                for one in page:
                    found[one.partition].append((one.key, one.value, list(one.headers)))
        return found

    made = Publisher(settings.kafka, client_id="contract")
    yield Kafka(made, topic, arrived)
    await made.close()


@pytest.fixture
async def simulated_kafka(world):
    kafka = FakeKafka(world, partitions=PARTITIONS)

    async def arrived():
        return [
            [(one.key, one.value, list(one.headers)) for one in kafka.log(("events", number))]
            for number in range(PARTITIONS)
        ]

    with mock.patch.object(publishing, "AIOKafkaProducer", kafka.producer):
        made = Publisher("fake", client_id="contract")
        yield Kafka(made, "events", arrived)
        await made.close()


@pytest.fixture(params=["real", "simulated"])
def kafka(request):
    return request.getfixturevalue(f"{request.param}_kafka")


class Row(NamedTuple):
    """One row of the outbox."""

    position: int
    partition: int
    topic: str
    key: bytes
    headers: bytes
    value: bytes


async def test_a_newer_balance_replaces_an_older_one_and_never_the_reverse(redis):
    mirror, _ = redis
    assert await mirror.write_many([balance(version=2), rich_balance()]) == 2

    assert await mirror.write_many([balance("bob", version=3), balance("bob", version=2)]) == 1
    assert await mirror.write_many([balance(version=3), balance(version=2)]) == 0
    assert await mirror.read("alice") == rich_balance()
    assert await mirror.read("bob") == balance("bob", version=3)
    assert await mirror.read("nobody") is None


async def test_the_mark_is_there_once_it_was_set(redis):
    _, mark = redis
    assert not await mark.is_there()
    await mark.begin()
    assert not await mark.is_there()

    assert await mark.set()

    assert await mark.is_there()


async def test_what_is_lost_while_it_is_filled_has_no_mark(redis):
    _, mark = redis
    await mark.begin()
    assert await mark.set()
    await mark.begin()
    assert not await mark.is_there()

    await mark._client.delete(mark._key)

    assert not await mark.set()
    assert not await mark.is_there()


async def test_an_account_is_indexed_at_its_greatest_version(search):
    accounts, _ = search

    first = await accounts.write_many([balance(version=2), balance("bob")])
    second = await accounts.write_many([balance(version=3), balance("bob")])
    third = await accounts.write_many([balance(version=2)])

    outcomes = [(one.applied, one.already_applied) for one in (first, second, third)]
    assert outcomes == [(2, 0), (1, 1), (0, 1)]


async def test_an_entry_is_created_once(search, names):
    _, entries = search
    bank = Bank(names)
    bank.open("alice")
    bank.pay("alice")

    first = await entries.write_many(bank.entries[:2])
    again = await entries.write_many(bank.entries)

    assert (first.applied, first.already_applied) == (2, 0)
    assert (again.applied, again.already_applied) == (len(bank.entries) - 2, 2)


async def test_a_page_arrives_in_order_and_whole_in_each_partition(kafka):
    headers = [("ce_type", b"Test"), ("ce_version", b"1")]
    rows = [
        Row(n, n % 3, kafka.topic, b"key-%d" % (n % 3), encode_headers(headers), b"%d" % n)
        for n in range(100)
    ]

    await kafka.publisher.publish(rows[:50])
    await kafka.publisher.publish(rows[50:])
    await kafka.publisher.publish(rows[:10])

    sent = [*rows, *rows[:10]]
    assert await kafka.arrived() == [
        [(row.key, row.value, headers) for row in sent if row.partition == number]
        for number in range(PARTITIONS)
    ]
