"""What the faults of this folder share: a name, a victim, and what they look with."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from chronos.chaos.fault import FaultFailed, Phase
from chronos.chaos.faults.asking import Doors
from chronos.chaos.readers.primary import Primary
from chronos.chaos.scene import Scene
from chronos.chaos.wounds import Promise, Wounds

SESSION_S = 10.0
"""Kafka's session time-out of every worker: who is silent for longer has lost its work."""
RUNS_S = 30.0
"""Time in which whoever was killed runs again: the pause of its supervisor and its start."""
READY_S = 120.0
"""Time in which a worker must serve again, however busy the machine."""
DRAINED = Promise(text="the relay has published what was written until then", within_s=30.0)


@dataclass(slots=True, kw_only=True)
class Shape:
    """The part that is the same in every fault; each is injected once at a time."""

    kind: str
    name: str
    hits: frozenset[str]
    wounds: Wounds
    phase: Phase = Phase.UNDER_LOAD
    least_s: float = 0.0
    _watching: asyncio.Task[str] | None = field(default=None, init=False, repr=False)

    async def impossible(self, scene: Scene) -> str:  # noqa: ARG002 - the shape of a fault
        """Says that every machine can have it."""
        return ""

    def watch(self, work: Coroutine[Any, Any, str]) -> None:
        """Looks on while the fault lasts; `watched` must follow."""
        self._watching = asyncio.create_task(work, name=f"watch {self.name}")

    async def watched(self) -> str:
        """Gives what the looking said; empty when there was none, or it was asked before.

        Raises:
            FaultFailed: A promise was broken meanwhile.
        """
        watching, self._watching = self._watching, None
        return "" if watching is None else await watching

    def resting_on(self, *names: str) -> frozenset[str]:
        """Gives those of the names that this fault does not hurt itself."""
        return frozenset(names) - self.hits


async def kill(fault: Shape, scene: Scene, name: str) -> int:
    """Kills a child that runs now or will again in a moment; gives its process id.

    Raises:
        FaultFailed: It does not run.
    """
    await until_it_runs(fault, scene, name)
    return await scene.kill(name)


async def until_it_runs(fault: Shape, scene: Scene, name: str) -> None:
    """Waits for a child that another fault may have ended a moment ago.

    Raises:
        FaultFailed: It was given up for good, or is not started again.
    """

    async def runs() -> bool:
        _raise_if_given_up(scene, name)
        return name in scene.pids

    await fault.wounds.until(
        runs,
        within=RUNS_S,
        resting_on=fault.resting_on("postgres", "kafka"),
        failure=lambda: f"{name} does not run.",
    )


async def until_ready(
    fault: Shape,
    scene: Scene,
    name: str,
    *,
    within: float | Promise,
    resting_on: frozenset[str],
) -> float:
    """Waits until a child serves; gives the seconds that it took.

    Raises:
        FaultFailed: It was given up for good, or does not serve in time.
    """

    async def ready() -> bool:
        _raise_if_given_up(scene, name)
        return await scene.is_ready(name)

    return await fault.wounds.until(
        ready,
        within=within,
        resting_on=resting_on,
        failure=lambda: f"{name} does not serve again.",
    )


def _raise_if_given_up(scene: Scene, name: str) -> None:
    given_up = scene.pipeline.supervisor.fault_of(name)
    if given_up is not None:
        raise FaultFailed(str(given_up)) from given_up


def primary(scene: Scene) -> Primary:
    """Gives PostgreSQL at its direct address."""
    return Primary(scene.addresses.postgres)


def doors(scene: Scene) -> Doors:
    """Gives the doors at their direct addresses."""
    return Doors(scene.addresses)


async def spent_key(fault: Shape, scene: Scene) -> str:
    """Gives a key under which nothing can be written any more.

    Raises:
        FaultFailed: Nobody has had a command granted yet.
    """
    found: list[str] = []

    async def is_found() -> bool:
        key = await primary(scene).spent_key("owner")
        found.extend([] if key is None else [key])
        return bool(found)

    await fault.wounds.until(
        is_found,
        within=RUNS_S,
        resting_on=fault.resting_on("postgres", "api"),
        failure=lambda: "No command was granted yet, so no fault can ask for a write.",
    )
    return found[0]


async def until_written(
    fault: Shape, scene: Scene, *, beyond: int, within: float | Promise, what: str
) -> float:
    """Waits until the clients' writes have brought the journal beyond a position.

    Raises:
        FaultFailed: They have not in time.
    """

    async def is_beyond() -> bool:
        return await primary(scene).head() > beyond

    return await fault.wounds.until(
        is_beyond,
        within=within,
        resting_on=fault.resting_on("postgres", "api"),
        failure=lambda: what,
    )


async def head(fault: Shape, scene: Scene) -> int:
    """Gives the position of the newest event.

    Raises:
        FaultFailed: PostgreSQL, which nobody hurts, does not answer.
    """
    return await fault.wounds.seen(primary(scene).head, resting_on=fault.resting_on("postgres"))


async def until_published(fault: Shape, scene: Scene, *, up_to: int) -> float:
    """Waits until the relay has published everything up to a position.

    Raises:
        FaultFailed: It has not in time.
    """
    left: list[int] = [0]

    async def is_published() -> bool:
        left[0] = await primary(scene).unpublished(up_to)
        return left[0] == 0

    return await fault.wounds.until(
        is_published,
        within=DRAINED,
        resting_on=fault.resting_on("postgres", "kafka", "relay"),
        failure=lambda: f"The relay left {left[0]} rows up to position {up_to} unpublished.",
    )
