"""The relay's side of the outbox: which rows became visible, up to where they were published.

The outbox is read by snapshot difference. Between two snapshots s1 and s2 of the database,
exactly the rows of the transactions that s2 sees and s1 does not are new, whatever their
numbers are and whoever is still writing. Positions are drawn under the lock of their account,
so ordering those rows by position keeps the order of every account.

Phases for one shard: take it (advisory lock, next epoch), read pages, publish them elsewhere,
save the cursor under the epoch, close. The lock lives on the connection that reads: whoever
loses the connection has lost the shard. A stopped process keeps its lock, so a taker that is
refused for a while, and sees no epoch move, ends the holder's connection. The epoch is the
fence behind the lock: a cursor is saved only by its newest taker.

Why not the simpler ways, each of which was tried: `position > last` loses the row of a
transaction that commits late; waiting for the oldest open transaction stalls behind an idle
one and inverts versions of an account; `SKIP LOCKED` with DELETE leaves as many dead rows as
were published.

Bounds: a page has at most `rows_max` rows; a statement lasts at most 10 s; nothing is
deleted.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any, Final

import asyncpg

from chronos.errors import ChronosError
from chronos.store import outbox_statements as statements
from chronos.store.cluster_identity import check_identity
from chronos.store.faults import translated
from chronos.store.outbox_cursor import Cursor, Row, Snapshot

LOCK_CLASS: Final = 0x43524C59
"""First half of the advisory lock of a shard; the second half is the shard."""
TAKEOVER_AFTER_S: Final = 5.0
CONNECT_DEADLINE_S: Final = 5.0
STATEMENT_DEADLINE_S: Final = 10.0
BACKLOG_COUNTED_MAX: Final = 100_000
_REFUSED_PAUSE_S: Final = 0.25


class Fenced(ChronosError):
    """Says that another process took the shard: publish nothing more of it."""


async def connect(dsn: str, purpose: str) -> asyncpg.Connection:
    """Opens a connection of the relay, on which a commit does not wait for the disk.

    A checkpoint that is lost with the server is published again; nothing else is written here.
    The planner is told to use the indexes: the tables are empty when it first looks.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    with translated():
        return await asyncpg.connect(
            dsn,
            timeout=CONNECT_DEADLINE_S,
            command_timeout=STATEMENT_DEADLINE_S,
            server_settings={
                "application_name": f"chronos relay {purpose}",
                "synchronous_commit": "off",
                "enable_seqscan": "off",
                "enable_bitmapscan": "off",
                "jit": "off",
            },
        )


