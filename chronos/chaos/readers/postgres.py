"""PostgreSQL, read by plain statements of the checkers' own in one snapshot.

The SQL here is the second place beside the store where SQL stands: a checker that asked the
store would believe the code that it checks. Rows are streamed; bodies are folded and let go.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from chronos.chaos.readers.facts import Event, Journal, Receipt, Unsent
from chronos.chaos.readers.fold import Folder

CONNECT_DEADLINE_S: Final = 10.0
STATEMENT_DEADLINE_S: Final = 120.0
ROWS_PER_FETCH: Final = 2_000

_EVENTS: Final = """
SELECT position, account_id, version, event_id, type, transfer_id, leg, hold_id,
  reverses_transfer_id, currency, amount, booked_after, held_after, overdraft_limit_after,
  status_after, principal, hash, body
FROM events
ORDER BY account_id, version
"""
_EVENTS_OF_KEY: Final = """
SELECT position, account_id, version, event_id, type, transfer_id, leg, hold_id,
  reverses_transfer_id, currency, amount, booked_after, held_after, overdraft_limit_after,
  status_after, principal, hash, body
FROM events
WHERE account_id = $1
ORDER BY account_id, version
"""
_COUNT: Final = """
SELECT count(*)
FROM events
"""
_RECEIPTS: Final = """
SELECT principal, idempotency_key, status, position, body
FROM receipts
"""
_ACCOUNTS: Final = """
SELECT account_id, currency
FROM accounts
"""
_OUTBOX: Final = """
SELECT position, topic, partition, key, value
FROM outbox_0
UNION ALL
SELECT position, topic, partition, key, value
FROM outbox_1
UNION ALL
SELECT position, topic, partition, key, value
FROM outbox_2
"""


async def read_journal(dsn: str) -> Journal:
    """Reads everything that the checkers compare, from one snapshot."""
    journal = Journal()
    async with _snapshot(dsn) as connection:
        folder = Folder(journal)
        async for row in _rows(connection, _EVENTS):
            folder.take(row)
        counted = await connection.fetchval(_COUNT)
        if counted != journal.events_count + _unread(journal):
            # The order above comes from an index: what it does not show, the table still has.
            journal.flaws.append(
                f"the table has {counted} events, {journal.events_count} were read"
            )
            journal.flaws_count += 1
        async for row in _rows(connection, _RECEIPTS):
            journal.receipts[row["principal"], row["idempotency_key"]] = Receipt(
                row["status"], row["position"], _sha256(row["body"])
            )
        async for row in _rows(connection, _ACCOUNTS):
            journal.opened[row["account_id"]] = row["currency"]
        async for row in _rows(connection, _OUTBOX):
            journal.outbox.append(
                Unsent(
                    row["topic"],
                    row["position"],
                    row["partition"],
                    row["key"].decode("ascii", "replace"),
                    _sha256(row["value"]),
                )
            )
    return journal


async def read_events_of(dsn: str, account_id: str) -> list[Event]:
    """Reads one account's events anew, in the order of their versions."""
    journal = Journal()
    async with _snapshot(dsn) as connection:
        folder = Folder(journal)
        async for row in _rows(connection, _EVENTS_OF_KEY, account_id):
            folder.take(row)
    return journal.accounts.get(account_id, [])


@asynccontextmanager
async def _snapshot(dsn: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(
        dsn,
        timeout=CONNECT_DEADLINE_S,
        command_timeout=STATEMENT_DEADLINE_S,
        server_settings={"application_name": "chronos chaos checkers", "timezone": "UTC"},
    )
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection
    finally:
        await connection.close(timeout=CONNECT_DEADLINE_S)


async def _rows(connection: Any, statement: str, *arguments: object) -> AsyncIterator[Any]:
    async for row in connection.cursor(
        statement, *arguments, prefetch=ROWS_PER_FETCH, timeout=STATEMENT_DEADLINE_S
    ):
        yield row


def _unread(journal: Journal) -> int:
    """Counts rows that were read and could not be folded; each is a flaw already."""
    return sum("its body cannot be read" in flaw for flaw in journal.flaws)


def _sha256(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()
