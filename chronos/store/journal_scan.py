"""Reads the whole journal for those who prove it: one snapshot, page by page, bounded memory.

Everything runs in one REPEATABLE READ, READ ONLY transaction, so that a scan sees one moment of
the journal however long it takes and whoever writes meanwhile. No lock is taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from chronos.store.faults import translated
from chronos.wire.booking import EventRow, ReceiptRow

PAGE_ROWS = 1000
_CONNECT_DEADLINE_S = 10
_STATEMENT_DEADLINE_S = 600

_EVENT_COLUMNS = ",\n  ".join(f"e.{name}" for name in EventRow._fields)

# Walks two primary keys side by side.
_EVENTS = f"""
SELECT
  {_EVENT_COLUMNS},
  a.currency AS opened_currency,
  a.kind AS opened_kind,
  a.external_id AS opened_external_id
FROM events AS e
LEFT JOIN accounts AS a ON a.account_id = e.account_id
ORDER BY e.account_id, e.version
"""  # noqa: S608 - the columns are the names of a NamedTuple

_ACCOUNTS_WITHOUT_EVENTS = """
SELECT a.account_id
FROM accounts AS a
WHERE NOT EXISTS (SELECT FROM events AS e WHERE e.account_id = a.account_id)
ORDER BY a.account_id
LIMIT $1::bigint
"""

_UNBALANCED_TRANSFERS = """
SELECT
  transfer_id,
  currency,
  sum(amount)::bigint AS excess,
  count(*) AS postings
FROM events
WHERE transfer_id IS NOT NULL AND amount IS NOT NULL
GROUP BY transfer_id, currency
HAVING sum(amount) <> 0 OR count(*) < 2
ORDER BY transfer_id, currency
LIMIT $1::bigint
"""

_HEADS = """
SELECT
  a.account_id,
  e.version,
  e.booked_after AS booked,
  e.held_after AS held,
  e.overdraft_limit_after AS overdraft_limit,
  e.status_after AS status,
  e.currency,
  encode(e.hash, 'hex') AS hash,
  e.recorded_at,
  s.summed,
  s.counted
FROM (
  SELECT account_id
  FROM accounts
  WHERE account_id > $1::text
  ORDER BY account_id
  LIMIT $2::bigint
) AS a
CROSS JOIN LATERAL (
  SELECT
    version,
    booked_after,
    held_after,
    overdraft_limit_after,
    status_after,
    currency,
    hash,
    recorded_at
  FROM events
  WHERE account_id = a.account_id
  ORDER BY version DESC
  LIMIT 1
) AS e
CROSS JOIN LATERAL (
  SELECT coalesce(sum(amount), 0)::bigint AS summed, count(*) AS counted
  FROM events
  WHERE account_id = a.account_id
) AS s
ORDER BY a.account_id
"""

_AT_VERSIONS = """
SELECT
  e.account_id,
  e.version,
  e.event_id::text AS event_id,
  e.booked_after AS booked,
  e.held_after AS held,
  e.overdraft_limit_after AS overdraft_limit,
  encode(e.hash, 'hex') AS hash,
  e.body
FROM unnest($1::text[], $2::bigint[]) AS wanted (account_id, version)
JOIN events AS e ON e.account_id = wanted.account_id AND e.version = wanted.version
"""

_RECEIPT_COLUMNS = ",\n  ".join(f"r.{name}" for name in ReceiptRow._fields)

# Refusals about an account that was there when they were decided: those that have a record.
# Reads the table once, looks each account's first event up, and sorts the refusals alone.
_REJECTIONS = f"""
SELECT
  {_RECEIPT_COLUMNS}
FROM receipts AS r
WHERE r.status >= 400
  AND r.position > (
    SELECT e.position
    FROM events AS e
    WHERE e.account_id = r.account_id AND e.version = 1
  )
ORDER BY r.position
"""  # noqa: S608 - the columns are the names of a NamedTuple

_KNOWN_ACCOUNTS = """
SELECT account_id
FROM accounts
WHERE account_id = ANY($1::text[])
"""

_TOTALS = """
SELECT currency, sum(amount)::bigint AS total, count(*) AS events
FROM events
GROUP BY currency
ORDER BY currency
"""


class Scanned(NamedTuple):
    """One event, and the identity row of its account (None where there is none)."""

    event: EventRow
    opened_currency: str | None
    opened_kind: str | None
    opened_external_id: str | None


class Unbalanced(NamedTuple):
    """A transfer whose postings in one currency do not sum to zero, or that has only one."""

    transfer_id: str
    currency: str
    excess: int
    postings: int


class HeadRow(NamedTuple):
    """An account's last event, and the sum of all its amounts."""

    account_id: str
    version: int
    booked: int
    held: int
    overdraft_limit: int | None
    status: int
    currency: str
    hash: str
    recorded_at: datetime
    summed: int
    counted: int


