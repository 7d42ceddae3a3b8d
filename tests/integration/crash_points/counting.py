"""Counts what the stores hold, by clients of its own, never by the code that wrote it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiokafka
import asyncpg
import redis.asyncio
from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_scan

from tests.integration.crash_points.crowd import Answered, Asked

JOURNAL = """
SELECT account_id, version, event_id::text, type, transfer_id, hold_id, amount, booked_after,
  held_after, hash, body
FROM events
ORDER BY account_id, version
"""
RECEIPTS = "SELECT idempotency_key, status, body FROM receipts WHERE principal <> 'chronos'"


@dataclass(frozen=True, kw_only=True)
class Journal:
    """What PostgreSQL holds."""

    events: Sequence[asyncpg.Record]
    receipts: Mapping[str, Answered]

    @classmethod
    async def read(cls, owner: asyncpg.Connection) -> Journal:
        async with owner.transaction(isolation="repeatable_read", readonly=True):
            events = await owner.fetch(JOURNAL)
            receipts = await owner.fetch(RECEIPTS)
        return cls(
            events=events,
            receipts={r["idempotency_key"]: Answered(r["status"], r["body"]) for r in receipts},
        )

    @property
    def heads(self) -> dict[str, tuple[int, int, int]]:
        """Version, booked and held of each account."""
        return {
            e["account_id"]: (e["version"], e["booked_after"], e["held_after"])
            for e in self.events
        }

    def violations(
        self, asked: Mapping[str, Asked], answered: Mapping[str, Answered]
    ) -> Iterator[str]:
        """What an honest bank's book cannot hold, and what it lacks."""
        yield from self._broken_chains()
        yield from self._wrong_transfers(asked, answered)
        yield from self._wrong_holds(asked, answered)
        if dict(self.receipts) != dict(answered):
            differ = [k for k in asked if self.receipts.get(k) != answered.get(k)]
            yield f"the receipts of {differ[:5]} are not what was answered"

    def _broken_chains(self) -> Iterator[str]:
        last: dict[str, tuple[int, int, bytes]] = {}
        for event in self.events:
            account = event["account_id"]
            version, booked, digest = last.get(account, (0, 0, b""))
            name = f"{account} {event['version']}"
            if event["version"] != version + 1:
                yield f"{name} follows version {version}"
            if event["booked_after"] != booked + (event["amount"] or 0):
                yield f"{name} does not add up"
            if hashlib.sha256(digest + event["body"]).digest() != event["hash"]:
                yield f"{name} breaks the chain of hashes"
            last[account] = (event["version"], event["booked_after"], event["hash"])

    def _wrong_transfers(
        self, asked: Mapping[str, Asked], answered: Mapping[str, Answered]
    ) -> Iterator[str]:
        stored = defaultdict(list)
        for event in self.events:
            if event["transfer_id"] is not None:
                stored[event["transfer_id"]].append((event["account_id"], event["amount"]))
        wanted = {}
        for key, one in asked.items():
            if one.path == "/v1/transfers" and answered[key].status == 201:
                amount = one.body["amount"]
                wanted[key] = [(one.body["from"], -amount), (one.body["to"], amount)]
        for key in wanted.keys() | stored.keys():
            if sorted(wanted.get(key, [])) != sorted(stored.get(key, [])):
                yield f"{key}: acknowledged {wanted.get(key)}, stored {stored.get(key)}"

    def _wrong_holds(
        self, asked: Mapping[str, Asked], answered: Mapping[str, Answered]
    ) -> Iterator[str]:
        counted = Counter((e["hold_id"], e["type"]) for e in self.events if e["hold_id"])
        wanted = {
            key
            for key, one in asked.items()
            if one.path == "/v1/holds" and answered[key].status == 201
        }
        for hold in wanted | {name for name, _ in counted}:
            of_it = {kind: n for (name, kind), n in counted.items() if name == hold}
            if hold not in wanted or of_it != {"HoldPlaced": 1, "HoldExpired": 1}:
                yield f"hold {hold} has {of_it}"


