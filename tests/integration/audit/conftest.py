"""A small bank whose journal and copies are written by hand, so that each can be spoilt."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from chronos.audit.reconcile import Targets, reconcile
from chronos.audit.report import Report
from chronos.client.doors import Doors
from chronos.clock import SystemClock
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.entries import Entry
from chronos.mirror.indices import delete_indices
from chronos.mirror.redis import RedisMirror
from chronos.wire.balance import Balance, fold
from chronos.wire.booking import AccountRow, EventRow, OutboxRow
from chronos.wire.codec import decode_event
from chronos.wire.headers import decode_headers
from chronos.wire.topics import Names
from tests import builders

PARTITIONS = 4
PEOPLE = ("alice", "bob", "carol", "dave")
_numbers = itertools.count(1)


@dataclass
class Books:
    """What the core booked, as rows."""

    accounts: list[AccountRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    outbox: list[OutboxRow] = field(default_factory=list)

    def balances(self) -> dict[str, Balance]:
        folded: dict[str, Balance] = {}
        for row in self.events:
            before = folded.get(row.account_id)
            folded[row.account_id] = fold(before, decode_event(row.body), row.body, row.hash)
        return folded


def make_books() -> Books:
    bank = builders.MemoryBank.empty()
    bank.keeper = builders.bookkeeper(partitions=PARTITIONS)
    commands: list[Any] = [builders.open_account(name, overdraft_limit=1000) for name in PEOPLE]
    pairs = itertools.islice(itertools.cycle(itertools.permutations(PEOPLE, 2)), 30)
    commands += [
        builders.transfer(source, destination, 10 + number, transfer_id=f"trf_{number}")
        for number, (source, destination) in enumerate(pairs)
    ]
    attempts = [builders.attempt(c, f"k{number}") for number, c in enumerate(commands)]
    booked = bank.book(attempts)
    assert {receipt.status for receipt in booked.receipts} == {201}
    return Books(
        accounts=list(booked.account_rows),
        events=list(booked.event_rows),
        outbox=list(booked.outbox_rows),
    )


async def insert_books(dsn: str, books: Books) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.copy_records_to_table(
            "accounts", records=books.accounts, columns=AccountRow._fields
        )
        await connection.copy_records_to_table(
            "events", records=books.events, columns=EventRow._fields
        )
    finally:
        await connection.close()


async def spoil(dsn: str, statement: str) -> None:
    """Changes the journal as only somebody with the owner's rights and bad will can."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute("ALTER TABLE events DISABLE TRIGGER ALL")
            await connection.execute("ALTER TABLE accounts DISABLE TRIGGER ALL")
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def books() -> Books:
    return make_books()


@pytest.fixture
async def journal(database, books) -> str:
    """Owner's address of a database with the small bank's journal."""
    await insert_books(database.owner_dsn, books)
    return database.owner_dsn


@dataclass
class Estate:
    """The journal, its copies, and handles to spoil them."""

    targets: Targets
    redis: RedisMirror
    elasticsearch: ElasticsearchMirror
    views: dict[str, dict[str, Any]]
    producer: AIOKafkaProducer

    async def reconciled(self, wait_s: float = 0.0) -> Report:
        return await reconcile(self.targets, wait_s=wait_s, clock=SystemClock())

    async def publish(self, row: OutboxRow, **changes: Any) -> None:
        record = {
            "partition": row.partition,
            "key": row.key,
            "value": row.value,
            "headers": decode_headers(row.headers),
        } | changes
        await self.producer.send_and_wait(self.targets.names.events, **record)


@pytest.fixture
async def estate(servers, journal, books) -> AsyncIterator[Estate]:
    names = Names(f"audit{os.getpid()}n{next(_numbers)}")
    balances = books.balances()
    async with contextlib.AsyncExitStack() as stack:
        redis = RedisMirror(servers.redis, names)
        stack.push_async_callback(redis.close)
        await redis.write_many(balances.values())
        elasticsearch = ElasticsearchMirror(servers.elasticsearch, names)
        stack.push_async_callback(elasticsearch.close)
        stack.push_async_callback(delete_indices, elasticsearch.client, names)
        await fill_elasticsearch(elasticsearch, books)
        producer = await stack.enter_async_context(topic(servers.kafka, names))
        views = {name: view(balance) for name, balance in balances.items()}
        url = await stack.enter_async_context(query_side(views))
        estate = Estate(
            targets=Targets(
                names=names,
                postgres_dsn=journal,
                kafka=servers.kafka,
                redis_url=servers.redis,
                elasticsearch_url=servers.elasticsearch,
                doors=Doors(command=url, query=url, api_key="none"),
            ),
            redis=redis,
            elasticsearch=elasticsearch,
            views=views,
            producer=producer,
        )
        for row in books.outbox:
            await estate.publish(row)
        yield estate
        await delete_keys(redis, names)


async def fill_elasticsearch(mirror: ElasticsearchMirror, books: Books) -> None:
    await mirror.ensure_indices()
    await mirror.accounts.write_many(list(books.balances().values()))
    await mirror.entries.write_many([entry(row) for row in books.events])


def entry(row: EventRow) -> Entry:
    return Entry(
        event_id=row.event_id,
        account_id=row.account_id,
        version=row.version,
        body=row.body,
        recorded_at=row.recorded_at,
        digest=row.hash,
    )


def view(balance: Balance) -> dict[str, Any]:
    return {
        "account": balance.account_id,
        "currency": balance.currency,
        "booked": balance.booked,
        "held": balance.held,
        "available": balance.available,
        "version": balance.version,
        "as_of": balance.recorded_at,
        "source": "table",
    }


@contextlib.asynccontextmanager
async def query_side(views: dict[str, dict[str, Any]]) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        found = views.get(request.match_info["account_id"])
        if found is None:
            return web.json_response(
                {"status": 404, "code": "account_not_found", "detail": "There is none."},
                status=404,
                content_type="application/problem+json",
            )
        return web.json_response(found)

    app = web.Application()
    app.router.add_get("/v1/accounts/{account_id}/balance", answer)
    server = TestServer(app)
    await server.start_server()
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


@contextlib.asynccontextmanager
async def topic(kafka: str, names: Names) -> AsyncIterator[AIOKafkaProducer]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(names.events, PARTITIONS, 1)])
        await producer.start()
        async with asyncio.timeout(20):
            while len(await producer.partitions_for(names.events)) < PARTITIONS:
                await producer.client.force_metadata_update()
        yield producer
        await admin.delete_topics([names.events])
    finally:
        await producer.stop()
        await admin.close()


async def delete_keys(redis: RedisMirror, names: Names) -> None:
    keys = [key async for key in redis._client.scan_iter(match=f"{names.namespace}:*")]
    if keys:
        await redis._client.delete(*keys)
