"""What the mirror's tests share: a namespace each, and both mirrors on the real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from chronos.clock import SystemIds
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.indices import delete_indices
from chronos.mirror.redis import RedisMirror
from chronos.settings import Settings
from chronos.stream.topics import ensure_topics
from chronos.wire.topics import Names
from tests.conftest import ServerAddresses
from tests.integration.mirror.cut import Cut


@pytest.fixture
def names() -> Names:
    return Names(SystemIds().new_id("t"))


@pytest.fixture
async def settings(
    servers: ServerAddresses, names: Names, tmp_path: Path, unused_tcp_port: int
) -> Settings:
    value = Settings(
        namespace=names.namespace,
        kafka=servers.kafka,
        redis_url=servers.redis,
        elasticsearch_url=servers.elasticsearch,
        state_dir=tmp_path,
        mirror_port=unused_tcp_port,
        partitions=4,
        drain_s=4,
    )
    await ensure_topics(value)
    return value


@pytest.fixture
async def producer(servers: ServerAddresses) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=servers.kafka)
    await producer.start()
    yield producer
    await producer.stop()


@pytest.fixture
async def redis_mirror(servers: ServerAddresses, names: Names) -> AsyncIterator[RedisMirror]:
    mirror = RedisMirror(servers.redis, names)
    yield mirror
    keys = await mirror._client.keys(names.balance_key("*"))
    if keys:
        await mirror._client.delete(*keys)
    await mirror.close()


@pytest.fixture
async def search(servers: ServerAddresses, names: Names) -> AsyncIterator[ElasticsearchMirror]:
    mirror = ElasticsearchMirror(servers.elasticsearch, names)
    await mirror.ensure_indices()
    yield mirror
    await delete_indices(mirror.client, names)
    await mirror.close()


@pytest.fixture
async def cut_search(servers: ServerAddresses) -> AsyncIterator[Cut]:
    """An address of Elasticsearch that a test can take away."""
    async with Cut.before(servers.elasticsearch) as cut:
        yield cut


@pytest.fixture
async def cut_redis(servers: ServerAddresses) -> AsyncIterator[Cut]:
    """An address of Redis that a test can take away."""
    async with Cut.before(servers.redis) as cut:
        yield cut
