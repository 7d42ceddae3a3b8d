"""Mistakes of the read side: M5 to M8."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from hashlib import sha1
from typing import Any

import msgspec

import chronos.mirror.accounts as mirror_accounts
import chronos.mirror.redis as mirror_redis
import tables.balances as table
from agents.balances import NAME as BALANCES
from agents.balances import BalancesAgent
from agents.mirror import ACCOUNTS_BATCHING, AccountsAgent
from chronos.domain.evolve import evolve
from chronos.errors import Unavailable
from chronos.mirror.redis import RedisMirror
from chronos.stream.app import ChronosApp
from chronos.wire import balance as wire_balance
from chronos.wire.codec import decode_shape, recorded_of
from tests.mutants.planting import Planting, TargetMoved, replaced_once

LATE_S_MAX = 1.0
"""Longest time by which one write may overtake another."""
SLOW_S_MAX = 0.1
TRIES_MAX = 40
AGAIN_S = 0.5
CONCURRENCY = 4


def m5_no_version_guard(planting: Planting) -> None:
    """The balances agent applies every record that it gets, whatever its version."""

    def make_take(_: Any) -> Any:
        async def whatever(
            _self: BalancesAgent, folded: Any, tally: Any, record: Any, head: Any
        ) -> None:
            folded.apply(
                record.partition, decode_shape(record.value), record.value, head.digest
            )
            tally.applied += 1

        return whatever

    def make_fold(_: Any) -> Any:
        def unguarded(before: Any, shape: Any, _body: bytes, digest: bytes) -> Any:
            recorded = recorded_of(shape)
            state = None if before is None else wire_balance._state(before)
            after = evolve(state, recorded.event)
            return wire_balance._balance(after, before, recorded, digest)

        return unguarded

    planting.swap(BalancesAgent, "_take_one", make_take)
    planting.swap(table, "fold_shape", make_fold)


def m6_four_at_once(planting: Planting) -> None:
    """The balances agent runs four times in its process, and writes a moment after it folds."""

    def make(agent: Any) -> Any:
        def four(self: ChronosApp, *arguments: Any, **options: Any) -> Any:
            if options.get("name") == BALANCES:
                options["concurrency"] = CONCURRENCY
            return agent(self, *arguments, **options)

        return four

    def make_write(write: Any) -> Any:
        async def slow(self: BalancesAgent, folded: Any, batch: Any) -> None:
            await asyncio.sleep(random.random() * SLOW_S_MAX)
            await write(self, folded, batch)

        return slow

    planting.swap(BalancesAgent, "_write", make_write)
    # Faust's own: every agent is registered by it.
    planting.swap(_owner_of(ChronosApp, "agent"), "agent", make)


def m7_plain_redis_writes(planting: Planting) -> None:
    """Redis is written without a look at the version, and writes may overtake each other."""
    late = Late()

    def make_script(script: bytes) -> bytes:
        text = script.decode()
        start, end = text.index("local stored"), text.index("redis.call('HSET'")
        return replaced_once(text, text[start:end], "").encode()

    def make_page(write_page: Any) -> Any:
        async def overtaking(self: RedisMirror, page: Any) -> int:
            late.begin(lambda: write_page(self, page))
            return len(page)

        return overtaking

    planting.swap(mirror_redis, "_WRITE_IF_NEWER", make_script)
    script = mirror_redis._WRITE_IF_NEWER
    planting.swap(
        mirror_redis,
        "_WRITE_IF_NEWER_SHA",
        lambda _: sha1(script, usedforsecurity=False).hexdigest(),
    )
    planting.swap(RedisMirror, "_write_page", make_page)


def m8_documents_without_version(planting: Planting) -> None:
    """Account documents are indexed without a version, and writes may overtake each other."""
    # The agent writes twice a second at most: a write must come later than the next one does.
    late = Late(longest_s=6 * ACCOUNTS_BATCHING.wait_s)

    def make_document(to_document: Any) -> Any:
        def unversioned(balance: Any) -> Any:
            document = to_document(balance)
            action = msgspec.json.decode(document.action)
            if action["index"].pop("version_type", None) != "external":
                raise TargetMoved("documents of accounts carry no external version")
            del action["index"]["version"]
            return msgspec.structs.replace(document, action=msgspec.json.encode(action))

        return unversioned

    def make_write(write: Any) -> Any:
        async def overtaking(self: AccountsAgent, items: Any) -> None:
            late.begin(lambda: write(self, items))

        return overtaking

    planting.swap(mirror_accounts, "_to_document", make_document)
    planting.swap(AccountsAgent, "write", make_write)


class Late:
    """Does what nobody waits for, a moment later; again while its store does not answer."""

    def __init__(self, *, longest_s: float = LATE_S_MAX) -> None:
        self._longest_s = longest_s
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Callable[[], Awaitable[Any]]) -> None:
        """Begins work."""
        task = asyncio.create_task(self._do(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _do(self, work: Callable[[], Awaitable[Any]]) -> None:
        for _ in range(TRIES_MAX):
            await asyncio.sleep(random.random() * self._longest_s)
            try:
                await work()
            except (Unavailable, mirror_redis.RedisError, OSError):
                await asyncio.sleep(AGAIN_S)
            else:
                return


def _owner_of(kind: type, name: str) -> type:
    for one in kind.__mro__:
        if name in vars(one):
            return one
    raise TargetMoved(f"{kind.__name__} has no {name} any more")
