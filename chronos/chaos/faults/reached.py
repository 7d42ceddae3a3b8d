"""What is promised to whom while a link is hurt, and what must be caught up with afterwards.

Phases: `while_hurt` from the moment of the hurt until its `over` is set, then `once_healed`.
Of the write side only the link between API and PostgreSQL is part: while that is hurt, a write
is answered or refused as promised; while any other is hurt, writes go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from time import monotonic

from chronos.chaos.fault import FaultFailed
from chronos.chaos.faults import following, promise, write_side
from chronos.chaos.faults.asking import Doors, Reply
from chronos.chaos.faults.kafka import writes_go_on
from chronos.chaos.faults.promise import READY_S, Shape
from chronos.chaos.links import Link
from chronos.chaos.scene import Scene
from chronos.chaos.wounds import Promise

ANSWERED = Promise(text="a door, healed, answers a client", within_s=10.0)
SILENCE_S = 6.0
"""A command's deadline and a little: whoever asks into a cut is told by then."""
_ASK_EVERY_S = 0.2
_WORKERS = frozenset({"relay", "balances", "mirror"})
_READS = frozenset({"kafka", "redis", "balances"})


@dataclass(slots=True, kw_only=True)
class Promised:
    """The promises that concern some links."""

    fault: Shape
    scene: Scene
    links: tuple[Link, ...]
    chance: Random
    before: int
    """Position of the newest event when it began."""
    key: str
    """A key that is spent."""

    async def while_hurt(self, over: asyncio.Event, *, stops_all: bool) -> str:
        """Looks until it is over whether the promises are kept; gives what was seen.

        Raises:
            FaultFailed: One was not.
        """
        if self._uses("api", "postgres"):
            return await self._writes_are_answered_or_refused(over, stops_all=stops_all)
        if self._uses("clients", "api"):
            return await self._others_are_answered(over)
        await writes_go_on(self.fault, self.scene, self.before)
        if any(link.process == "balances" or link.server in _READS for link in self.links):
            return await following.watch_reads(self.fault, self.scene, self.chance, over)
        await over.wait()
        return ""

    async def once_healed(self) -> str:
        """Waits until everybody on the links has caught up; gives how long that took.

        Raises:
            FaultFailed: Somebody has not in time.
        """
        fault, scene = self.fault, self.scene
        told: list[str] = []
        if self._uses("api", "postgres"):
            told.append(await write_side.first_ack(fault, scene))
        for process in _WORKERS.intersection(link.process for link in self.links):
            await self._until_ready(process)
        if self._uses("relay"):
            told.append(await self._published())
        if self._uses("balances") or self._uses("relay"):
            told.append(await following.until_shown(fault, scene, self.chance))
            told.append(await following.until_redis_followed(fault, scene))
        if self._uses("mirror"):
            told.append(await following.until_search_followed(fault, scene))
        return "; ".join((*told, *await self._doors()))

    async def _doors(self) -> list[str]:
        told: list[str] = []
        if self._uses("balances", "elasticsearch"):
            told.append(await self._searches_work())
        if self._uses("clients"):
            told.append(await self._doors_work())
        return told

    def _uses(self, process: str, server: str | None = None) -> bool:
        return any(
            link.process == process and server in (None, link.server) for link in self.links
        )

    async def _writes_are_answered_or_refused(
        self, over: asyncio.Event, *, stops_all: bool
    ) -> str:
        began_s = monotonic()
        answered = refused = 0
        while not over.is_set():
            reply = await promise.doors(self.scene).write(self.key)
            if reply.is_answered:
                answered += 1
            elif reply.is_busy:
                refused += 1
            elif not (reply.status == 0 and self._others_hurt("api")):
                raise FaultFailed(
                    f"A write was told {reply}, Retry-After {reply.retry_after_s}, while this "
                    f"lasted: {self.fault.name}."
                )
            await asyncio.sleep(_ASK_EVERY_S)
        if stops_all and not refused and monotonic() - began_s > SILENCE_S:
            raise FaultFailed(f"No write was refused while this lasted: {self.fault.name}.")
        return f"{answered} writes answered and {refused} refused meanwhile"

    async def _others_are_answered(self, over: asyncio.Event) -> str:
        answered = 0
        while not over.is_set():
            reply = await promise.doors(self.scene).write(self.key)
            if reply.is_answered:
                answered += 1
            elif not self._others_hurt("api", "postgres"):
                raise FaultFailed(
                    f"A client whose way is whole was told {reply} while this lasted: "
                    f"{self.fault.name}."
                )
            await asyncio.sleep(_ASK_EVERY_S)
        return f"{answered} writes of others answered meanwhile"

    def _others_hurt(self, *names: str) -> bool:
        if "api" in self.fault.hits:
            names = tuple(name for name in names if name != "api")
        return bool(self.fault.wounds.of(names))

    async def _until_ready(self, process: str) -> None:
        await promise.until_ready(
            self.fault,
            self.scene,
            process,
            within=READY_S,
            resting_on=self.fault.resting_on("postgres", "kafka"),
        )

    async def _published(self) -> str:
        written = await promise.head(self.fault, self.scene)
        took_s = await promise.until_published(self.fault, self.scene, up_to=written)
        return f"outbox drained after {took_s:.1f} s"

    async def _searches_work(self) -> str:
        heads = await self.fault.wounds.seen(promise.primary(self.scene).heads)
        name = self.chance.choice(sorted(heads))

        async def search() -> Reply:
            return await promise.doors(self.scene).search(name)

        took_s = await self._until_ok(search, "A search", "elasticsearch", "balances")
        return f"a search answered after {took_s:.1f} s"

    async def _doors_work(self) -> str:
        doors = Doors(self.scene.client_addresses)

        async def write() -> Reply:
            return await doors.write(self.key)

        heads = await self.fault.wounds.seen(promise.primary(self.scene).heads)
        name = self.chance.choice(sorted(heads))

        async def read() -> Reply:
            return await doors.balance(name)

        asked, who = (write, "A write") if self._uses("clients", "api") else (read, "A read")
        took_s = await self._until_ok(asked, who, "api", "postgres", "balances")
        return f"a client answered after {took_s:.1f} s"

    async def _until_ok(
        self, ask: Callable[[], Awaitable[Reply]], who: str, *rests: str
    ) -> float:
        last: list[Reply] = []

        async def is_ok() -> bool:
            last[:] = [await ask()]
            return last[0].status == 200 or last[0].is_answered

        return await self.fault.wounds.until(
            is_ok,
            within=ANSWERED,
            resting_on=self.fault.resting_on(*rests),
            failure=lambda: f"{who} through a link that is whole again is told {last[0]}.",
        )


async def promised(
    fault: Shape, scene: Scene, links: Sequence[Link], chance: Random
) -> Promised:
    """Gives the promises of some links, as of now."""
    return Promised(
        fault=fault,
        scene=scene,
        links=tuple(links),
        chance=chance,
        before=await promise.head(fault, scene),
        key=await promise.spent_key(fault, scene),
    )