@dataclass(kw_only=True)
class Copies:
    """Reads the stores that follow the journal."""

    namespace: str
    partitions: int
    kafka: str
    redis: redis.asyncio.Redis
    search: AsyncElasticsearch
    duplicates: int = 0
    """Records that Kafka held more than once when it was read last."""

    async def violations(self, journal: Journal) -> list[str]:
        """Where a copy is not what the journal says; also while it has not caught up."""
        heads = journal.heads
        found = list(
            self._wrong_events(journal, await self._topic(f"{self.namespace}.events.v1"))
        )
        changelog = await self._topic(f"{self.namespace}-balances-balances-changelog")
        table = {record.key.decode(): json.loads(record.value) for record in changelog}
        found += _differences("changelog", heads, {a: _figures(v) for a, v in table.items()})
        found += _differences("redis", heads, await self._redis(list(heads)))
        accounts = await self._documents("accounts")
        shown = {key: _figures(document) for key, document in accounts.items()}
        found += _differences("elasticsearch", heads, shown)
        entries = await self._documents("entries")
        if entries.keys() != {event["event_id"] for event in journal.events}:
            found.append(f"{len(entries)} entries of {len(journal.events)} events")
        return found

    def _wrong_events(self, journal: Journal, records: Sequence[Any]) -> Iterator[str]:
        stored = {(e["account_id"], e["version"]): e for e in journal.events}
        versions: dict[str, int] = defaultdict(int)
        places: dict[str, int] = {}
        for record in records:
            headers = {name: value.decode() for name, value in record.headers}
            name = (record.key.decode(), int(headers["ce_version"]))
            event = stored.get(name)
            if event is None:
                yield f"Kafka has {name}, the journal has not"
            elif (record.value, headers["ce_hash"], headers["ce_id"]) != (
                event["body"], event["hash"].hex(), event["event_id"],
            ):  # fmt: skip
                yield f"Kafka has something else at {name}"
            if name[1] > versions[name[0]] + 1:
                yield f"{name} came after version {versions[name[0]]}"
            versions[name[0]] = max(versions[name[0]], name[1])
            if places.setdefault(name[0], record.partition) != record.partition:
                yield f"{name[0]} is on two partitions"
        self.duplicates = len(records) - sum(versions.values())
        yield from _differences("kafka", {a: h[0] for a, h in journal.heads.items()}, versions)

    async def _topic(self, name: str) -> list[Any]:
        """Every record of a topic, from offset 0 to its present end."""
        consumer = aiokafka.AIOKafkaConsumer(
            bootstrap_servers=self.kafka, enable_auto_commit=False
        )
        await consumer.start()
        try:
            partitions = [aiokafka.TopicPartition(name, p) for p in range(self.partitions)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            ends = await consumer.end_offsets(partitions)
            records: list[Any] = []
            while any([await consumer.position(p) < ends[p] for p in partitions]):
                for page in (await consumer.getmany(timeout_ms=500)).values():
                    records.extend(page)
            return records
        finally:
            await consumer.stop()

    async def _redis(self, accounts: list[str]) -> dict[str, tuple[int, int, int]]:
        hashes = {
            a: await self.redis.hgetall(f"{self.namespace}:balance:{a}") for a in accounts
        }
        return {account: _figures(found) for account, found in hashes.items() if found}

    async def _documents(self, alias: str) -> dict[str, Any]:
        index = f"{self.namespace}-{alias}"
        await self.search.indices.refresh(index=index)
        found = async_scan(self.search, index=index, size=5000)
        return {hit["_id"]: hit["_source"] async for hit in found}


def _figures(value: Mapping[str, Any]) -> tuple[int, int, int]:
    return int(value["version"]), int(value["booked"]), int(value["held"])


def _differences(where: str, wanted: Mapping[str, Any], shown: Mapping[str, Any]) -> list[str]:
    return [
        f"{where}: {name} is {shown.get(name)} and should be {wanted.get(name)}"
        for name in sorted(wanted.keys() | shown.keys())
        if wanted.get(name) != shown.get(name)
    ]
