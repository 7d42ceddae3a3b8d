"""T5: the relay is killed, sleeps through its session, or is there twice."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from chronos.assembly.processes import url
from chronos.chaos.fault import Fault, FaultFailed, Unseen
from chronos.chaos.faults import promise
from chronos.chaos.faults.promise import READY_S, SESSION_S, Shape
from chronos.chaos.scene import Scene
from chronos.chaos.wounds import Promise, Wounds
from chronos.embedded.ports import API_PROCESSES_MAX
from chronos.store.outbox import TAKEOVER_AFTER_S

LOOKING_S = 1.0
"""For the group to agree on a new owner, and between two looks at the lease."""
TAKEN = Promise(
    text="the shards of a relay that sleeps are taken by another",
    within_s=SESSION_S + TAKEOVER_AFTER_S + LOOKING_S,
)
FENCED = Promise(text="a relay that woke up knows that its shards are gone", within_s=30.0)
HELD = Promise(text="every shard is held by one relay", within_s=30.0)
SECOND = "relay-2"
_LOOK_S = 2.0
_OWNED = "chronos_relay_shard_owned"
_EPOCH = "chronos_relay_epoch"


def relay_faults(wounds: Wounds) -> tuple[Fault, ...]:
    """Gives the faults of this module."""
    hits = frozenset({"relay"})
    return (
        RelayKilled(kind="T5", name="the relay is killed", hits=hits, wounds=wounds),
        RelaySleeps(
            kind="T5",
            name="a relay sleeps through its session beside another",
            hits=hits,
            wounds=wounds,
            least_s=SESSION_S + TAKEOVER_AFTER_S + 1,
        ),
        RelayTwice(kind="T5", name="there are two relays", hits=hits, wounds=wounds),
    )


@dataclass(slots=True, kw_only=True)
class RelayKilled(Shape):
    """The only relay dies and comes back by itself."""

    async def inject(self, scene: Scene) -> str:
        """Kills it."""
        pid = await promise.kill(self, scene, "relay")
        self.watch(self._comes_back(scene))
        return f"process {pid}"

    async def heal(self, scene: Scene) -> str:  # noqa: ARG002 - the shape of a fault
        """Waits until it has published what was written without it."""
        return await self.watched()

    async def _comes_back(self, scene: Scene) -> str:
        ready_s = await promise.until_ready(
            self,
            scene,
            "relay",
            within=READY_S,
            resting_on=frozenset({"postgres", "kafka"}),
        )
        return f"ready after {ready_s:.1f} s, {await drained(self, scene)}"


@dataclass(slots=True, kw_only=True)
class RelayTwice(Shape):
    """A second relay takes its share and gives it back; no shard is ever without or doubled."""

    async def inject(self, scene: Scene) -> str:
        """Starts it."""
        await scene.add(scene.pipeline.crew.relay(1))
        shared_s = await until_shared(self, scene)
        return f"shards shared after {shared_s:.1f} s"

    async def heal(self, scene: Scene) -> str:
        """Stops it and waits until the first one has published everything."""
        await scene.remove(SECOND)
        return await drained(self, scene)


@dataclass(slots=True, kw_only=True)
class RelaySleeps(Shape):
    """One of two relays is stopped by a signal until the other has all shards."""

    _before: Mapping[int, int] = field(default_factory=dict)

    async def inject(self, scene: Scene) -> str:
        """Starts a second relay, and stops the first when each has its share."""
        await scene.add(scene.pipeline.crew.relay(1))
        await until_shared(self, scene)
        await promise.until_it_runs(self, scene, "relay")
        mine = await self.wounds.seen(lambda: _owned(scene), resting_on=("postgres", "kafka"))
        self._before = mine
        pid = scene.pause("relay")
        self.watch(self._is_taken(scene, mine))
        return f"process {pid} with {_words(mine)}"

    async def heal(self, scene: Scene) -> str:
        """Wakes it, sees it fenced, and takes the second one away."""
        before, self._before = self._before, {}
        try:
            taken = await self.watched()
        finally:
            scene.resume("relay")
        if before:
            await self._until_fenced(scene, before)
        await scene.remove(SECOND)
        return "; ".join(filter(None, (taken, await drained(self, scene))))

    async def _is_taken(self, scene: Scene, mine: Mapping[int, int]) -> str:
        async def is_taken() -> bool:
            now = await _epochs(scene)
            return all(now[shard] > epoch for shard, epoch in mine.items())

        took_s = await self.wounds.until(
            is_taken,
            within=TAKEN,
            resting_on=("postgres", "kafka"),
            failure=lambda: f"Nobody took {_words(mine)} of a relay that sleeps.",
        )
        return f"taken over after {took_s:.1f} s"

    async def _until_fenced(self, scene: Scene, before: Mapping[int, int]) -> None:
        async def is_fenced() -> bool:
            return all(
                before.get(shard) != epoch for shard, epoch in (await _owned(scene)).items()
            )

        await self.wounds.until(
            is_fenced,
            within=FENCED,
            resting_on=("postgres", "kafka"),
            failure=lambda: (
                f"A relay that woke up still believes that it has {_words(before)}."
            ),
        )


async def drained(fault: Shape, scene: Scene) -> str:
    """Waits until every shard has one holder and what was written by now is published.

    Raises:
        FaultFailed: It takes too long.
    """
    written = await promise.head(fault, scene)
    seconds = await until_held(fault, scene)
    seconds += await promise.until_published(fault, scene, up_to=written)
    return f"outbox drained {seconds:.1f} s later"


async def until_held(fault: Shape, scene: Scene) -> float:
    """Waits until the lock of every shard is held by exactly one session.

    Raises:
        FaultFailed: One is not in time.
    """
    count = scene.pipeline.crew.settings.relay_shards
    seen: list[str] = []

    async def is_held() -> bool:
        shards = await promise.primary(scene).shards(count)
        seen[:] = [f"shard {one.shard} by {len(one.holders)}" for one in shards]
        return len(shards) == count and all(len(one.holders) == 1 for one in shards)

    return await fault.wounds.until(
        is_held,
        within=HELD,
        resting_on=("postgres", "kafka"),
        failure=lambda: f"The shards are not held by one relay each: {', '.join(seen)}.",
    )


async def until_shared(fault: Shape, scene: Scene) -> float:
    """Waits until two relays have a share each, and looks that no lock is held twice.

    Raises:
        FaultFailed: They do not share in time.
    """

    async def is_shared() -> bool:
        count = scene.pipeline.crew.settings.relay_shards
        for shard in await promise.primary(scene).shards(count):
            if len(shard.holders) > 1:
                raise FaultFailed(f"Shard {shard.shard} has {len(shard.holders)} holders.")
        mine, other = await asyncio.gather(_owned(scene), _owned(scene, SECOND))
        return bool(mine) and bool(other) and len(mine) + len(other) == count

    shared_s = await fault.wounds.until(
        is_shared,
        within=READY_S,
        resting_on=("postgres", "kafka"),
        failure=lambda: "Two relays do not share the shards.",
    )
    return shared_s + await until_held(fault, scene)


async def _epochs(scene: Scene) -> dict[int, int]:
    count = scene.pipeline.crew.settings.relay_shards
    return {one.shard: one.epoch for one in await promise.primary(scene).shards(count)}


async def _owned(scene: Scene, name: str = "relay") -> dict[int, int]:
    """Gives the shards that a relay believes to hold, each with the epoch that it knows."""
    ports = scene.pipeline.crew.ports
    port = ports.relay if name == "relay" else ports.admin + API_PROCESSES_MAX - 1
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_LOOK_S)) as http,
            http.get(f"{url(port)}/metrics") as answer,
        ):
            lines = (await answer.text()).splitlines()
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Unseen(f"{name} did not answer: {error!r}") from error
    owned, epochs = _samples(lines, _OWNED), _samples(lines, _EPOCH)
    return {shard: epochs[shard] for shard, is_owned in owned.items() if is_owned}


def _samples(lines: list[str], metric: str) -> dict[int, int]:
    head = f'{metric}{{shard="'
    found = (line.removeprefix(head).split('"} ') for line in lines if line.startswith(head))
    return {int(shard): int(float(value)) for shard, value in found}


def _words(shards: Mapping[int, int]) -> str:
    return ", ".join(f"shard {shard} (epoch {epoch})" for shard, epoch in shards.items())
