"""T11: the wall clocks of API, relay and balances workers jump, or swing to and fro.

The scene brings these processes up under clocks that it can set (`chronos.chaos.clock_shift`).
That no order, version or position goes by a clock is what the checkers prove afterwards; here
it is seen that nobody stops or dies of it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random

from chronos.chaos.fault import Fault, FaultFailed
from chronos.chaos.faults import following, promise
from chronos.chaos.faults.kafka import writes_go_on
from chronos.chaos.faults.network import SERVERS
from chronos.chaos.faults.promise import Shape
from chronos.chaos.scene import CLOCKED, Scene
from chronos.chaos.wounds import Wounds

STEP_MS = 600_000
STROBE_MS = 5_000
STROBES_PER_S = 10


def clock_faults(chance: Random, wounds: Wounds) -> tuple[Fault, ...]:
    """Gives the faults of this module."""
    return (
        *(
            ClockWrong(
                kind="T11",
                name=f"the clocks step {name}",
                hits=frozenset(CLOCKED),
                wounds=wounds,
                chance=chance,
                offsets_ms=(offset_ms,),
            )
            for name, offset_ms in (
                ("10 minutes ahead", STEP_MS),
                ("10 minutes back", -STEP_MS),
            )
        ),
        ClockWrong(
            kind="T11",
            name="the clocks swing by 5 s, ten times a second",
            hits=frozenset(CLOCKED),
            wounds=wounds,
            chance=chance,
            offsets_ms=(STROBE_MS, -STROBE_MS),
        ),
    )


@dataclass(slots=True, kw_only=True)
class ClockWrong(Shape):
    """Clocks are off by one offset, or by several in turn."""

    chance: Random
    offsets_ms: tuple[int, ...]
    _over: asyncio.Event | None = None
    _pids: dict[str, int] = field(default_factory=dict)
    _is_alone: bool = True
    """Whether nothing else was hurt meanwhile that may end a process."""

    async def inject(self, scene: Scene) -> str:
        """Sets the clocks, and looks whether writes go on."""
        for name in CLOCKED:
            await promise.until_it_runs(self, scene, name)
        before = await promise.head(self, scene)
        self._is_alone = True
        self._pids = {name: scene.pid(name) for name in CLOCKED}
        self._over = over = asyncio.Event()
        scene.clock.step(self.offsets_ms[0])
        self.watch(self._while_wrong(scene, over, before))
        return f"processes {', '.join(map(str, self._pids.values()))}"

    async def heal(self, scene: Scene) -> str:
        """Sets the clocks right and waits until everybody has caught up."""
        over, self._over = self._over, None
        if over is None:
            scene.clock.step(0)
            return ""
        over.set()
        try:
            seen = await self.watched()
        finally:
            scene.clock.step(0)
        for name, pid in self._pids.items():
            if self._is_alone and scene.pids.get(name) != pid:
                raise FaultFailed(f"{name} ended when clocks were wrong: {self.name}.")
        written = await promise.head(self, scene)
        drained_s = await promise.until_published(self, scene, up_to=written)
        shown = await following.until_shown(self, scene, self.chance)
        return "; ".join((seen, f"outbox drained after {drained_s:.1f} s", shown))

    async def _while_wrong(self, scene: Scene, over: asyncio.Event, before: int) -> str:
        strobe = asyncio.create_task(self._strobe(scene), name=self.name)
        try:
            await writes_go_on(self, scene, before)
            return await following.watch_reads(self, scene, self.chance, over)
        finally:
            strobe.cancel()
            await asyncio.wait([strobe])

    async def _strobe(self, scene: Scene) -> None:
        while True:
            self._is_alone = self._is_alone and not self.wounds.of(SERVERS)
            for offset_ms in self.offsets_ms:
                scene.clock.step(offset_ms)
                await asyncio.sleep(1 / STROBES_PER_S)
