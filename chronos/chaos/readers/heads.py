"""The newest state of each account and the number of all events, in one snapshot."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import msgspec

DEADLINE_S = 15.0

_HEADS = """
SELECT DISTINCT ON (account_id) account_id, version, booked_after, held_after
FROM events
WHERE account_id = ANY($1::text[])
ORDER BY account_id, version DESC
"""
_COUNT = "SELECT count(*) FROM events"


class Heads(msgspec.Struct, frozen=True, kw_only=True):
    """Where the journal is: `(version, booked, held)` of each account, and how many events."""

    events: int
    accounts: dict[str, tuple[int, int, int]]


async def read_heads(dsn: str, account_ids: Sequence[str]) -> Heads:
    """Reads the heads of these accounts; one that is not open is left out.

    Raises:
        asyncpg.PostgresError: PostgreSQL refuses.
        OSError: It does not answer.
        TimeoutError: Not in time.
    """
    connection = await asyncpg.connect(dsn, timeout=DEADLINE_S, command_timeout=DEADLINE_S)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            rows = await connection.fetch(_HEADS, list(account_ids))
            events = await connection.fetchval(_COUNT)
    finally:
        connection.terminate()
    accounts = {name: (version, booked, held) for name, version, booked, held in rows}
    return Heads(events=events, accounts=accounts)
