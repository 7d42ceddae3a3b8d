"""Where an event lies on PostgreSQL's disk, and how its bytes are changed past every guard.

By SQL of its own, as a superuser, past every link. Only for faults: what is changed here is
what nobody may ever change.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from chronos.chaos.fault import Unseen

DEADLINE_S = 10.0
_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, EOFError)
_SEGMENT_BYTES = 1 << 30
"""PostgreSQL splits a table into files of this size."""

# The last page is where the next events go: damaging it would stop the bank, not one account.
_PLACES = """
WITH shown AS (
  SELECT
    account_id, version, (ctid::text::point)[0]::bigint AS page,
    current_setting('block_size')::bigint AS page_bytes
  FROM events
  WHERE version = 1
)
SELECT
  account_id, version, page, page_bytes,
  current_setting('data_directory') AS folder, pg_relation_filepath('events') AS file
FROM shown
WHERE page < pg_relation_size('events') / page_bytes - 1
ORDER BY account_id COLLATE "C"
"""
_CHECKPOINT = "CHECKPOINT"
_NEXT_SEGMENT = """
SELECT pg_switch_wal()
FROM pg_logical_emit_message(false, 'chaos', 'so that there is something to switch from')
"""
_SOME_EVENTS = """
SELECT account_id, version
FROM events
WHERE amount IS NOT NULL
ORDER BY position
LIMIT $1::int
"""
_BODY = """
SELECT body
FROM events
WHERE account_id = $1::text AND version = $2::bigint
"""
_UNGUARDED = "ALTER TABLE events DISABLE TRIGGER events_never_change"
_GUARDED = "ALTER TABLE events ENABLE ALWAYS TRIGGER events_never_change"
_CHANGE = """
UPDATE events
SET body = $3::bytea
WHERE account_id = $1::text AND version = $2::bigint
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The page of the table of events that holds an account's first event."""

    account_id: str
    version: int
    page: int
    path: Path
    """The file of the table that has the page."""
    offset: int
    """Of the page's last bytes, where the data of its first rows is."""

    def flip(self) -> None:
        """Inverts one byte in the file; again, and it is as it was. PostgreSQL must be down."""
        # On the caller's thread: another one may not see the disk that PostgreSQL has.
        with self.path.open("r+b") as file:
            file.seek(self.offset)
            was = file.read(1)
            file.seek(self.offset)
            file.write(bytes([was[0] ^ 0xFF]))


class Pages:
    """Asks PostgreSQL as its superuser, and changes it.

    Args:
        dsn: The owner's address, past every link.
    """

    def __init__(self, dsn: str):
        self._dsn = dsn

    async def places(self) -> tuple[Place, ...]:
        """Gives where first events lie; all pages are on the disk by then."""
        async with self._connected() as connection:
            await connection.execute(_CHECKPOINT)
            rows = await connection.fetch(_PLACES)
        return tuple(_place(row) for row in rows)

    async def some_events(self, count: int) -> tuple[tuple[str, int], ...]:
        """Gives account and version of the oldest events that moved money."""
        async with self._connected() as connection:
            return tuple(map(tuple, await connection.fetch(_SOME_EVENTS, count)))

    async def body(self, account_id: str, version: int) -> bytes:
        """Gives the bytes of one event."""
        async with self._connected() as connection:
            return bytes(await connection.fetchval(_BODY, account_id, version))

    async def change_body(self, account_id: str, version: int, body: bytes) -> None:
        """Replaces the bytes of one event, with the guard off for that moment."""
        async with self._connected() as connection, connection.transaction():
            await connection.execute(_UNGUARDED)
            await connection.execute(_CHANGE, account_id, version, body)
            await connection.execute(_GUARDED)

    async def use_segments(self, count: int) -> int:
        """Has the log (WAL) go on in a new segment, again and again; gives how often it could.

        The segments that were kept for later are used up by that, and then it needs new files.
        """
        used = 0
        try:
            async with self._connected() as connection:
                for used in range(1, count + 1):  # noqa: B007 - it is what is given
                    await connection.execute(_NEXT_SEGMENT)
        except Unseen:
            used -= 1
        return used

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        try:
            connection = await asyncpg.connect(
                self._dsn, timeout=DEADLINE_S, command_timeout=DEADLINE_S
            )
            try:
                yield connection
            finally:
                connection.terminate()
        except _ERRORS as error:
            raise Unseen(f"PostgreSQL did not answer: {error!r}") from error


def _place(row: asyncpg.Record) -> Place:
    at = (row["page"] + 1) * row["page_bytes"] - 16
    segment, offset = divmod(at, _SEGMENT_BYTES)
    file = row["file"] if segment == 0 else f"{row['file']}.{segment}"
    return Place(
        account_id=row["account_id"],
        version=row["version"],
        page=row["page"],
        path=Path(row["folder"]) / file,
        offset=offset,
    )
