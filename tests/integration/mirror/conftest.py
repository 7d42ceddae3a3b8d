"""What the mirror's tests share: a namespace each, and both mirrors on the real servers."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chronos.clock import SystemIds
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.indices import delete_indices
from chronos.mirror.redis import RedisMirror
from chronos.wire.topics import Names
from tests.integration.mirror.cut import Cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the servers are."""

    kafka: str
    redis: str
    elasticsearch: str


@pytest.fixture(scope="session")
def places(request) -> Places:
    # Not a setting of Chronos: a developer's own servers, so that a single test starts at once.
    given = os.environ.get("TEST_ADDRESSES_FILE")
    if given:
        found = json.loads(Path(given).read_text(encoding="utf-8"))
    else:
        servers = request.getfixturevalue("servers")
        found = servers if isinstance(servers, dict) else vars(servers)
    return Places(
        kafka=found["kafka"], redis=found["redis"], elasticsearch=found["elasticsearch"]
    )


@pytest.fixture
def names() -> Names:
    return Names(SystemIds().new_id("t"))


@pytest.fixture
async def redis_mirror(places: Places, names: Names) -> AsyncIterator[RedisMirror]:
    mirror = RedisMirror(places.redis, names)
    yield mirror
    keys = await mirror._client.keys(names.balance_key("*"))
    if keys:
        await mirror._client.delete(*keys)
    await mirror.close()


@pytest.fixture
async def search(places: Places, names: Names) -> AsyncIterator[ElasticsearchMirror]:
    mirror = ElasticsearchMirror(places.elasticsearch, names)
    await mirror.ensure_indices()
    yield mirror
    await delete_indices(mirror.client, names)
    await mirror.close()


@pytest.fixture
async def cut_search(places: Places) -> AsyncIterator[Cut]:
    """An address of Elasticsearch that a test can take away."""
    async with Cut.before(places.elasticsearch) as cut:
        yield cut


@pytest.fixture
async def cut_redis(places: Places) -> AsyncIterator[Cut]:
    """An address of Redis that a test can take away."""
    async with Cut.before(places.redis) as cut:
        yield cut
