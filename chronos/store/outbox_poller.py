"""One watcher of the database's snapshot for all shards of a process.

A watcher per shard would spend a core on asking. While transactions commit it asks every 10
ms; after that ever more seldom, down to every 20 ms. An unchanged snapshot means that there
is nothing to read. A changed one may still bring no row: another table was written, or a
checkpoint was.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from chronos.errors import Unavailable
from chronos.store.outbox import connect, current_snapshot

if TYPE_CHECKING:
    import asyncpg

    from chronos.store.outbox_cursor import Snapshot

BUSY_PAUSE_S: Final = 0.010
IDLE_PAUSE_S: Final = 0.020
_GROWTH: Final = 1.25
_RETRY_S: Final = 0.5
_log = structlog.get_logger(room="store")


class SnapshotPoller:
    """Keeps the newest snapshot of the database and wakes who waits for a newer one.

    Args:
        dsn: PostgreSQL as the role `chronos_relay`.
    """

    def __init__(self, dsn: str):
        self._dsn = dsn
        self._newest: Snapshot | None = None
        self._changed = asyncio.Event()
        self._connection: asyncpg.Connection | None = None

    async def run(self) -> None:
        """Watches until cancelled; a lost connection is opened again."""
        try:
            while True:
                try:
                    await self._watch()
                except Unavailable as fault:
                    _log.warning("snapshot_poller_lost", reason=fault.detail)
                    await asyncio.sleep(_RETRY_S)
        finally:
            if self._connection is not None:
                self._connection.terminate()

    def newest_after(self, snapshot: Snapshot) -> Snapshot | None:
        """Gives the newest snapshot, if it is newer than this one."""
        if self._newest is not None and self._newest.is_newer_than(snapshot):
            return self._newest
        return None

    async def wait_newer(self, snapshot: Snapshot, timeout_s: float) -> None:
        """Returns once there is a newer snapshot, or after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.newest_after(snapshot) is None:
                    await self._changed.wait()
        except TimeoutError:
            return

    async def _watch(self) -> None:
        self._connection = await connect(self._dsn, "poller")
        pause_s = IDLE_PAUSE_S
        while True:
            found = await current_snapshot(self._connection)
            if self._newest is None or found != self._newest:
                self._newest = found
                changed, self._changed = self._changed, asyncio.Event()
                changed.set()
                pause_s = BUSY_PAUSE_S
            else:
                pause_s = min(pause_s * _GROWTH, IDLE_PAUSE_S)
            await asyncio.sleep(pause_s)
