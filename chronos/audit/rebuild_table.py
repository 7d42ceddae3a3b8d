"""Makes the Faust table `balances` anew: its workers replay the events at their next start.

The table cannot be filled beside the old one, because its place is the workers' own disk and
the offsets of their group. So this is done while no balances worker runs: its disk state and
the records of its changelog are deleted, and its group begins the events topic again. The next
start replays; until it has, views answer from Redis, or 503.

Each step may be done twice, so a rebuild that was killed is run again; and where workers run on
several machines, it is run on each of them before the first worker starts, because each has its
own disk state. There is no old copy to keep: the changelog is made of the events, and the
events stay.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from chronos.audit.rebuild import Progress
from chronos.audit.stopped import refuse_while_running
from chronos.stream.topic_admin import open_admin
from chronos.wire.topics import Names

ROLE = "balances"
_STEPS = 3


async def rebuild_table(
    kafka: str, names: Names, state: Path, *, progress: Progress
) -> dict[str, object]:
    """Wipes the table and has its workers replay the events at their next start.

    Args:
        kafka: Bootstrap server.
        names: The names of the namespace.
        state: The folder with the workers' state; only the balances workers' is deleted.
        progress: Told each step.

    Returns:
        What was done.

    Raises:
        MissingPart: A balances worker runs.
        Unavailable: Kafka does not answer; running again goes on.
    """
    async with open_admin(kafka) as admin:
        await refuse_while_running(admin, names, [ROLE])
        progress("wiping", 0, _STEPS)
        folders = await asyncio.to_thread(_wipe, state)
        progress("wiping", 1, _STEPS)
        await admin.empty_compacted(names.balances_changelog)
        progress("wiping", 2, _STEPS)
        await admin.read_from_beginning(names.app_id(ROLE), names.events)
        progress("wiping", 3, _STEPS)
    return {
        "wiped": folders,
        "emptied": [names.balances_changelog],
        "replays_at_next_start": [names.events],
    }


def _wipe(state: Path) -> list[str]:
    wiped: list[str] = []
    for folder in sorted(state.glob(f"{ROLE}-*")):
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
            wiped.append(str(folder))
    return wiped
