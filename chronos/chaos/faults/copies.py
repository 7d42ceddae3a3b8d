"""T7 and T8: Redis and Elasticsearch die, stand still, forget, or take no more writes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from chronos.chaos.fault import Fault, FaultFailed
from chronos.chaos.faults import following, promise
from chronos.chaos.faults.kafka import writes_go_on
from chronos.chaos.faults.promise import Shape
from chronos.chaos.scene import Scene
from chronos.chaos.wounds import Promise, Wounds

REDIS_READY = Promise(text="Redis, killed, serves again", within_s=10.0)
ELASTICSEARCH_READY = Promise(text="Elasticsearch, killed, serves again", within_s=60.0)


def copy_faults(chance: Random, wounds: Wounds) -> tuple[Fault, ...]:
    """Gives the faults of this module."""
    redis, search = frozenset({"redis"}), frozenset({"elasticsearch"})
    return (
        RedisKilled(
            kind="T7", name="Redis is killed", hits=redis, wounds=wounds, chance=chance
        ),
        RedisPaused(
            kind="T7", name="Redis stands still", hits=redis, wounds=wounds, chance=chance
        ),
        RedisFlushed(
            kind="T7", name="Redis forgets everything", hits=redis, wounds=wounds, chance=chance
        ),
        SearchKilled(
            kind="T8", name="Elasticsearch is killed", hits=search, wounds=wounds, chance=chance
        ),
        SearchPaused(
            kind="T8",
            name="Elasticsearch stands still",
            hits=search,
            wounds=wounds,
            chance=chance,
        ),
        IndexDeleted(
            kind="T8",
            name="an index of Elasticsearch is deleted",
            hits=search,
            wounds=wounds,
            chance=chance,
        ),
        WritesBlocked(
            kind="T8",
            name="Elasticsearch takes no writes, as on a full disk",
            hits=search,
            wounds=wounds,
            chance=chance,
        ),
    )


@dataclass(slots=True, kw_only=True)
class _Copy(Shape):
    """A store that can be lost: money moves on, and nobody is told what was never true."""

    chance: Random
    _over: asyncio.Event | None = None

    async def begin_watch(self, scene: Scene, *more: Callable[[], Awaitable[None]]) -> None:
        """Looks until `end_watch` that writes and balances go on, and at whatever more."""
        self._over = over = asyncio.Event()
        before = await promise.head(self, scene)
        self.watch(self._looks(scene, over, before, *more))

    async def end_watch(self) -> str:
        """Ends the looking and gives what was seen.

        Raises:
            FaultFailed: Something was not as promised.
        """
        if self._over is not None:
            self._over.set()
        return await self.watched()

    async def _looks(
        self,
        scene: Scene,
        over: asyncio.Event,
        before: int,
        *more: Callable[[], Awaitable[None]],
    ) -> str:
        await writes_go_on(self, scene, before)
        for look in more:
            await look()
        return await following.watch_reads(self, scene, self.chance, over)


@dataclass(slots=True, kw_only=True)
class RedisKilled(_Copy):
    """Redis dies and comes back by itself."""

    async def inject(self, scene: Scene) -> str:
        """Kills it."""
        pid = await promise.kill(self, scene, "redis")
        await self.begin_watch(scene)
        return f"process {pid}"

    async def heal(self, scene: Scene) -> str:
        """Waits until it is filled again."""
        seen = await self.end_watch()
        return _joined(seen, await refilled(self, scene))


@dataclass(slots=True, kw_only=True)
class RedisPaused(_Copy):
    """Redis is stopped by a signal."""

    async def inject(self, scene: Scene) -> str:
        """Stops it."""
        await promise.until_it_runs(self, scene, "redis")
        pid = scene.pause("redis")
        await self.begin_watch(scene)
        return f"process {pid}"

    async def heal(self, scene: Scene) -> str:
        """Lets it go on and waits until it is filled again."""
        scene.resume("redis")
        seen = await self.end_watch()
        return _joined(seen, await refilled(self, scene))


@dataclass(slots=True, kw_only=True)
class RedisFlushed(_Copy):
    """Redis loses all data in the blink of an eye."""

    async def inject(self, scene: Scene) -> str:
        """Has it forget everything."""
        keys = await following.redis_copy(scene).flush()
        await self.begin_watch(scene)
        return f"{keys} keys"

    async def heal(self, scene: Scene) -> str:
        """Waits until it is filled again."""
        seen = await self.end_watch()
        return _joined(seen, await refilled(self, scene))


@dataclass(slots=True, kw_only=True)
class _Search(_Copy):
    async def search_is_refused(self, scene: Scene) -> None:
        """Sees that a search says by its code that it cannot be had now.

        Raises:
            FaultFailed: It does not.
        """
        names = sorted(await self.wounds.seen(promise.primary(scene).heads))
        last: list[str] = []

        async def is_refused() -> bool:
            reply = await promise.doors(scene).search(self.chance.choice(names))
            last[:] = [str(reply)]
            if reply.status not in (0, 200) and not (reply.is_busy or reply.is_unknown):
                raise FaultFailed(f"Without Elasticsearch a search was told {reply}.")
            return reply.code == "search_unavailable" or await scene.is_ready("elasticsearch")

        await self.wounds.until(
            is_refused,
            within=promise.RUNS_S,
            resting_on=("balances",),
            failure=lambda: f"Without Elasticsearch a search was told {last[0]}.",
        )


@dataclass(slots=True, kw_only=True)
class SearchKilled(_Search):
    """Elasticsearch dies and comes back by itself."""

    async def inject(self, scene: Scene) -> str:
        """Kills it."""
        pid = await promise.kill(self, scene, "elasticsearch")
        await self.begin_watch(scene, lambda: self.search_is_refused(scene))
        return f"process {pid}"

    async def heal(self, scene: Scene) -> str:
        """Waits until it serves and has followed."""
        ready_s = await promise.until_ready(
            self,
            scene,
            "elasticsearch",
            within=ELASTICSEARCH_READY,
            resting_on=frozenset(),
        )
        seen = await self.end_watch()
        followed = await following.until_search_followed(self, scene)
        return _joined(seen, f"served {ready_s:.1f} s later", followed)


@dataclass(slots=True, kw_only=True)
class SearchPaused(_Search):
    """Elasticsearch is stopped by a signal."""

    async def inject(self, scene: Scene) -> str:
        """Stops it."""
        await promise.until_it_runs(self, scene, "elasticsearch")
        pid = scene.pause("elasticsearch")
        await self.begin_watch(scene, lambda: self.search_is_refused(scene))
        return f"process {pid}"

    async def heal(self, scene: Scene) -> str:
        """Lets it go on and waits until it has followed."""
        scene.resume("elasticsearch")
        seen = await self.end_watch()
        return _joined(seen, await following.until_search_followed(self, scene))


@dataclass(slots=True, kw_only=True)
class IndexDeleted(_Search):
    """One of the two indices is gone with all its documents."""

    async def inject(self, scene: Scene) -> str:
        """Deletes it."""
        copy = following.search_copy(scene)
        alias = self.chance.choice((copy.entries, copy.accounts))
        name = await self.wounds.seen(lambda: copy.delete_index(alias))
        await self.begin_watch(scene)
        return name

    async def heal(self, scene: Scene) -> str:
        """Waits until the mirror has made and filled it anew."""
        seen = await self.end_watch()
        followed = await following.until_search_followed(self, scene, is_emptied=True)
        return _joined(seen, followed)


@dataclass(slots=True, kw_only=True)
class WritesBlocked(_Search):
    """Elasticsearch makes its indices read-only; searches go on, documents wait."""

    async def inject(self, scene: Scene) -> str:
        """Blocks them."""
        await following.search_copy(scene).block_writes()
        await self.begin_watch(scene, lambda: self._search_goes_on(scene))
        return "both indices"

    async def heal(self, scene: Scene) -> str:
        """Takes the block away and waits until what waited is there."""
        await self.wounds.seen(following.search_copy(scene).unblock_writes)
        seen = await self.end_watch()
        return _joined(seen, await following.until_search_followed(self, scene))

    async def _search_goes_on(self, scene: Scene) -> None:
        names = sorted(await self.wounds.seen(promise.primary(scene).heads))
        reply = await promise.doors(scene).search(self.chance.choice(names))
        is_told = reply.status == 200 or reply.is_unknown
        if not (is_told or following.is_excused(self, reply, "balances")):
            raise FaultFailed(f"On read-only indices a search was told {reply}.")


async def refilled(fault: Shape, scene: Scene) -> str:
    """Waits until Redis serves and has every balance again.

    Raises:
        FaultFailed: It takes too long.
    """
    await promise.until_ready(fault, scene, "redis", within=REDIS_READY, resting_on=frozenset())
    return await following.until_redis_followed(fault, scene)


def _joined(*words: str) -> str:
    return "; ".join(filter(None, words))
