"""What the balances tests share: servers, a database, a namespace and a Redis database each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis

from chronos.auth.keys import new_key
from chronos.clock import SystemIds
from chronos.settings import Settings
from chronos.store.api_keys import open_key_office
from chronos.stream.topics import ensure_topics
from tests.databases import Database
from tests.integration.balances.harness import Scene
from tests.integration.mirror.cut import Cut

SECRET = b"only for tests, and long enough for one"
# Redis has 16 databases; flushing this one is a FLUSHALL that harms nobody else.
REDIS_DATABASE = 11


@pytest.fixture
def redis_url(servers) -> str:
    return urlunsplit(urlsplit(servers.redis)._replace(path=f"/{REDIS_DATABASE}"))


@pytest.fixture
async def redis(redis_url) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url, protocol=2)
    await client.flushdb()
    yield client
    await client.flushdb()
    await client.aclose()


@pytest.fixture
async def redis_door(redis_url, redis) -> AsyncIterator[Cut]:  # noqa: ARG001 - an empty Redis
    async with Cut.before(redis_url) as cut:
        yield cut


@pytest.fixture
async def postgres_door(database: Database) -> AsyncIterator[Cut]:
    async with Cut.before(database.reader_dsn) as cut:
        yield cut


@pytest.fixture
async def scene(
    servers, database: Database, redis_door: Cut, postgres_door: Cut, tmp_path: Path
) -> AsyncIterator[Scene]:
    secret_file = tmp_path / "key-secret"
    secret_file.write_bytes(SECRET)
    settings = Settings(
        namespace=SystemIds().new_id("t"),
        kafka=servers.kafka,
        redis_url=redis_door.url,
        postgres_dsn=postgres_door.url,
        elasticsearch_url=servers.elasticsearch,
        key_secret_file=secret_file,
        state_dir=tmp_path / "state",
        log_level="info",
    )
    key = new_key(SECRET)
    async with open_key_office(database.owner_dsn) as office:
        await office.add(key.key_id, key.hmac, principal="tester", scopes=["read"])
    await ensure_topics(settings)
    owner = await asyncpg.connect(database.owner_dsn, timeout=10)
    producer = AIOKafkaProducer(
        bootstrap_servers=servers.kafka, enable_idempotence=True, linger_ms=2
    )
    await producer.start()
    headers = {"Authorization": f"Bearer {key.text}"}
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as http:
        made = Scene(settings, owner, producer, http, tmp_path)
        yield made
        for worker in made.workers:
            if worker.process.poll() is None:
                worker.kill()
    await producer.stop()
    await owner.close(timeout=5)
