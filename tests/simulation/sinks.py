"""Redis and Elasticsearch in memory, by the few commands that the mirrors send."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from elasticsearch import ConnectionError as SearchConnectionError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

from chronos.mirror import redis as mirror
from chronos.mirror.fill_state import FILLED
from tests.simulation.world import Network, World

# The one script that is known to compare versions; its text is the product's.
_GUARDED = mirror._WRITE_IF_NEWER
# An index that is lost is made again with the name it had: the worst case.
_GENERATION = "-v1"


class FakeRedis:
    """The server. It runs the script of the mirror, and any other as a plain write."""

    def __init__(self, world: World):
        self.server = world.process("redis")
        self.network = Network(world, "redis", slow=0.15)
        self.hashes: dict[str, dict[bytes, bytes]] = {}
        self.strings: dict[str, bytes] = {}
        self.is_down = False
        self.run_id = 1
        self.on_write: Callable[[str, int, int], None] = lambda *_: None
        self._scripts: dict[str, bytes] = {}

    def client(self, *_: Any, **__: Any) -> FakeRedisClient:
        return FakeRedisClient(self)

    def flush(self) -> None:
        self.hashes.clear()
        self.strings.clear()

    def restart(self) -> None:
        self.flush()
        self._scripts.clear()
        self.run_id += 1

    def load(self, text: bytes) -> None:
        shas = {mirror._READ_MANY: mirror._READ_MANY_SHA}
        self._scripts[shas.get(text, mirror._WRITE_IF_NEWER_SHA)] = text

    def read_many(self, sha: str, keys: Sequence[str]) -> list[bytes | None]:
        """Runs the script of reads: each hash as one array of names and values."""
        if sha not in self._scripts:
            raise NoScriptError("NOSCRIPT No matching script.")
        found = [self.hashes.get(key) for key in keys]
        return [
            None if fields is None else msgspec.msgpack.encode(_flat(fields))
            for fields in found
        ]

    def evaluate(self, sha: str, key: str, version: int, packed: bytes) -> Any:
        text = self._scripts.get(sha)
        if text is None:
            return NoScriptError("NOSCRIPT No matching script.")
        stored = self.hashes.get(key)
        before = 0 if stored is None else int(stored[b"version"])
        if text == _GUARDED and before >= version:
            return 0
        parts = msgspec.msgpack.decode(packed)
        fields = {name.encode(): value.encode() for name, value in _pairs(parts)}
        self.hashes.setdefault(key, {}).update(fields)
        self.on_write(key, before, version)
        return 1


class FakeRedisClient:
    """A client, and its own pipeline."""

    def __init__(self, redis: FakeRedis):
        self._redis = redis
        self._queued: list[tuple[Any, ...]] = []

    def pipeline(self, *, transaction: bool) -> FakeRedisClient:
        del transaction
        return FakeRedisClient(self._redis)

    def evalsha(self, sha: str, keys: int, *rest: Any) -> asyncio.Future[Any] | None:
        """Queues a write, or asks at once: only reads name their keys and nothing else."""
        if keys == len(rest):
            return self._ask(lambda: self._redis.read_many(sha, rest))
        self._queued.append((sha, *rest))
        return None

    async def execute(self, *, raise_on_error: bool) -> list[Any]:
        del raise_on_error
        redis = self._redis
        answers: list[Any] = await self._ask(
            lambda: [redis.evaluate(*one) for one in self._queued]
        )
        if redis.network.happens(0.02):
            raise RedisConnectionError("the answer got lost")
        return answers

    async def script_load(self, text: bytes) -> None:
        await self._ask(lambda: self._redis.load(text))

    async def ping(self) -> None:
        await self._ask(lambda: None)

    async def info(self, _section: str) -> dict[str, int]:
        run_id: int = await self._ask(lambda: self._redis.run_id)
        return {"run_id": run_id}

    async def set(self, key: str, value: str, *, xx: bool = False) -> bool | None:
        """Sets a string; with `xx` only where there is one, and gives None elsewhere."""
        strings = self._redis.strings

        def put() -> bool | None:
            if xx and key not in strings:
                return None
            strings[key] = value.encode()
            return True

        was_set: bool | None = await self._ask(put)
        return was_set

    async def get(self, key: str) -> bytes | None:
        value: bytes | None = await self._ask(lambda: self._redis.strings.get(key))
        return value

    async def delete(self, *keys: str) -> None:
        await self._ask(lambda: [self._redis.strings.pop(key, None) for key in keys])

    def hgetall(self, key: str) -> Any:
        return self._ask(lambda: dict(self._redis.hashes.get(key, {})))

    async def aclose(self) -> None:
        await asyncio.sleep(0)

    def _ask(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        redis = self._redis

        def answer() -> Any:
            if redis.is_down:
                raise RedisConnectionError("nobody listens")
            return work()

        return redis.network.ask(redis.server, answer)


class FakeElasticsearch:
    """The server and its client: bulk requests, judged document by document."""

    def __init__(self, world: World):
        self.server = world.process("elasticsearch")
        self.network = Network(world, "elasticsearch", slow=0.1)
        self.documents: dict[str, dict[str, tuple[int, dict[str, Any]]]] = {}
        self._made = 0
        self._uuids: dict[str, str] = {}
        self._marks: dict[str, str] = {}
        self.on_write: Callable[[str, int, int], None] = lambda *_: None
        self.indices = self
        self.is_down = False

    def lose(self, *aliases: str) -> None:
        """Loses the indices behind aliases, until somebody makes them again."""
        for alias in aliases:
            for held in (self.documents, self._marks, self._uuids):
                held.pop(alias, None)

    def make(self, *aliases: str) -> None:
        """Makes the indices behind aliases that are not there."""
        for alias in aliases:
            if alias not in self._uuids:
                self._made += 1
                self._uuids[alias] = str(self._made)

    def has(self, *aliases: str) -> bool:
        """Tells whether all of these are there."""
        return all(alias in self._uuids for alias in aliases)

    async def ensure_indices(self, *aliases: str) -> None:
        await self._ask(lambda: self.make(*aliases))

    async def get(self, *, index: str, ignore_unavailable: bool) -> dict[str, Any]:
        """Tells of an index that is there its identity and what was noted in it."""
        assert ignore_unavailable
        alias = index.removesuffix(_GENERATION)

        def tell() -> dict[str, Any]:
            if alias not in self._uuids:
                return {}
            meta = {FILLED: self._marks[alias]} if alias in self._marks else {}
            settings = {"index": {"uuid": self._uuids[alias]}}
            return {alias + _GENERATION: {"mappings": {"_meta": meta}, "settings": settings}}

        found: dict[str, Any] = await self._ask(tell)
        return found

    async def put_mapping(self, *, index: str, meta: dict[str, str], **_: Any) -> None:
        alias = index.removesuffix(_GENERATION)
        await self._ask(lambda: self._marks.__setitem__(alias, meta[FILLED]), alias)

    def options(self, **_: Any) -> FakeElasticsearch:
        return self

    async def search(self, *, index: str, query: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Answers what the index of entries asks: count and last version of some accounts."""
        wanted = query["terms"]["account_id"]
        versions: dict[str, list[int]] = await self._ask(
            lambda: self._versions(index, wanted), index
        )
        buckets = [
            {"key": name, "doc_count": len(found), "version": {"value": max(found)}}
            for name, found in versions.items()
        ]
        return {"aggregations": {"heads": {"buckets": buckets}}}

    async def count(self, *, index: str, query: dict[str, Any]) -> dict[str, int]:
        """Counts an account's entries up to a version."""
        account, older = query["bool"]["filter"]
        name, most = account["term"]["account_id"], older["range"]["version"]["lte"]
        versions: dict[str, list[int]] = await self._ask(
            lambda: self._versions(index, [name]), index
        )
        return {"count": sum(version <= most for version in versions.get(name, ()))}

    def _versions(self, index: str, names: list[str]) -> dict[str, list[int]]:
        versions: dict[str, list[int]] = {}
        for _, source in self.documents.get(index, {}).values():
            if source["account_id"] in names:
                versions.setdefault(source["account_id"], []).append(source["version"])
        return versions

    async def bulk(self, *, operations: list[bytes], index: str, **_: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await self._ask(lambda: self._take(operations, index), index)
        if self.network.happens(0.02):
            raise SearchConnectionError("the answer got lost")
        return answer

    def _take(self, operations: list[bytes], index: str) -> dict[str, Any]:
        documents = self.documents.setdefault(index, {})
        items = []
        for action, source in _pairs(operations):
            ((name, how),) = msgspec.json.decode(action).items()
            before = documents.get(how["_id"])
            status = 429 if self.network.happens(0.01) else _put(documents, name, how, source)
            if before is not None and status < 400:
                version = documents[how["_id"]][1]["version"]
                self.on_write(how["_id"], before[1]["version"], version)
            error = {} if status < 400 else {"error": {"type": "refused", "reason": "fake"}}
            items.append({name: {"status": status, **error}})
        return {"items": items}

    def _ask(self, work: Callable[[], Any], *needed: str) -> asyncio.Future[Any]:
        def answer() -> Any:
            if self.is_down:
                raise SearchConnectionError("nobody listens")
            if not self.has(*needed):
                # The server has a word of its own for it; both mean "not now" to the mirror.
                raise SearchConnectionError("index_not_found_exception")
            return work()

        return self.network.ask(self.server, answer)


def _put(documents: dict[str, Any], name: str, how: dict[str, Any], source: bytes) -> int:
    known = documents.get(how["_id"])
    if known is not None and (name == "create" or how.get("version", known[0] + 1) <= known[0]):
        return 409
    documents[how["_id"]] = (how.get("version", 1), msgspec.json.decode(source))
    return 201


def _flat(fields: dict[bytes, bytes]) -> list[str]:
    return [part.decode() for pair in fields.items() for part in pair]


def _pairs(parts: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(parts[::2], parts[1::2], strict=True))
