"""T6: the workers of the read models are killed, sleep through their session, come and go."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random

from chronos.chaos.fault import Fault
from chronos.chaos.faults import following, promise
from chronos.chaos.faults.promise import READY_S, SESSION_S, Shape
from chronos.chaos.scene import Scene
from chronos.chaos.wounds import Wounds

FURTHER_SLOTS = (1, 2)


def read_model_faults(chance: Random, wounds: Wounds) -> tuple[Fault, ...]:
    """Gives the faults of this module."""
    balances, mirror = frozenset({"balances"}), frozenset({"mirror"})
    asleep_s = SESSION_S + 2
    return (
        BalancesKilled(
            kind="T6",
            name="the balances worker is killed",
            hits=balances,
            wounds=wounds,
            chance=chance,
        ),
        BalancesSleeps(
            kind="T6",
            name="the balances worker sleeps through its session",
            hits=balances,
            wounds=wounds,
            chance=chance,
            least_s=asleep_s,
        ),
        BalancesScaled(
            kind="T6",
            name="one balances worker becomes three, and one again",
            hits=balances,
            wounds=wounds,
            chance=chance,
        ),
        MirrorKilled(kind="T6", name="the mirror is killed", hits=mirror, wounds=wounds),
        MirrorSleeps(
            kind="T6",
            name="the mirror sleeps through its session",
            hits=mirror,
            wounds=wounds,
            least_s=asleep_s,
        ),
    )


@dataclass(slots=True, kw_only=True)
class _Balances(Shape):
    chance: Random

    async def follows(self, scene: Scene) -> str:
        """Waits until the worker serves, and shows and copies what is true."""
        ready_s = await _ready(self, scene, "balances")
        shown = await following.until_shown(self, scene, self.chance)
        return f"ready after {ready_s:.1f} s; {shown}; " + (
            await following.until_redis_followed(self, scene)
        )


@dataclass(slots=True, kw_only=True)
class BalancesKilled(_Balances):
    """The only worker dies and comes back by itself."""

    async def inject(self, scene: Scene) -> str:
        """Kills it."""
        pid = await promise.kill(self, scene, "balances")
        self.watch(self.follows(scene))
        return f"process {pid}"

    async def heal(self, scene: Scene) -> str:  # noqa: ARG002 - the shape of a fault
        """Waits until it has followed."""
        return await self.watched()


@dataclass(slots=True, kw_only=True)
class BalancesSleeps(_Balances):
    """The only worker is stopped by a signal, loses its membership, and wakes up."""

    async def inject(self, scene: Scene) -> str:
        """Stops it."""
        await promise.until_it_runs(self, scene, "balances")
        return f"process {scene.pause('balances')}"

    async def heal(self, scene: Scene) -> str:
        """Wakes it and waits until it has followed."""
        scene.resume("balances")
        return await self.follows(scene)


@dataclass(slots=True, kw_only=True)
class BalancesScaled(_Balances):
    """Two more workers take partitions over, and give them back."""

    async def inject(self, scene: Scene) -> str:
        """Starts two more."""
        crew = scene.pipeline.crew
        async with asyncio.TaskGroup() as tasks:
            for slot in FURTHER_SLOTS:
                tasks.create_task(scene.add(crew.balances_worker(slot)))
        return f"with three: {await self.follows(scene)}"

    async def heal(self, scene: Scene) -> str:
        """Stops them and waits until the first one has followed."""
        for slot in FURTHER_SLOTS:
            await scene.remove(scene.pipeline.crew.balances_worker(slot).name)
        return f"with one: {await self.follows(scene)}"


@dataclass(slots=True, kw_only=True)
class MirrorKilled(Shape):
    """The mirror dies and comes back by itself."""

    async def inject(self, scene: Scene) -> str:
        """Kills it."""
        pid = await promise.kill(self, scene, "mirror")
        self.watch(mirror_follows(self, scene))
        return f"process {pid}"

    async def heal(self, scene: Scene) -> str:  # noqa: ARG002 - the shape of a fault
        """Waits until it has followed."""
        return await self.watched()


@dataclass(slots=True, kw_only=True)
class MirrorSleeps(Shape):
    """The mirror is stopped by a signal, loses its membership, and wakes up."""

    async def inject(self, scene: Scene) -> str:
        """Stops it."""
        await promise.until_it_runs(self, scene, "mirror")
        return f"process {scene.pause('mirror')}"

    async def heal(self, scene: Scene) -> str:
        """Wakes it and waits until it has followed."""
        scene.resume("mirror")
        return await mirror_follows(self, scene)


async def mirror_follows(fault: Shape, scene: Scene) -> str:
    """Waits until the mirror serves and Elasticsearch has what the journal has.

    Raises:
        FaultFailed: It takes too long.
    """
    ready_s = await _ready(fault, scene, "mirror")
    followed = await following.until_search_followed(fault, scene)
    return f"ready after {ready_s:.1f} s; {followed}"


async def _ready(fault: Shape, scene: Scene, name: str) -> float:
    return await promise.until_ready(
        fault,
        scene,
        name,
        within=READY_S,
        resting_on=frozenset({"postgres", "kafka"}),
    )