async def current_snapshot(connection: asyncpg.Connection) -> Snapshot:
    """Tells what a transaction would see now.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    with translated():
        return Snapshot(*await connection.fetchval("SELECT pg_current_snapshot()"))


async def take_shard(dsn: str, shard: int, *, held_epoch: int | None) -> ShardHold | None:
    """Takes a shard, or tells by None that another process took it over.

    A holder that stays for 5 s without a new epoch loses its connection, and with it the shard:
    it is stopped, or has not heard that the shard is not its own any more.

    Args:
        dsn: PostgreSQL as the role `chronos_relay`.
        shard: The shard, from 0.
        held_epoch: Epoch under which this process held the shard since it was last assigned,
            None if it did not. When a newer one exists, its holder is left alone.

    Raises:
        UnsafeSetting: The database is not the one that was published from.
        Unavailable: PostgreSQL does not answer.
    """
    connection = await connect(dsn, f"shard {shard}")
    try:
        identity = await check_identity(connection, shard)
        with translated():
            ended_holders = await _lock(connection, shard, held_epoch)
            if ended_holders is None:
                await connection.close(timeout=CONNECT_DEADLINE_S)
                return None
            epoch = await connection.fetchval(
                statements.NEXT_EPOCH, shard, identity.system_identifier, identity.timeline_id
            )
            stored = await connection.fetchrow(statements.CHECKPOINT, shard)
    except BaseException:
        connection.terminate()
        raise
    hold = ShardHold(connection, shard=shard, epoch=epoch, cursor=_cursor_of(stored))
    hold.ended_holders = ended_holders
    return hold


class ShardHold:
    """Is one shard in the hands of this process, from its lock to its close.

    Attributes:
        shard: The shard.
        epoch: Number of this hold among all holds of the shard.
        cursor: What was published when it was taken.
        ended_holders: Connections of others that were ended to take it.
    """

    def __init__(
        self, connection: asyncpg.Connection, *, shard: int, epoch: int, cursor: Cursor
    ):
        self._connection = connection
        self._one_at_a_time = asyncio.Lock()
        self._may_sort = True
        self.shard = shard
        self.epoch = epoch
        self.cursor = cursor
        self.ended_holders = 0

    @property
    def is_lost(self) -> bool:
        """Tells whether the connection, and with it the lock, is known to be gone."""
        return bool(self._connection.is_closed())

    async def snapshot(self) -> Snapshot:
        """Tells what a transaction would see now."""
        async with self._one_at_a_time:
            return await current_snapshot(self._connection)

    async def page(
        self, cursor: Cursor, target: Snapshot, rows_max: int
    ) -> tuple[list[Row], Cursor]:
        """Reads the next rows after `cursor`, by position.

        Args:
            cursor: What is published, or on its way.
            target: A newer snapshot to read up to; ignored inside a frozen window.
            rows_max: Most rows of a page.

        Returns:
            The rows, and the cursor for when they are published.

        Raises:
            Unavailable: The connection, and with it the shard, is lost.
        """
        if cursor.frozen is None:
            rows = await self._head(cursor.snapshot, target, rows_max + 1)
            if len(rows) <= rows_max:
                return rows, Cursor(snapshot=target)
            page, frozen = rows[:rows_max], target
        else:
            page = await self._backlog(cursor, rows_max)
            frozen = cursor.frozen
            if len(page) < rows_max:
                return page, Cursor(snapshot=frozen)
        return page, Cursor(
            snapshot=cursor.snapshot, frozen=frozen, last_position=page[-1].position
        )

    async def save(self, cursor: Cursor) -> None:
        """Stores what is published, if this is still the newest hold of the shard.

        Raises:
            Fenced: Another process has taken the shard since.
            Unavailable: The connection, and with it the shard, is lost.
        """
        async with self._one_at_a_time:
            with translated():
                done = await self._connection.execute(
                    statements.SAVE,
                    self.shard,
                    self.epoch,
                    cursor.snapshot.text(),
                    None if cursor.frozen is None else cursor.frozen.text(),
                    cursor.last_position,
                )
        if done != "UPDATE 1":
            raise Fenced(f"Shard {self.shard} was taken after epoch {self.epoch}.")

    async def close(self) -> None:
        """Gives the shard up."""
        if not self._connection.is_closed():
            try:
                with translated():
                    await self._connection.close(timeout=CONNECT_DEADLINE_S)
            finally:
                self._connection.terminate()

    async def _head(self, s1: Snapshot, s2: Snapshot, limit: int) -> list[Row]:
        return await self._rows(
            statements.HEAD, self.shard, s1.xmax, s2.xmax, s2, s2.ended_since(s1), limit
        )

    async def _backlog(self, cursor: Cursor, limit: int) -> list[Row]:
        last = -1 if cursor.last_position is None else cursor.last_position
        return await self._rows(
            statements.BACKLOG, self.shard, last, cursor.frozen, cursor.snapshot, limit
        )

    async def _rows(self, statement: str, *arguments: Any) -> list[Row]:
        # Before its first ANALYZE a table looks small, and sorting it for each page cheap. So a
        # window is walked by its index only; the head, which is short, may be sorted.
        may_sort = statement is statements.HEAD
        async with self._one_at_a_time:
            with translated():
                if may_sort != self._may_sort:
                    await self._connection.execute(
                        statements.SORT if may_sort else statements.DO_NOT_SORT
                    )
                    self._may_sort = may_sort
                found = await self._connection.fetch(statement, *arguments)
        return [Row(*record) for record in found]


async def count_unpublished(connection: asyncpg.Connection, shard: int) -> int:
    """Counts rows past the stored checkpoint of a shard, up to 100,000.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    with translated():
        stored = await connection.fetchrow(statements.CHECKPOINT, shard)
        snapshot = _cursor_of(stored).snapshot
        found: int = await connection.fetchval(
            statements.UNPUBLISHED, shard, snapshot.xmin, snapshot, BACKLOG_COUNTED_MAX
        )
    return found


async def _lock(
    connection: asyncpg.Connection, shard: int, held_epoch: int | None
) -> int | None:
    seen_epoch: int | None = None
    since_s = monotonic()
    ended = 0
    while not await connection.fetchval(statements.TRY_LOCK, LOCK_CLASS, shard):
        epoch = (await connection.fetchrow(statements.CHECKPOINT, shard))["epoch"]
        if held_epoch is not None and epoch != held_epoch:
            return None
        if epoch != seen_epoch:
            seen_epoch, since_s = epoch, monotonic()
        elif monotonic() - since_s > TAKEOVER_AFTER_S:
            ended += await connection.fetchval(statements.END_HOLDER, LOCK_CLASS, shard)
            since_s = monotonic()
        await asyncio.sleep(_REFUSED_PAUSE_S)
    return ended


def _cursor_of(stored: asyncpg.Record) -> Cursor:
    frozen = stored["frozen_snapshot"]
    return Cursor(
        snapshot=Snapshot.parse(stored["snapshot"]),
        frozen=None if frozen is None else Snapshot.parse(frozen),
        last_position=stored["window_last_position"],
    )
