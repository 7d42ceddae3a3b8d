"""T12: everything but PostgreSQL is lost, and made again from the journal.

Phases: stop Chronos's processes and the three servers → wipe Kafka's logs, Redis, Elasticsearch
and the tables of the workers → start the servers, empty → `chronos rebuild all`, as a person
runs it → start the processes → `chronos reconcile` compares every copy with the journal.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from time import monotonic
from typing import Any

from chronos.chaos.fault import Fault, FaultFailed, Phase
from chronos.chaos.faults import commanding, promise
from chronos.chaos.faults.promise import READY_S, Shape
from chronos.chaos.faults.swizzle import EVERYTHING
from chronos.chaos.scene import Scene
from chronos.chaos.wounds import Wounds
from chronos.embedded.together import together

LOST = ("kafka", "redis", "elasticsearch")
PROCESSES = ("mirror", "balances", "relay", "api")
"""The last of the flow first, so that each has nothing left to do when its turn comes."""
REBUILT_S = 600.0
FOLDED_S = 300.0
"""Time in which the workers fold the whole journal anew: an hour of load, a million events."""
COMPARED_S = FOLDED_S + 300.0


def total_loss_faults(wounds: Wounds) -> tuple[Fault, ...]:
    """Gives the fault of this module."""
    lost = TotalLoss(
        kind="T12",
        name="everything but PostgreSQL is lost",
        hits=EVERYTHING - {"postgres"},
        wounds=wounds,
        phase=Phase.AFTER,
    )
    return (lost,)


@dataclass(slots=True, kw_only=True)
class TotalLoss(Shape):
    """Kafka, Redis, Elasticsearch and the workers' tables are empty."""

    _is_lost: bool = False

    async def inject(self, scene: Scene) -> str:
        """Stops all that is to be lost, and wipes it."""
        self._is_lost = True
        for name in (*PROCESSES, *LOST):
            await scene.stop(name)
        await asyncio.to_thread(_wipe, scene)
        return f"wiped {', '.join(LOST)} and the workers' tables"

    async def heal(self, scene: Scene) -> str:
        """Rebuilds all of it and waits until everything serves and is equal."""
        if not self._is_lost:
            return ""
        await together(*(scene.bring_up(name) for name in LOST))
        began_s = monotonic()
        facts = await _rebuilt(scene)
        rebuilt_s = monotonic() - began_s
        for name in reversed(PROCESSES):
            await scene.bring_up(name)
            await promise.until_ready(self, scene, name, within=READY_S, resting_on=frozenset())
        await _compared(scene)
        self._is_lost = False
        published = facts.get("kafka", {}).get("published", {})
        return f"rebuilt in {rebuilt_s:.1f} s ({published.get('events', 0)} events), all equal"


def _wipe(scene: Scene) -> None:
    folder = scene.pipeline.folder
    home = folder.stand_in or folder.path
    for server in LOST:
        shutil.rmtree(home / server)
    shutil.rmtree(folder.state)
    folder.state.mkdir(mode=0o700)


async def _rebuilt(scene: Scene) -> dict[str, Any]:
    code, facts = await commanding.chronos(scene, "rebuild", "all", within_s=REBUILT_S)
    if code != 0:
        raise FaultFailed(f"`chronos rebuild all` ended with exit code {code}: {facts}")
    return facts


async def _compared(scene: Scene) -> None:
    wait = ("--wait", str(FOLDED_S))
    code, report = await commanding.chronos(scene, "reconcile", *wait, within_s=COMPARED_S)
    if code != 0:
        raise FaultFailed(
            f"After `chronos rebuild all` the copies differ from the journal: "
            f"{report.get('differences_by_check', report)}, {report.get('findings', [])[:3]}"
        )
