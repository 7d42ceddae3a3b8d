"""A mirror worker in the test's process, and what it needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
from aiokafka import AIOKafkaProducer

from agents import mirror
from chronos.clock import SystemClock
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.settings import Settings
from chronos.stream.app import ChronosApp, make_app
from chronos.wire.balance import encode_balance
from chronos.wire.headers import decode_headers
from chronos.wire.topics import Names, partition_of
from tests import waiting
from tests.integration.mirror.values import Bank

DEADLINE_S = 60


class NoJournal:
    """Has no event."""

    async def event_at(self, _account_id: str, _version: int) -> None:
        return None

    async def events_of(self, _account_id: str, _after_version: int) -> list:
        return []


class BankJournal:
    """Has the events of a bank."""

    def __init__(self, bank: Bank):
        self._events = {(entry.account_id, entry.version): entry for entry in bank.entries}

    async def event_at(self, account_id: str, version: int):
        entry = self._events[account_id, version]
        return StoredEvent(hash=entry.digest, body=entry.body)

    async def events_of(self, account_id: str, after_version: int):
        """Two of an account's next events."""
        versions = (after_version + 1, after_version + 2)
        found = [self._events.get((account_id, version)) for version in versions]
        return [StoredEvent(hash=one.digest, body=one.body) for one in found if one]


class StoredEvent(msgspec.Struct):
    hash: bytes
    body: bytes


@asynccontextmanager
async def working(
    settings: Settings, url: str | None = None, journal: mirror.Journal | None = None
) -> AsyncIterator[ChronosApp]:
    """A mirror worker in this process."""
    app = make_app(settings, "mirror")
    search = ElasticsearchMirror(url or settings.elasticsearch_url, Names(settings.namespace))
    mirror.register(app, search, journal=journal or NoJournal(), clock=SystemClock())
    await app.start()
    try:
        yield app
    finally:
        await app.stop()
        await search.close()


async def publish(producer: AIOKafkaProducer, settings: Settings, bank: Bank, start: int = 0):
    """Publishes events from number `start` on, and the balances as they are now."""
    names = Names(settings.namespace)
    for row in bank.rows[start:]:
        partition = partition_of(row.key, settings.partitions)
        headers = decode_headers(row.headers)
        await producer.send_and_wait(
            names.events, row.value, key=row.key, partition=partition, headers=headers
        )
    for balance in bank.balances.values():
        key = balance.account_id.encode()
        await producer.send_and_wait(
            names.balances_changelog,
            encode_balance(balance),
            key=key,
            partition=partition_of(key, settings.partitions),
        )


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    await waiting.until(condition, lambda: "the condition", within_s=DEADLINE_S)


async def mirrored(search: ElasticsearchMirror, bank: Bank) -> bool:
    await search.entries.refresh()
    await search.accounts.refresh()
    accounts = {account.account_id: account async for account in search.accounts.scan()}
    return await search.entries.count() == len(bank.entries) and accounts == bank.balances


async def counted(search: ElasticsearchMirror, entries: int) -> bool:
    await search.entries.refresh()
    return await search.entries.count() >= entries
