"""The four real servers as the rest of Chronos meets them."""

from __future__ import annotations

from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest

from chronos.embedded.probes import (
    elasticsearch_serves,
    kafka_serves,
    postgres_serves,
    redis_serves,
)


async def test_every_server_answers_in_its_own_protocol(servers):
    assert await postgres_serves(servers.postgres)
    assert await kafka_serves(servers.kafka)
    assert await redis_serves(servers.redis)
    assert await elasticsearch_serves(servers.elasticsearch)


async def test_a_port_without_a_server_does_not_serve():
    assert not await postgres_serves("postgresql://owner@127.0.0.1:1/chronos")
    assert not await kafka_serves("127.0.0.1:1")
    assert not await redis_serves("redis://127.0.0.1:1/0")
    assert not await elasticsearch_serves("http://127.0.0.1:1")


async def test_another_protocol_on_the_port_does_not_serve(servers):
    place = urlsplit(servers.elasticsearch).netloc

    assert not await redis_serves(f"redis://{place}/0")
    assert not await postgres_serves(f"postgresql://owner@{place}/chronos")


async def test_redis_refuses_a_wrong_password(servers):
    place = urlsplit(servers.redis)

    assert not await redis_serves(f"redis://:wrong@{place.hostname}:{place.port}/0")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("timezone", "UTC"),
    ],
)
async def test_postgres_is_set_so_that_no_commit_is_lost(servers, setting, value):
    connection = await asyncpg.connect(servers.postgres)
    try:
        assert await connection.fetchval(f"SHOW {setting}") == value
    finally:
        await connection.close()


async def test_postgres_has_room_for_a_batch_of_locks_and_listens_on_this_machine(servers):
    connection = await asyncpg.connect(servers.postgres)
    try:
        locks = int(await connection.fetchval("SHOW max_locks_per_transaction"))
        connections = int(await connection.fetchval("SHOW max_connections"))
        assert locks * connections >= 16 * 4096
        assert await connection.fetchval("SHOW listen_addresses") == "127.0.0.1"
    finally:
        await connection.close()


async def test_elasticsearch_makes_no_index_by_accident(servers):
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{servers.elasticsearch}/never-made/_doc", json={"a": 1}) as answer,
    ):
        assert answer.status == 404
