"""A whole Chronos for all crash points: its processes, its clients, and who counts.

TEST_CRASHES says how often each point is hit; TEST_CRASH_FIGURES names the file that keeps the
figures of the run.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
import redis.asyncio
from elasticsearch import AsyncElasticsearch

from chronos.assembly.measured_on import commit, machine_facts
from chronos.auth.keys import new_key
from chronos.clock import SystemIds
from chronos.settings import Settings
from chronos.store.api_keys import open_key_office
from chronos.stream.topics import ensure_topics
from tests.databases import Database, made_database
from tests.integration.api.running import SECRET, consecutive_ports
from tests.integration.crash_points.counting import Copies, Journal
from tests.integration.crash_points.crowd import CUSTOMERS, Crowd
from tests.integration.crash_points.members import Member

FIGURES = os.environ.get("TEST_CRASH_FIGURES")


@dataclass
class Scene:
    """Everything that the tests of crash points share."""

    members: dict[str, Member]
    crowd: Crowd
    copies: Copies
    owner: asyncpg.Connection

    async def violations(self) -> list[str]:
        """What is wrong now, or has not come yet."""
        journal = await Journal.read(self.owner)
        found = [*journal.violations(self.crowd.asked, self.crowd.answered), *self.crowd.wrong]
        if not found:
            found += await self.copies.violations(journal)
        return found or await self._wrong_views(journal)

    async def _wrong_views(self, journal: Journal) -> list[str]:
        """Accounts whose balance the table itself shows as something else."""
        found = []
        for account in CUSTOMERS:
            url = f"{self.members['balances'].url}/v1/accounts/{account}/balance"
            async with self.crowd.http.get(url) as answer:
                shown = await answer.json(content_type=None)
            figures = tuple(shown.get(name) for name in ("version", "booked", "held", "source"))
            if figures != (*journal.heads[account], "table"):
                found.append(f"table: {account} is {shown}")
        return found


@pytest.fixture(scope="session")
def figures() -> Iterator[list[dict[str, object]]]:
    """Gathers what each point has shown, and keeps it where the run was told to.

    A run of some points leaves those of others in the file, if they are of the same commit.
    """
    gathered: list[dict[str, object]] = []
    yield gathered
    if FIGURES:
        _keep(Path(FIGURES), gathered)


def _keep(path: Path, gathered: list[dict[str, object]]) -> None:
    report = {
        "what": "processes that end at named points under load, and what was lost by it",
        "commit": commit(),
        "machine": machine_facts(),
    }
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known = before["points"] if before.get("commit") == report["commit"] else []
    points = {(one["process"], one["point"]): one for one in [*known, *gathered]}
    report["points"] = list(points.values())
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def own_database(cluster_dsn: str, template: str) -> Iterator[Database]:
    """One database for all tests of a module."""
    with made_database(cluster_dsn, template) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(
    servers, own_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("crash")
    settings = _settings(servers, own_database, folder)
    members = _members(settings, own_database, folder)
    await ensure_topics(settings)
    owner = await asyncpg.connect(own_database.owner_dsn, timeout=10)
    client = redis.asyncio.Redis.from_url(servers.redis, decode_responses=True, protocol=2)
    search = AsyncElasticsearch(servers.elasticsearch)
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {await _api_key(own_database)}"},
        timeout=aiohttp.ClientTimeout(total=5),
    ) as http:
        try:
            for member in members.values():
                member.start()
            for member in members.values():
                await member.until_ready()
            crowd = Crowd(http, f"http://127.0.0.1:{settings.api_port}")
            await crowd.open_accounts()
            copies = Copies(
                namespace=settings.namespace,
                partitions=settings.partitions,
                kafka=servers.kafka,
                redis=client,
                search=search,
            )
            yield Scene(members, crowd, copies, owner)
        finally:
            for member in members.values():
                member.kill()
            await _forget(settings, client, search)
    await owner.close(timeout=5)


def _settings(servers, database: Database, folder: Path) -> Settings:
    secret = folder / "key-secret"
    secret.write_bytes(SECRET)
    port = consecutive_ports(6)
    return Settings(
        namespace=SystemIds().new_id("t"),
        kafka=servers.kafka,
        redis_url=servers.redis,
        elasticsearch_url=servers.elasticsearch,
        postgres_dsn=database.reader_dsn,
        key_secret_file=secret,
        state_dir=folder / "state",
        api_port=port,
        grpc_port=port + 1,
        admin_port=port + 2,
        relay_port=port + 3,
        balances_port=port + 4,
        mirror_port=port + 5,
        partitions=4,
        # So that pages are many, and rotations too.
        outbox_rows_max=100,
        outbox_rotate_rows=2_000,
        outbox_rotate_s=5,
    )


def _members(settings: Settings, database: Database, folder: Path) -> dict[str, Member]:
    sign_ins = {
        "api": replace(settings, postgres_dsn=database.writer_dsn),
        "relay": replace(
            settings, postgres_dsn=database.relay_dsn, writer_dsn=database.writer_dsn
        ),
        "balances": settings,
        "mirror": settings,
    }
    ports = {
        "api": settings.admin_port,
        "relay": settings.relay_port,
        "balances": settings.balances_port,
        "mirror": settings.mirror_port,
    }
    return {role: Member(role, sign_ins[role], ports[role], folder) for role in sign_ins}


async def _api_key(database: Database) -> str:
    key = new_key(SECRET)
    async with open_key_office(database.owner_dsn) as office:
        await office.add(key.key_id, key.hmac, principal="tester", scopes=["read", "write"])
    return key.text


async def _forget(
    settings: Settings, client: redis.asyncio.Redis, search: AsyncElasticsearch
) -> None:
    keys = [key async for key in client.scan_iter(f"{settings.namespace}:*", count=1000)]
    if keys:
        await client.delete(*keys)
    await client.aclose()
    found = await search.indices.get(index=f"{settings.namespace}-*", expand_wildcards="all")
    for name in found:
        await search.indices.delete(index=name)
    await search.close()