class VersionRow(NamedTuple):
    """An account as one of its events left it."""

    account_id: str
    version: int
    event_id: str
    booked: int
    held: int
    overdraft_limit: int | None
    hash: str
    body: bytes


class JournalScan:
    """Reads one snapshot of the journal; made by `open_scan`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def events(self) -> AsyncIterator[Scanned]:
        """Yields every event, by account, then by version."""
        width = len(EventRow._fields)
        with translated():
            async for row in self._connection.cursor(_EVENTS, prefetch=PAGE_ROWS):
                values = tuple(row)
                event = EventRow._make(values[:width])
                yield Scanned(event._replace(event_id=str(event.event_id)), *values[width:])

    async def rejections(self) -> AsyncIterator[ReceiptRow]:
        """Yields the receipt of every refusal that has a record in its topic, by position."""
        with translated():
            async for row in self._connection.cursor(_REJECTIONS, prefetch=PAGE_ROWS):
                yield ReceiptRow._make(row)

    async def heads(self) -> AsyncIterator[list[HeadRow]]:
        """Yields pages of accounts with their last events, by account."""
        after = ""
        while True:
            with translated():
                rows = await self._connection.fetch(_HEADS, after, PAGE_ROWS // 2)
            if not rows:
                return
            yield [HeadRow._make(row) for row in rows]
            after = rows[-1]["account_id"]

    async def accounts_without_events(self, limit: int) -> list[str]:
        """Gives at most `limit` accounts that have an identity and no event."""
        with translated():
            rows = await self._connection.fetch(_ACCOUNTS_WITHOUT_EVENTS, limit)
        return [row["account_id"] for row in rows]

    async def unbalanced_transfers(self, limit: int) -> list[Unbalanced]:
        """Gives at most `limit` transfers that do not sum to zero."""
        with translated():
            rows = await self._connection.fetch(_UNBALANCED_TRANSFERS, limit)
        return [Unbalanced._make(row) for row in rows]

    async def totals(self) -> dict[str, tuple[int, int]]:
        """Gives the sum of all amounts and the number of events for each currency."""
        with translated():
            rows = await self._connection.fetch(_TOTALS)
        return {row["currency"]: (row["total"] or 0, row["events"]) for row in rows}


class JournalLookup:
    """Reads single events as of now; each read is its own snapshot; one read at a time."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()

    async def at_versions(
        self, wanted: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], VersionRow]:
        """Gives those of the wanted (account, version) pairs that exist."""
        async with self._turn:
            rows = await self._fetch(
                _AT_VERSIONS, [name for name, _ in wanted], [version for _, version in wanted]
            )
        return {(row["account_id"], row["version"]): VersionRow._make(row) for row in rows}

    async def known_accounts(self, names: Sequence[str]) -> set[str]:
        """Gives those of the named accounts that exist."""
        async with self._turn:
            rows = await self._fetch(_KNOWN_ACCOUNTS, list(names))
        return {row["account_id"] for row in rows}

    async def _fetch(self, statement: str, *arguments: object) -> Sequence[Any]:
        with translated():
            rows: Sequence[Any] = await self._connection.fetch(statement, *arguments)
        return rows


@asynccontextmanager
async def open_scan(dsn: str) -> AsyncIterator[JournalScan]:
    """Opens one snapshot of the journal and keeps it until the block ends.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    async with _connected(dsn) as connection:
        with translated():
            transaction = connection.transaction(isolation="repeatable_read", readonly=True)
            await transaction.start()
        try:
            yield JournalScan(connection)
        finally:
            await transaction.rollback()


@asynccontextmanager
async def open_lookup(dsn: str) -> AsyncIterator[JournalLookup]:
    """Opens a connection for reads of single events.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    async with _connected(dsn) as connection:
        yield JournalLookup(connection)


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Any]:
    with translated():
        connection = await asyncpg.connect(
            dsn, timeout=_CONNECT_DEADLINE_S, command_timeout=_STATEMENT_DEADLINE_S
        )
    try:
        yield connection
    finally:
        await connection.close(timeout=5)
