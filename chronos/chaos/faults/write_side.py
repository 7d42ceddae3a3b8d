"""T1 to T3: the API, PostgreSQL, and the writers' sessions at PostgreSQL are killed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from chronos.chaos.fault import Fault, FaultFailed, Unseen
from chronos.chaos.faults import promise
from chronos.chaos.faults.asking import Reply
from chronos.chaos.faults.promise import Shape
from chronos.chaos.scene import Scene
from chronos.chaos.wounds import Promise, Wounds

API_READY = Promise(text="the API, killed, is ready again", within_s=5.0)
FIRST_ACK = Promise(text="a write is acknowledged when PostgreSQL serves again", within_s=10.0)
POSTGRES_READY_S = 60.0
RETRY_AFTER_S_MAX = 2
REFUSED = Promise(text="a write is refused while PostgreSQL is away", within_s=2.0)
POOL_HEALS = Promise(
    text="a write is answered after sessions of the writer ended", within_s=1.0
)
ACKNOWLEDGED = Promise(
    text="and after that answer, one is acknowledged to a client", within_s=1.0
)
_ASK_EVERY_S = 0.2


def write_side_faults(chance: Random, wounds: Wounds) -> tuple[Fault, ...]:
    """Gives the faults of this module."""
    return (
        ApiKilled(kind="T1", name="the API is killed", hits=frozenset({"api"}), wounds=wounds),
        PostgresKilled(
            kind="T2",
            name="PostgreSQL is killed and starts again",
            hits=frozenset({"postgres"}),
            wounds=wounds,
        ),
        PostgresDown(
            kind="T2",
            name="PostgreSQL is killed and stays away",
            hits=frozenset({"postgres"}),
            wounds=wounds,
        ),
        WritersTerminated(
            kind="T3",
            name="one session of a writer is ended",
            hits=frozenset({"postgres"}),
            wounds=wounds,
            chance=chance,
        ),
        WritersTerminated(
            kind="T3",
            name="all sessions of all writers are ended at once",
            hits=frozenset({"postgres"}),
            wounds=wounds,
            chance=chance,
            takes_all=True,
        ),
    )


@dataclass(slots=True, kw_only=True)
class ApiKilled(Shape):
    """The API dies and is ready again in 5 s."""

    async def inject(self, scene: Scene) -> str:
        """Kills it."""
        pid = await promise.kill(self, scene, "api")
        self.watch(self._comes_back(scene))
        return f"process {pid}"

    async def heal(self, scene: Scene) -> str:  # noqa: ARG002 - the shape of a fault
        """Waits until it is ready."""
        return await self.watched()

    async def _comes_back(self, scene: Scene) -> str:
        took_s = await promise.until_ready(
            self,
            scene,
            "api",
            within=API_READY,
            resting_on=frozenset({"postgres"}),
        )
        return f"ready again after {took_s:.1f} s"


@dataclass(slots=True)
class Refusals:
    """What writes were told while PostgreSQL was away."""

    wounds: Wounds
    count: int = 0
    slowest_s: float = 0.0

    def add(self, reply: Reply, *, api_is_hurt: bool) -> None:
        """Adds one reply, and judges it.

        Raises:
            FaultFailed: It is neither an answer nor a refusal as promised.
        """
        if reply.is_answered or (reply.status == 0 and api_is_hurt):
            return
        wait_s = reply.retry_after_s or 0
        if not (reply.is_busy and 1 <= wait_s <= RETRY_AFTER_S_MAX):
            raise FaultFailed(
                f"Without PostgreSQL a write was told {reply}, Retry-After "
                f"{reply.retry_after_s}, where 503 and at most {RETRY_AFTER_S_MAX} s are due."
            )
        self.count += 1
        if not api_is_hurt:
            self.wounds.note(REFUSED, reply.took_s)
        self.slowest_s = max(self.slowest_s, reply.took_s)

    def __str__(self) -> str:
        return f"{self.count} writes refused with 503, the slowest after {self.slowest_s:.1f} s"


@dataclass(slots=True, kw_only=True)
class PostgresKilled(Shape):
    """PostgreSQL dies with all its sessions and comes back by itself."""

    async def inject(self, scene: Scene) -> str:
        """Kills the postmaster and all backends."""
        key = await promise.spent_key(self, scene)
        pid = await promise.kill(self, scene, "postgres")
        self.watch(self._comes_back(scene, key))
        return f"postmaster {pid} and its backends"

    async def heal(self, scene: Scene) -> str:  # noqa: ARG002 - the shape of a fault
        """Waits until writes are acknowledged again."""
        return await self.watched()

    async def _comes_back(self, scene: Scene, key: str) -> str:
        async with asyncio.TaskGroup() as tasks:
            ready = tasks.create_task(
                promise.until_ready(
                    self,
                    scene,
                    "postgres",
                    within=POSTGRES_READY_S,
                    resting_on=frozenset(),
                )
            )

            async def is_back() -> bool:
                return ready.done()

            refusals = await ask_until(self, scene, key, is_back)
        return (
            f"served after {ready.result():.1f} s; {await first_ack(self, scene)}; {refusals}"
        )


@dataclass(slots=True, kw_only=True)
class PostgresDown(Shape):
    """PostgreSQL dies and is not there for a while."""

    _is_back: asyncio.Event | None = None

    async def inject(self, scene: Scene) -> str:
        """Kills the postmaster and all backends, and keeps them down."""
        key = await promise.spent_key(self, scene)
        await promise.until_it_runs(self, scene, "postgres")
        pid = await scene.take_down("postgres")
        self._is_back = asyncio.Event()
        self.watch(self._refuses(scene, key, self._is_back))
        return f"postmaster {pid} and its backends"

    async def heal(self, scene: Scene) -> str:
        """Starts it and waits until writes are acknowledged again."""
        await scene.bring_up("postgres")
        is_back, self._is_back = self._is_back, None
        if is_back is None:
            return ""
        is_back.set()
        return f"{await first_ack(self, scene)}; {await self.watched()}"

    async def _refuses(self, scene: Scene, key: str, back: asyncio.Event) -> str:
        async def is_back() -> bool:
            return back.is_set()

        refusals = await ask_until(self, scene, key, is_back)
        if refusals.count == 0:
            raise FaultFailed("No write was refused while PostgreSQL was away.")
        return str(refusals)


@dataclass(slots=True, kw_only=True)
class WritersTerminated(Shape):
    """Sessions of the writer end under it; the pool is whole again in 1 s."""

    chance: Random
    takes_all: bool = False

    async def inject(self, scene: Scene) -> str:
        """Ends one session of a writer, or all of them."""
        key = await promise.spent_key(self, scene)
        primary = promise.primary(scene)
        there = await self.wounds.seen(primary.writers, resting_on=self.resting_on("postgres"))
        if not there:
            raise FaultFailed("No writer is signed in to PostgreSQL.")
        victims = there if self.takes_all else (self.chance.choice(there),)
        ended = await primary.terminate(victims)
        self.watch(self._heals(scene, key))
        return f"{ended} of {len(there)} sessions of writers"

    async def heal(self, scene: Scene) -> str:  # noqa: ARG002 - the shape of a fault
        """Waits until writes are acknowledged again."""
        return await self.watched()

    async def _heals(self, scene: Scene, key: str) -> str:
        before = await promise.head(self, scene)
        last: list[Reply] = []

        async def is_answered() -> bool:
            last[:] = [await promise.doors(scene).write(key)]
            return last[0].is_answered

        took_s = await self.wounds.until(
            is_answered,
            within=POOL_HEALS,
            resting_on=self.resting_on("api"),
            failure=lambda: f"After sessions of the writer ended, a write is told {last[0]}.",
        )
        acked_s = await promise.until_written(
            self,
            scene,
            beyond=before,
            within=ACKNOWLEDGED,
            what="After sessions of the writer ended, nothing is acknowledged any more.",
        )
        return f"a write answered after {took_s:.1f} s, one acknowledged within {acked_s:.1f} s"


async def ask_until(
    fault: Shape, scene: Scene, key: str, is_over: Callable[[], Awaitable[bool]]
) -> Refusals:
    """Asks for a write again and again, and judges every reply.

    Raises:
        FaultFailed: One of them was not as promised.
    """
    refusals = Refusals(fault.wounds)
    while not await is_over():
        reply = await promise.doors(scene).write(key)
        refusals.add(reply, api_is_hurt=bool(fault.wounds.of(["api"])))
        await asyncio.sleep(_ASK_EVERY_S)
    if refusals.slowest_s > REFUSED.broken_after_s and not fault.wounds.of(["api"]):
        raise FaultFailed(
            f"Without PostgreSQL a write was refused after {refusals.slowest_s:.1f} s only."
        )
    return refusals


async def first_ack(fault: Shape, scene: Scene) -> str:
    """Waits for the first write that is acknowledged after PostgreSQL serves again.

    Raises:
        FaultFailed: None is in time.
    """
    try:
        before = await promise.primary(scene).head()
    except Unseen as unseen:
        raise FaultFailed(f"PostgreSQL serves and yet: {unseen}") from unseen
    took_s = await promise.until_written(
        fault,
        scene,
        beyond=before,
        within=FIRST_ACK,
        what="PostgreSQL serves again, and no write is acknowledged.",
    )
    return f"first write {took_s:.1f} s later"
