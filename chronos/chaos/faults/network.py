"""T9: links between processes and servers are cut, slow, or break.

All of it is done by the TCP proxies of the run (`chronos.chaos.links`), so it needs no rights
and no network namespaces, and each link can be hurt by itself. What a proxy cannot show is the
loss of single packets, which TCP hides from both ends anyway.

A link hurts the process that uses it: the server at its other end goes on for everybody else.
A whole server is cut off from everybody.
"""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass
from random import Random
from typing import assert_never

from chronos.chaos.fault import Fault
from chronos.chaos.faults import reached
from chronos.chaos.faults.promise import Shape
from chronos.chaos.links import ALL_LINKS, Link
from chronos.chaos.proxy import BOTH_WAYS, Proxy, Speed, Way
from chronos.chaos.scene import Scene
from chronos.chaos.wounds import Wounds

SLOW = Speed(bytes_per_s=8_000, delay_s=0.05)
"""64 kbit/s."""
DRIP = Speed(bytes_per_s=9)
"""So few bytes that each is sent by itself."""
SERVERS = ("postgres", "kafka", "redis", "elasticsearch")


class How(enum.StrEnum):
    """What becomes of a link; said of it in a fault's name."""

    SILENT = "is cut in silence"
    DEAF = "carries nothing to the server"
    MUTE = "carries nothing to the client"
    REFUSED = "is reset and refuses connections"
    BROKEN = "loses its connections once"
    HALF_CLOSED = "ends what the server says"
    SLOW = "has 64 kbit/s"
    DRIPPING = "lets single bytes through"

    @property
    def stops_all(self) -> bool:
        """Tells whether nothing comes through while it lasts."""
        return self in {How.SILENT, How.DEAF, How.MUTE, How.REFUSED}


_WAYS: dict[How, tuple[Way, ...]] = {
    How.SILENT: BOTH_WAYS,
    How.DEAF: (Way.TO_SERVER,),
    How.MUTE: (Way.TO_CLIENT,),
}
# A server that drips to everybody, or loses connections once, is what its links show already.
_OF_SERVERS = (How.SILENT, How.DEAF, How.MUTE, How.REFUSED)


def network_faults(chance: Random, wounds: Wounds) -> tuple[Fault, ...]:
    """Gives the faults of this module: every link in every way, every server cut off."""
    links = tuple(
        LinkHurt(
            kind="T9",
            name=f"the link {link} {how}",
            hits=frozenset({_user(link)}),
            wounds=wounds,
            chance=chance,
            links=(link,),
            how=how,
        )
        for link in ALL_LINKS
        for how in How
    )
    servers = tuple(
        LinkHurt(
            kind="T9",
            name=f"every link to {server} {how}",
            hits=frozenset({server}),
            wounds=wounds,
            chance=chance,
            links=tuple(link for link in ALL_LINKS if link.server == server),
            how=how,
        )
        for server in SERVERS
        for how in _OF_SERVERS
    )
    return (*links, *servers)


@dataclass(slots=True, kw_only=True)
class LinkHurt(Shape):
    """One link, or all links of one server, are hurt in one way."""

    chance: Random
    links: tuple[Link, ...]
    how: How
    _over: asyncio.Event | None = None

    async def inject(self, scene: Scene) -> str:
        """Hurts them, and looks whether those that need no such link go on."""
        promised = await reached.promised(self, scene, self.links, self.chance)
        for link in self.links:
            await hurt(scene.links.proxy(link.process, link.server), self.how)
        self._over = asyncio.Event()
        self.watch(promised.while_hurt(self._over, stops_all=self.how.stops_all))
        return ", ".join(map(str, self.links))

    async def heal(self, scene: Scene) -> str:
        """Heals them and waits until whoever uses them has caught up."""
        for link in self.links:
            await scene.links.proxy(link.process, link.server).heal()
        over, self._over = self._over, None
        if over is None:
            return ""
        over.set()
        seen = await self.watched()
        promised = await reached.promised(self, scene, self.links, self.chance)
        return "; ".join(filter(None, (seen, await promised.once_healed())))


async def hurt(proxy: Proxy, how: How) -> None:
    """Does to a link what its state says, until it is healed."""
    match how:
        case How.SILENT | How.DEAF | How.MUTE:
            proxy.cut(*_WAYS[how])
        case How.REFUSED:
            await proxy.reset()
        case How.BROKEN:
            proxy.break_connections()
        case How.HALF_CLOSED:
            proxy.half_close(Way.TO_CLIENT)
        case How.SLOW:
            proxy.slow(SLOW)
        case How.DRIPPING:
            proxy.slow(DRIP)
        case _:
            assert_never(how)


def _user(link: Link) -> str:
    """Names the process that a hurt link hurts: the one that asks, and ours if clients do."""
    return link.server if link.process == "clients" else link.process
