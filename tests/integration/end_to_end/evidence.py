"""Looks into the real stores by itself, never through the code that is being tested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aiokafka
import asyncpg
import redis.asyncio
from elasticsearch import AsyncElasticsearch


@dataclass(frozen=True, kw_only=True)
class Journal:
    """What PostgreSQL holds."""

    events: list[Any]
    heads: dict[str, Any]

    @classmethod
    async def read(cls, addresses: dict[str, Any]) -> Journal:
        connection = await asyncpg.connect(addresses["postgres"])
        try:
            events = await connection.fetch(
                "SELECT account_id, version, event_id::text, transfer_id, amount, currency,"
                " booked_after, hash, body FROM events ORDER BY account_id, version"
            )
        finally:
            await connection.close()
        return cls(events=events, heads={e["account_id"]: e for e in events})

    def gaps(self) -> list[tuple[str, int]]:
        """Versions that do not follow the one before."""
        found, last = [], {}
        for event in self.events:
            account, version = event["account_id"], event["version"]
            if version != last.get(account, 0) + 1:
                found.append((account, version))
            last[account] = version
        return found

    def sums(self) -> dict[str, int]:
        """What each transfer adds up to."""
        sums: dict[str, int] = {}
        for event in self.events:
            if event["transfer_id"] is not None:
                key = event["transfer_id"]
                sums[key] = sums.get(key, 0) + event["amount"]
        return sums


async def read_topic(addresses: dict[str, Any]) -> list[Any]:
    """Every record of the events topic, from offset 0 to its present end."""
    consumer = aiokafka.AIOKafkaConsumer(
        bootstrap_servers=addresses["kafka"], enable_auto_commit=False
    )
    await consumer.start()
    try:
        topic = addresses["topics"]["events"]
        partitions = [aiokafka.TopicPartition(topic, p) for p in range(addresses["partitions"])]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        records = []
        while any([await consumer.position(p) < ends[p] for p in partitions]):
            for page in (await consumer.getmany(timeout_ms=500)).values():
                records.extend(page)
        return records
    finally:
        await consumer.stop()


def headers_of(record) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}


async def read_redis(addresses: dict[str, Any], accounts: list[str]) -> dict[str, int]:
    """Booked balance of each account in Redis."""
    client = redis.asyncio.Redis.from_url(addresses["redis"], decode_responses=True)
    try:
        hashes = [await client.hgetall(f"chronos:balance:{a}") for a in accounts]
    finally:
        await client.aclose()
    return {
        account: (int(h["version"]), int(h["booked"])) if h else None
        for account, h in zip(accounts, hashes, strict=True)
    }


async def read_elasticsearch(addresses: dict[str, Any], accounts: list[str]) -> dict[str, Any]:
    """Version and booked balance of each account, and how many entries there are."""
    client = AsyncElasticsearch(addresses["elasticsearch"])
    try:
        await client.indices.refresh(index="chronos-accounts,chronos-entries")
        got = await client.mget(index="chronos-accounts", ids=accounts)
        count = await client.count(index="chronos-entries")
    finally:
        await client.close()
    found = {
        doc["_id"]: (doc["_source"]["version"], doc["_source"]["booked"])
        for doc in got["docs"]
        if doc["found"]
    }
    return {"accounts": found, "entries": count["count"]}
