"""What faults ask Redis and Elasticsearch, and do to them, at their direct addresses.

Each call is one short connection, bounded by `DEADLINE_S`. `Unseen` says that there was no
answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chronos.chaos.fault import Unseen

DEADLINE_S = 5.0
ACCOUNTS_MAX = 10_000
READ_ONLY = "index.blocks.read_only_allow_delete"
"""The block that Elasticsearch sets by itself when a disk is nearly full (flood stage)."""


class RedisCopy:
    """The balances in Redis.

    Args:
        url: Redis, past every link.
        namespace: First part of the keys.
    """

    def __init__(self, url: str, namespace: str):
        self._url = url
        self._namespace = namespace

    async def versions(self, account_ids: Sequence[str]) -> dict[str, int]:
        """Gives the version of each account; 0 where there is none."""
        async with self._connected() as client:
            pipe = client.pipeline(transaction=False)
            for account_id in account_ids:
                pipe.hget(f"{self._namespace}:balance:{account_id}", "version")
            found = await pipe.execute()
        return {
            account_id: int(version or 0)
            for account_id, version in zip(account_ids, found, strict=True)
        }

    async def flush(self) -> int:
        """Makes Redis forget everything; gives how many keys it had."""
        async with self._connected() as client:
            count = int(await client.dbsize())
            await client.flushall()
            return count

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        try:
            async with asyncio.timeout(DEADLINE_S):
                client: Any = Redis.from_url(self._url, protocol=2, max_connections=1)
                try:
                    yield client
                finally:
                    await client.aclose()
        except (RedisError, OSError, TimeoutError) as error:
            raise Unseen(f"Redis did not answer: {error!r}") from error


class SearchCopy:
    """The entries and accounts in Elasticsearch.

    Args:
        url: Elasticsearch, past every link.
        namespace: First part of the aliases.
    """

    def __init__(self, url: str, namespace: str):
        self._url = url.rstrip("/")
        self.entries = f"{namespace}-entries"
        self.accounts = f"{namespace}-accounts"

    async def entry_versions(self) -> dict[str, int]:
        """Gives the newest version of each account whose history is whole up to it."""
        count = {"size": 0, "aggs": {"of": {"terms": _TERMS, "aggs": {"newest": _NEWEST}}}}
        answer = await self._ask("POST", f"/{self.entries}/_search", count)
        buckets = answer["aggregations"]["of"]["buckets"]
        return {
            one["key"]: min(one["doc_count"], int(one["newest"]["value"])) for one in buckets
        }

    async def account_versions(self) -> dict[str, int]:
        """Gives the version of each account."""
        newest = {"size": ACCOUNTS_MAX, "_source": ["account_id", "version"]}
        answer = await self._ask("POST", f"/{self.accounts}/_search", newest)
        rows = (hit["_source"] for hit in answer["hits"]["hits"])
        return {row["account_id"]: row["version"] for row in rows}

    async def delete_index(self, alias: str) -> str:
        """Deletes the index behind an alias, and with it the alias; gives its name."""
        answer = await self._ask("GET", f"/_alias/{alias}")
        (name,) = answer
        await self._ask("DELETE", f"/{name}")
        return str(name)

    async def block_writes(self) -> None:
        """Makes both indices read-only, as a disk that is nearly full does."""
        await self._set_block(value=True)

    async def unblock_writes(self) -> None:
        """Takes that back."""
        await self._set_block(value=None)

    async def _set_block(self, *, value: bool | None) -> None:
        path = f"/{self.entries},{self.accounts}/_settings?ignore_unavailable=true"
        await self._ask("PUT", path, {READ_ONLY: value})

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        data = None if body is None else msgspec.json.encode(body)
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DEADLINE_S)) as http,
                http.request(
                    method,
                    self._url + path,
                    data=data,
                    headers={"Content-Type": "application/json"},
                ) as answer,
            ):
                text = await answer.read()
                if answer.status >= 300:
                    raise Unseen(f"Elasticsearch answered {answer.status} to {method} {path}")
                found: dict[str, Any] = msgspec.json.decode(text)
                return found
        except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError) as error:
            raise Unseen(f"Elasticsearch did not answer: {error!r}") from error


_TERMS = {"field": "account_id", "size": ACCOUNTS_MAX}
_NEWEST = {"max": {"field": "version"}}
