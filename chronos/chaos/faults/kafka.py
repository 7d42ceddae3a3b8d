"""T4: Kafka is killed, or stands still; writes go on, and the relay catches up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from chronos.chaos.fault import KAFKA_PAUSE_S_MAX, KAFKA_STANDS_STILL, Fault
from chronos.chaos.faults import promise
from chronos.chaos.faults.promise import Shape
from chronos.chaos.scene import Scene
from chronos.chaos.wounds import Promise, Wounds

KAFKA_READY = Promise(text="Kafka, killed or paused, serves again", within_s=60.0)
WRITES_GO_ON = Promise(
    text="a write is acknowledged while a part of the stream is away", within_s=5.0
)


def kafka_faults(wounds: Wounds) -> tuple[Fault, ...]:
    """Gives the faults of this module."""
    hits = frozenset({"kafka"})
    return (
        KafkaKilled(kind="T4", name="Kafka is killed", hits=hits, wounds=wounds),
        KafkaPaused(kind="T4", name=KAFKA_STANDS_STILL, hits=hits, wounds=wounds),
    )


@dataclass(slots=True, kw_only=True)
class KafkaKilled(Shape):
    """Kafka dies and comes back by itself."""

    async def inject(self, scene: Scene) -> str:
        """Kills it."""
        before = await promise.head(self, scene)
        pid = await promise.kill(self, scene, "kafka")
        self.watch(self._comes_back(scene, before))
        return f"process {pid}"

    async def heal(self, scene: Scene) -> str:  # noqa: ARG002 - the shape of a fault
        """Waits until it serves and the relay has caught up."""
        return await self.watched()

    async def _comes_back(self, scene: Scene, before: int) -> str:
        await writes_go_on(self, scene, before)
        return await caught_up(self, scene)


@dataclass(slots=True, kw_only=True)
class KafkaPaused(Shape):
    """Kafka is stopped by a signal, for 30 s at most."""

    _alarm: asyncio.TimerHandle | None = None

    async def inject(self, scene: Scene) -> str:
        """Stops it."""
        before = await promise.head(self, scene)
        await promise.until_it_runs(self, scene, "kafka")
        pid = scene.pause("kafka")
        loop = asyncio.get_running_loop()
        self._alarm = loop.call_later(KAFKA_PAUSE_S_MAX, scene.resume, "kafka")
        self.watch(self._stands_still(scene, before))
        return f"process {pid}"

    async def heal(self, scene: Scene) -> str:
        """Lets it go on and waits until the relay has caught up."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        scene.resume("kafka")
        await self.watched()
        return await caught_up(self, scene)

    async def _stands_still(self, scene: Scene, before: int) -> str:
        await writes_go_on(self, scene, before)
        return ""


async def writes_go_on(fault: Shape, scene: Scene, before: int) -> None:
    """Sees that clients are acknowledged while a part of the stream is away.

    Raises:
        FaultFailed: They are not.
    """
    await promise.until_written(
        fault,
        scene,
        beyond=before,
        within=WRITES_GO_ON,
        what=f"Writes stopped while this lasted: {fault.name}.",
    )


async def caught_up(fault: Shape, scene: Scene) -> str:
    """Waits until Kafka serves and the relay has published what was written by then.

    Raises:
        FaultFailed: One of them takes too long.
    """
    ready_s = await promise.until_ready(
        fault, scene, "kafka", within=KAFKA_READY, resting_on=frozenset()
    )
    written = await promise.head(fault, scene)
    drained_s = await promise.until_published(fault, scene, up_to=written)
    return f"served after {ready_s:.1f} s, outbox drained {drained_s:.1f} s later"
