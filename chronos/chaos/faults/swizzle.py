"""T13: services are clogged one by one and unclogged in another order (FoundationDB's swizzle).

Clogged is a service whose links are all silent. The order in which they come back is the point:
each process meets some servers while others are still away.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random

from chronos.chaos.fault import Fault
from chronos.chaos.faults import reached
from chronos.chaos.faults.network import SERVERS
from chronos.chaos.faults.promise import Shape
from chronos.chaos.links import ALL_LINKS
from chronos.chaos.scene import Scene
from chronos.chaos.wounds import Wounds

CLOGGED_OVER_S = 5.0
UNCLOGGED_EVERY_S = 0.5
EVERYTHING = frozenset((*SERVERS, "api", "relay", "balances", "mirror"))
_SERVICES = (*SERVERS, "clients")


def swizzle_faults(chance: Random, wounds: Wounds) -> tuple[Fault, ...]:
    """Gives the fault of this module."""
    swizzle = Swizzle(
        kind="T13",
        name="services are clogged one by one and unclogged in another order",
        hits=EVERYTHING,
        wounds=wounds,
        least_s=CLOGGED_OVER_S + 1,
        chance=chance,
    )
    return (swizzle,)


@dataclass(slots=True, kw_only=True)
class Swizzle(Shape):
    """All services fall silent in turn, and speak again in another turn."""

    chance: Random

    async def inject(self, scene: Scene) -> str:
        """Begins to clog them."""
        order = self.chance.sample(_SERVICES, len(_SERVICES))
        self.watch(self._clog(scene, order))
        return "clogged " + ", ".join(order)

    async def heal(self, scene: Scene) -> str:
        """Unclogs them one by one and waits until everybody has caught up."""
        order = self.chance.sample(_SERVICES, len(_SERVICES))
        try:
            await self.watched()
            for service in order:
                await scene.links.heal(service)
                await asyncio.sleep(UNCLOGGED_EVERY_S)
        finally:
            await scene.links.heal_all()
        promised = await reached.promised(self, scene, ALL_LINKS, self.chance)
        return f"unclogged {', '.join(order)}; {await promised.once_healed()}"

    async def _clog(self, scene: Scene, order: list[str]) -> str:
        for service in order:
            scene.links.cut(service)
            await asyncio.sleep(CLOGGED_OVER_S / len(order))
        return ""
