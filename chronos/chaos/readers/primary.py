"""What faults ask PostgreSQL, and do to it, by SQL of their own.

Each call is one short connection of the owner, past every link, bounded by `DEADLINE_S` for the
connecting and again for each statement. `Unseen` says that there was no answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

from chronos.chaos.fault import Unseen

DEADLINE_S = 5.0
_CLOSE_S = 1.0
_LOCK_CLASS = 0x43524C59
"""First half of the advisory lock that a relay holds on a shard; the second is the shard."""
_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    EOFError,
)

_HEAD = "SELECT coalesce(max(position), 0) FROM events"
_HEADS = """
SELECT accounts.account_id, head.version
FROM accounts
CROSS JOIN LATERAL (
  SELECT version
  FROM events
  WHERE events.account_id = accounts.account_id
  ORDER BY version DESC
  LIMIT 1
) AS head
"""
_BOOKED = """
SELECT booked_after
FROM events
WHERE account_id = $1::text AND version = $2::bigint
"""
_SPENT_KEY = """
SELECT idempotency_key
FROM receipts
WHERE principal = $1::text AND status < 300
LIMIT 1
"""
_UNPUBLISHED = """
SELECT count(*)
FROM (
  SELECT shard, position, xid FROM outbox_0
  UNION ALL
  SELECT shard, position, xid FROM outbox_1
  UNION ALL
  SELECT shard, position, xid FROM outbox_2
) AS waiting
JOIN relay_checkpoints AS checkpoint USING (shard)
WHERE waiting.position <= $1::bigint
  AND NOT pg_visible_in_snapshot(waiting.xid, checkpoint.snapshot::pg_snapshot)
  AND NOT (
    checkpoint.frozen_snapshot IS NOT NULL
    AND waiting.position <= checkpoint.window_last_position
    AND pg_visible_in_snapshot(waiting.xid, checkpoint.frozen_snapshot::pg_snapshot)
  )
"""
_SHARDS = """
SELECT checkpoint.shard, checkpoint.epoch, array_remove(array_agg(held.pid), NULL) AS holders
FROM relay_checkpoints AS checkpoint
LEFT JOIN pg_locks AS held
  ON held.locktype = 'advisory'
  AND held.classid::bigint = $1::bigint
  AND held.objid::bigint = checkpoint.shard
  AND held.objsubid = 2
  AND held.granted
WHERE checkpoint.shard < $2::smallint
GROUP BY checkpoint.shard, checkpoint.epoch
ORDER BY checkpoint.shard
"""
WRITER: Final = "chronos_writer"
"""The role of the command endpoint, by its name in the documentation of the schema."""

_WRITERS = """
SELECT pid
FROM pg_stat_activity
WHERE usename = $1::text AND backend_type = 'client backend' AND pid <> pg_backend_pid()
ORDER BY pid
"""
_TERMINATE = "SELECT count(*) FROM unnest($1::int[]) AS pid WHERE pg_terminate_backend(pid)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One shard of the outbox: how often it was taken, and which sessions hold its lock."""

    shard: int
    epoch: int
    holders: tuple[int, ...]


class Primary:
    """Asks PostgreSQL as its owner.

    Args:
        dsn: The owner's address, past every link.
    """

    def __init__(self, dsn: str):
        self._dsn = dsn

    async def head(self) -> int:
        """Gives the position of the newest event; 0 in an empty journal."""
        async with self._connected() as connection:
            return int(await connection.fetchval(_HEAD))

    async def heads(self) -> dict[str, int]:
        """Gives the newest version of every account."""
        async with self._connected() as connection:
            return {row[0]: row[1] for row in await connection.fetch(_HEADS)}

    async def booked_at(self, account_id: str, version: int) -> int | None:
        """Gives an account's balance after one of its events; None: there is none."""
        async with self._connected() as connection:
            found: int | None = await connection.fetchval(_BOOKED, account_id, version)
            return found

    async def spent_key(self, principal: str) -> str | None:
        """Gives some key under which a command of this principal was granted."""
        async with self._connected() as connection:
            found: str | None = await connection.fetchval(_SPENT_KEY, principal)
            return found

    async def unpublished(self, up_to: int) -> int:
        """Counts rows of the outbox up to a position that no relay has published."""
        async with self._connected() as connection:
            return int(await connection.fetchval(_UNPUBLISHED, up_to))

    async def shards(self, count: int) -> tuple[Shard, ...]:
        """Gives the first shards of the outbox with whoever holds their locks."""
        async with self._connected() as connection:
            rows = await connection.fetch(_SHARDS, _LOCK_CLASS, count)
        return tuple(
            Shard(shard=row["shard"], epoch=row["epoch"], holders=tuple(row["holders"]))
            for row in rows
        )

    async def writers(self) -> tuple[int, ...]:
        """Gives the backends of everybody who is signed in as the writer."""
        async with self._connected() as connection:
            return tuple(row[0] for row in await connection.fetch(_WRITERS, WRITER))

    async def terminate(self, pids: Sequence[int]) -> int:
        """Ends backends; gives how many were there."""
        async with self._connected() as connection:
            return int(await connection.fetchval(_TERMINATE, list(pids)))

    async def change_setting(self, name: str, value: str) -> None:
        """Sets a setting of the whole server and has it read."""
        async with self._connected() as connection:
            await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            await connection.execute("SELECT pg_reload_conf()")

    async def reset_setting(self, name: str) -> None:
        """Takes a setting back that was changed, and has that read."""
        async with self._connected() as connection:
            await connection.execute(f"ALTER SYSTEM RESET {name}")
            await connection.execute("SELECT pg_reload_conf()")

    async def setting(self, name: str) -> str:
        """Gives a setting as a new session has it."""
        async with self._connected() as connection:
            return str(await connection.fetchval("SELECT current_setting($1::text)", name))

    async def let_writer_own(self) -> None:
        """Makes the writer a member of the role that owns the journal."""
        async with self._connected() as connection:
            await connection.execute(f"GRANT chronos_owner TO {WRITER}")

    async def let_writer_own_nothing(self) -> None:
        """Takes that back."""
        async with self._connected() as connection:
            await connection.execute(f"REVOKE chronos_owner FROM {WRITER}")

    async def writer_owns(self) -> bool:
        """Tells whether the writer is a member of the role that owns the journal."""
        async with self._connected() as connection:
            return bool(
                await connection.fetchval(
                    "SELECT pg_has_role($1::text, 'chronos_owner', 'MEMBER')", WRITER
                )
            )

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        try:
            connection = await asyncpg.connect(
                self._dsn,
                timeout=DEADLINE_S,
                command_timeout=DEADLINE_S,
                server_settings={"application_name": "chaos-faults", "jit": "off"},
            )
            try:
                yield connection
                await connection.close(timeout=_CLOSE_S)
            finally:
                connection.terminate()
        except _ERRORS as error:
            raise Unseen(f"PostgreSQL did not answer: {error!r}") from error
