"""T10: PostgreSQL's disk is full to the last page, and has room again.

Needs the disk of its own that the scene mounts (`chronos.chaos.small_disk`). Rows and log share
it: PostgreSQL may refuse statements, or stop and not come up while there is no room. Either way
writes are told 503, and when there is room it serves without anybody's help.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic

from chronos.chaos.fault import Fault, FaultFailed
from chronos.chaos.faults import metering, promise, write_side
from chronos.chaos.faults.promise import Shape
from chronos.chaos.readers.pages import Pages
from chronos.chaos.scene import Scene
from chronos.chaos.small_disk import SmallDisk
from chronos.chaos.wounds import Wounds

SEGMENTS_MAX = 128
"""More than are ever kept."""
FELT_S = 5.0
"""Time in which clients at work have filled the pages that are there already."""
_LOOK_EVERY_S = 0.5


def disk_faults(wounds: Wounds) -> tuple[Fault, ...]:
    """Gives the fault of this module."""
    return tuple(
        DiskFull(
            kind="T10",
            name=f"PostgreSQL's disk is full{how}",
            hits=frozenset({"postgres"}),
            wounds=wounds,
            least_s=FELT_S + 2,
            uses_up_log=uses_up_log,
        )
        for how, uses_up_log in (("", False), (", and its log needs room first", True))
    )


@dataclass(slots=True, kw_only=True)
class DiskFull(Shape):
    """Not a page is free while it lasts.

    With `uses_up_log` the segments of the log that are there already are used up, so that
    PostgreSQL panics; else the rows are the first to find no room.
    """

    uses_up_log: bool
    _over: asyncio.Event | None = None

    async def impossible(self, scene: Scene) -> str:
        """Says why PostgreSQL has no disk of its own here."""
        if scene.disk is None:
            return "the run gave PostgreSQL no disk of its own"
        return scene.disk.reason

    async def inject(self, scene: Scene) -> str:
        """Fills the disk, and looks what writes are told."""
        told = await self.wounds.seen(
            lambda: metering.told(scene), resting_on=self.resting_on("api")
        )
        filled = await _disk(scene).fill()
        self._over = over = asyncio.Event()
        self.watch(self._refuses(scene, told, over))
        used = ""
        if self.uses_up_log:
            pages = Pages(scene.addresses.postgres)
            used = f", after {await pages.use_segments(SEGMENTS_MAX)} segments of the log"
        return f"{filled >> 20} MiB of ballast{used}"

    async def heal(self, scene: Scene) -> str:
        """Makes room and waits until writes are acknowledged again."""
        _disk(scene).empty()
        over, self._over = self._over, None
        if over is None:
            return ""
        over.set()
        ready_s = await promise.until_ready(
            self,
            scene,
            "postgres",
            within=write_side.POSTGRES_READY_S,
            resting_on=frozenset(),
        )
        first = await write_side.first_ack(self, scene)
        return f"{await self.watched()}; served {ready_s:.1f} s later; {first}"

    async def _refuses(self, scene: Scene, before: metering.Told, over: asyncio.Event) -> str:
        """Sees in the API's own counts what clients were told.

        Raises:
            FaultFailed: Writes went on without room, or one was answered with 500.
        """
        began_s = monotonic()
        lasted_s = 0.0
        # The disk is filled further: what a checkpoint gave back is no room for writes.
        while not over.is_set():
            await asyncio.sleep(_LOOK_EVERY_S)
            if not over.is_set():
                await _disk(scene).fill()
                lasted_s = monotonic() - began_s
        now = await self.wounds.seen(
            lambda: metering.told(scene), resting_on=self.resting_on("api")
        )
        if now.errors > before.errors:
            raise FaultFailed(
                f"On a full disk {now.errors - before.errors} requests were told 500."
            )
        refused = now.unavailable - before.unavailable
        if refused < 0:
            return "the API was started anew meanwhile"
        if not refused and lasted_s > FELT_S:
            raise FaultFailed(f"No write was refused in {lasted_s:.0f} s on a full disk.")
        return f"{refused} requests refused with 503"


def _disk(scene: Scene) -> SmallDisk:
    if scene.disk is None:
        raise FaultFailed("PostgreSQL has no disk of its own, so none can be filled.")
    return scene.disk
