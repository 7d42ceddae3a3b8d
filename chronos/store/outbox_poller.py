"""One watcher of the database's snapshot for all shards of a process.

A watcher per shard would spend a core on asking. While transactions commit it asks every 5
ms; after that ever more seldom, down to every 20 ms. An unchanged snapshot means that there
is nothing to read. A changed one may still bring no row: another table was written, or a
checkpoint was.

Who reads tells since when it holds its shard, and gets no snapshot that was asked for before.
A server that crashed gives transaction numbers out again that it had not written down (tried:
30 numbers taken back after `kill -9`). A snapshot from before the crash, remembered here, shows
their new owners as over while they still write: their rows would never be published.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Final

import structlog

from chronos.errors import Unavailable
from chronos.store.outbox import connect, current_snapshot

if TYPE_CHECKING:
    import asyncpg

    from chronos.store.outbox_cursor import Snapshot

BUSY_PAUSE_S: Final = 0.005
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
        self._asked_at_s = 0.0
        self._changed = asyncio.Event()
        self._connection: asyncpg.Connection | None = None

    async def run(self) -> None:
        """Watches until cancelled; a lost connection is opened again."""
        try:
            while True:
                try:
                    await self._watch()
                except Unavailable as fault:
                    self._give_up_connection()
                    _log.warning("snapshot_poller_lost", reason=fault.detail)
                    await asyncio.sleep(_RETRY_S)
        finally:
            self._give_up_connection()

    def newest_after(self, snapshot: Snapshot, *, asked_since_s: float) -> Snapshot | None:
        """Gives the newest snapshot, if it is newer than this one and young enough.

        Args:
            snapshot: What is known already.
            asked_since_s: Moment of `time.monotonic` before which it must not have been asked.
        """
        if self._newest is None or self._asked_at_s < asked_since_s:
            return None
        return self._newest if self._newest.is_newer_than(snapshot) else None

    async def wait_newer(
        self, snapshot: Snapshot, timeout_s: float, *, asked_since_s: float
    ) -> None:
        """Returns once `newest_after` gives a snapshot, or after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.newest_after(snapshot, asked_since_s=asked_since_s) is None:
                    await self._changed.wait()
        except TimeoutError:
            return

    async def _watch(self) -> None:
        self._connection = await connect(self._dsn, "poller")
        pause_s = IDLE_PAUSE_S
        while True:
            asked_at_s = monotonic()
            found = await current_snapshot(self._connection)
            changed = found != self._newest
            self._newest, self._asked_at_s = found, asked_at_s
            if changed:
                waited_for, self._changed = self._changed, asyncio.Event()
                waited_for.set()
                pause_s = BUSY_PAUSE_S
            else:
                pause_s = min(pause_s * _GROWTH, IDLE_PAUSE_S)
            await asyncio.sleep(pause_s)

    def _give_up_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
