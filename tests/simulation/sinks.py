"""Redis in memory, by the few commands that the mirror sends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError

from chronos.mirror import redis as mirror
from tests.simulation.world import Network, World

# The one script that is known to compare versions; its text is the product's.
_GUARDED = mirror._WRITE_IF_NEWER


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


def _flat(fields: dict[bytes, bytes]) -> list[str]:
    return [part.decode() for pair in fields.items() for part in pair]


def _pairs(parts: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(parts[::2], parts[1::2], strict=True))
