"""What the mirror's tests share: a namespace each, and both mirrors on the real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from chronos.clock import SystemIds
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.indices import delete_indices
from chronos.mirror.redis import RedisMirror
from chronos.wire.topics import Names
from tests.conftest import ServerAddresses
from tests.integration.mirror.cut import Cut


@pytest.fixture
def names() -> Names:
    return Names(SystemIds().new_id("t"))


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
