"""What the benches of one worker's backlog share: the backlog, and the worker alone with it.

The worker was started once with nothing to do, so that its group has places to go on from; it
is stopped while the relay publishes, and the relay before it starts again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chronos.bench.stages.backlog import Drained, watch_drain
from chronos.bench.stages.stage import Stage
from chronos.bench.stages.town import Town, TownPlan


async def make_backlog(
    stage: Stage, *, accounts: int, events: int, idle: Sequence[str]
) -> Town:
    """Has the relay publish a backlog while these processes are stopped; then stops it too.

    Raises:
        BenchFault: The relay did not publish it all.
    """
    await stage.stop(*idle)
    plan = TownPlan(accounts=accounts, events=events, now=stage.clock.now(), is_published=True)
    before = await stage.in_topic(stage.names.events)
    town = await stage.fill(plan)
    await stage.until_published(before + town.events)
    await stage.stop("relay")
    return town


async def drain(stage: Stage, worker: str, *, counter: str, records: int) -> Drained:
    """Starts a worker and watches until its counter, which begins at zero, has all records.

    Raises:
        BenchFault: The worker stands still.
    """
    async with asyncio.TaskGroup() as group:
        # A short backlog is gone before the worker says that it is ready.
        group.create_task(stage.start(worker))
        return await watch_drain(
            lambda: stage.counted(worker, counter),
            records=records,
            pid=lambda: stage.pid(worker),
        )
