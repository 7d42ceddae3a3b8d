"""Reads the journal account by account, in pages, for those who make a copy of it anew.

An account's events are versions 1, 2, 3 … without a gap. So whoever knows how far a copy is,
and how far the journal is, names the events that are missing without having seen one, and a
page is as long as its reader wants it: bounded memory, whether the journal has a million
accounts or one account has a million events.

Everything is read by primary key, and no lock is taken but the one that keeps two rebuilds of
one copy apart.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple

import asyncpg

from chronos.errors import MissingPart
from chronos.store.faults import translated
from chronos.store.journal_scan import JournalScan
from chronos.store.pool import LOOKUPS_ONLY

ACCOUNTS_PER_PAGE: Final = 500
EVENTS_PER_PAGE: Final = 2_000
REBUILD_LOCK_CLASS: Final = 0x43524242
"""First half of the advisory lock of a rebuild; the second half says of what."""
_CONNECT_DEADLINE_S: Final = 10
_STATEMENT_DEADLINE_S: Final = 120

_HEAD = """
CROSS JOIN LATERAL (
  SELECT version
  FROM events
  WHERE account_id = a.account_id
  ORDER BY version DESC
  LIMIT 1
) AS e
ORDER BY a.account_id
"""

_REACHED = f"""
SELECT a.account_id, e.version
FROM (
  SELECT account_id
  FROM accounts
  WHERE account_id > $1::text
  ORDER BY account_id
  LIMIT $2::bigint
) AS a
{_HEAD}
"""  # noqa: S608 - made of constants of this module

_REACHED_BY = f"""
SELECT a.account_id, e.version
FROM unnest($1::text[]) AS a (account_id)
{_HEAD}
"""  # noqa: S608 - made of constants of this module

_EVENTS = """
SELECT e.account_id, e.version, e.event_id::text AS event_id, e.recorded_at, e.hash, e.body
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS wanted (account_id, after, upto)
JOIN events AS e
  ON e.account_id = wanted.account_id
  AND e.version > wanted.after
  AND e.version <= wanted.upto
ORDER BY e.account_id, e.version
"""

_COUNT = "SELECT count(*) FROM events"

_TRY_LOCK = "SELECT pg_try_advisory_lock($1::int, hashtext($2::text))"


class Reached(NamedTuple):
    """An account and its newest version."""

    account_id: str
    version: int


class Stretch(NamedTuple):
    """Events of one account: those after one version, up to another."""

    account_id: str
    after: int
    upto: int


class JournalEvent(NamedTuple):
    """One event as a copy needs it."""

    account_id: str
    version: int
    event_id: str
    recorded_at: datetime
    hash: bytes
    body: bytes


class JournalPages:
    """Reads pages of the journal; made by `open_pages` or `open_pages_at_once`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def count_events(self) -> int:
        """Counts all events."""
        with translated():
            counted: int = await self._connection.fetchval(_COUNT)
        return counted

    async def reached(self) -> AsyncIterator[list[Reached]]:
        """Yields pages of accounts with their newest versions, by account."""
        after = ""
        while True:
            with translated():
                rows = await self._connection.fetch(_REACHED, after, ACCOUNTS_PER_PAGE)
            if not rows:
                return
            yield [Reached._make(row) for row in rows]
            after = rows[-1]["account_id"]

    async def reached_by(self, account_ids: Sequence[str]) -> list[Reached]:
        """Gives the newest versions of those of the named accounts that exist."""
        with translated():
            rows = await self._connection.fetch(_REACHED_BY, list(account_ids))
        return [Reached._make(row) for row in rows]

    async def events(self, stretches: Sequence[Stretch]) -> AsyncIterator[list[JournalEvent]]:
        """Yields the events of the stretches, by account and version, page by page.

        Each account may be named once.
        """
        for part in parts_of(stretches, EVENTS_PER_PAGE):
            with translated():
                rows = await self._connection.fetch(
                    _EVENTS,
                    [one.account_id for one in part],
                    [one.after for one in part],
                    [one.upto for one in part],
                )
            yield [JournalEvent._make(row) for row in rows]


def parts_of(stretches: Sequence[Stretch], events_max: int) -> Iterator[list[Stretch]]:
    """Cuts stretches into parts of at most `events_max` events, in the same order."""
    part: list[Stretch] = []
    room = events_max
    for stretch in sorted(stretches):
        after = stretch.after
        while after < stretch.upto:
            upto = min(stretch.upto, after + room)
            part.append(Stretch(stretch.account_id, after, upto))
            room -= upto - after
            after = upto
            if room == 0:
                yield part
                part, room = [], events_max
    if part:
        yield part


@asynccontextmanager
async def open_pages(dsn: str) -> AsyncIterator[JournalPages]:
    """Opens a connection on which each page is its own moment.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    async with _connected(dsn) as connection:
        yield JournalPages(connection)


@asynccontextmanager
async def open_pages_at_once(dsn: str) -> AsyncIterator[tuple[JournalPages, JournalScan]]:
    """Opens a connection on which all pages, and the scan beside them, show one moment.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    async with _connected(dsn) as connection:
        with translated():
            transaction = connection.transaction(isolation="repeatable_read", readonly=True)
            await transaction.start()
        try:
            yield JournalPages(connection), JournalScan(connection)
        finally:
            if not connection.is_closed():
                await transaction.rollback()


@asynccontextmanager
async def alone(dsn: str, target: str) -> AsyncIterator[None]:
    """Keeps out every other rebuild of the same copy until the block ends.

    Args:
        dsn: PostgreSQL.
        target: Which copy, named apart from those of other namespaces.

    Raises:
        MissingPart: Another rebuild of it is running.
        Unavailable: PostgreSQL does not answer.
    """
    async with _connected(dsn) as connection:
        with translated():
            is_mine = await connection.fetchval(_TRY_LOCK, REBUILD_LOCK_CLASS, target)
        if not is_mine:
            raise MissingPart(f"Another rebuild of {target} is running: wait until it is done.")
        yield


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Any]:
    with translated():
        connection = await asyncpg.connect(
            dsn,
            timeout=_CONNECT_DEADLINE_S,
            command_timeout=_STATEMENT_DEADLINE_S,
            server_settings={"application_name": "chronos rebuild", **LOOKUPS_ONLY},
        )
    try:
        yield connection
    finally:
        await connection.close(timeout=5)
