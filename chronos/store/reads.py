"""Authoritative reads: what the journal says now, for the command endpoint and for repair.

Each read is one statement, or one REPEATABLE READ snapshot, under the pool's deadline; each
list has a limit. Nothing is locked, so a read never waits for a command nor the other way
round.

Balances are what is asked most. Those who ask for one at about the same time share a statement
(`chronos/shared_reads.py`), and it looks up the account's row and its last event, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from chronos.domain.account import AccountState
from chronos.domain.events import AccountOpened
from chronos.errors import InvariantBroken
from chronos.shared_reads import SharedReads
from chronos.store.faults import SERVICE
from chronos.store.found import account_state
from chronos.store.heads import HEAD, HEAD_COLUMNS
from chronos.store.pool import READ_DEADLINE_S, Pool
from chronos.wire.codec import decode_event

EVENTS_PAGE_MAX: Final = 1000
EVENTS_PAGE_BYTES_MAX: Final = 64 << 20
"""More than `EVENTS_PAGE_MAX` events have: whoever must not hold so much says less."""

_HEAD: Final = """
SELECT
  head.account_id, account.currency, account.kind, head.version, head.booked_after,
  head.held_after, head.overdraft_limit_after, head.status_after, account.opened_at,
  account.opened_on, head.open_holds_after, account.external_id, head.position,
  head.recorded_at, head.hash, opening.body AS opening, annotation.body AS annotation
FROM accounts AS account
CROSS JOIN LATERAL (
  SELECT
    events.account_id, events.version, events.booked_after, events.held_after, events.hash,
    events.overdraft_limit_after, events.status_after, events.open_holds_after,
    events.position, events.recorded_at
  FROM events
  WHERE events.account_id = account.account_id
  ORDER BY events.version DESC
  LIMIT 1
) AS head
JOIN events AS opening ON opening.account_id = account.account_id AND opening.version = 1
LEFT JOIN LATERAL (
  SELECT events.body
  FROM events
  WHERE events.account_id = account.account_id AND events.type = 'AccountAnnotated'
  ORDER BY events.version DESC
  LIMIT 1
) AS annotation ON true
WHERE account.account_id = $1::text
"""
# Two look-ups in an index for each name: the account's row, and backwards its last event.
_BALANCES: Final = f"""
SELECT
{HEAD_COLUMNS}
FROM unnest($1::text[]) AS asked (account_id)
JOIN accounts AS account ON account.account_id = asked.account_id
{HEAD}
"""  # noqa: S608 - made of constants
_KNOWN: Final = "SELECT EXISTS (SELECT FROM accounts WHERE account_id = $1::text)"
_EVENTS: Final = """
SELECT account_id, version, position, type, recorded_at, hash, body
FROM (
  SELECT
    event.*,
    sum(octet_length(event.body)) OVER (
      ORDER BY event.version ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS bytes_before
  FROM (
    SELECT account_id, version, position, type, recorded_at, hash, body
    FROM events
    WHERE account_id = $1::text AND version > $2::bigint
    ORDER BY version
    LIMIT $3::bigint
  ) AS event
) AS counted
WHERE coalesce(bytes_before, 0) < $4::bigint
ORDER BY version
"""
_EVENT: Final = """
SELECT account_id, version, position, type, recorded_at, hash, body
FROM events
WHERE account_id = $1::text AND version = $2::bigint
"""
_POSTINGS: Final = """
SELECT account_id, version, position, type, recorded_at, hash, body
FROM events
WHERE transfer_id = $1::text
ORDER BY leg
"""
_HOLD: Final = """
SELECT account_id, version, position, type, recorded_at, hash, body
FROM events
WHERE hold_id = $1::text AND type = 'HoldPlaced'
UNION ALL
SELECT account_id, version, position, type, recorded_at, hash, body
FROM events
WHERE hold_id = $1::text AND type IN ('HoldCaptured', 'HoldVoided', 'HoldExpired')
ORDER BY version
"""


class StoredEvent(NamedTuple):
    """One event as the journal keeps it."""

    account_id: str
    version: int
    position: int
    type: str
    recorded_at: datetime
    hash: bytes
    body: bytes
    """Canonical JSON, the same bytes for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAccount:
    """An account as its last event left it, and who it is."""

    state: AccountState
    external_id: str | None
    metadata: Mapping[str, str]
    opened_at: datetime
    position: int
    """Of its last event."""
    recorded_at: datetime
    """Of its last event."""
    hash: bytes
    """Of its last event."""


class StoredBalance(NamedTuple):
    """An account as its last event left it, and when that was recorded."""

    state: AccountState
    recorded_at: datetime


class Reads:
    """Answers from the journal through a pool of connections."""

    def __init__(self, pool: Pool, zone: ZoneInfo):
        self._pool = pool
        self._zone = zone
        self._balances = SharedReads(
            SERVICE, self._fetch_balances, self._balance, deadline_s=READ_DEADLINE_S
        )

    async def balance(self, account_id: str) -> StoredBalance | None:
        """Reads an account's balance now; None when there is no such account.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        return await self._balances.read(account_id)

    async def account(self, account_id: str) -> StoredAccount | None:
        """Reads an account with its balance now; None when there is no such account.

        Raises:
            Unavailable: PostgreSQL does not answer.
            InvariantBroken: The account's first event is not its opening.
        """
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(_HEAD, account_id)
        return None if row is None else self._account(row)

    async def is_known(self, account_id: str) -> bool:
        """Tells whether there is such an account.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        async with self._pool.connection() as connection:
            return bool(await connection.fetchval(_KNOWN, account_id))

    async def events_of(
        self,
        account_id: str,
        after_version: int,
        limit: int = EVENTS_PAGE_MAX,
        *,
        bytes_max: int = EVENTS_PAGE_BYTES_MAX,
    ) -> Sequence[StoredEvent]:
        """Reads an account's next events in order, a page of them; none after the last.

        Args:
            account_id: The account; an unknown one has no events.
            after_version: 0 to begin with the first.
            limit: Events at most, up to `EVENTS_PAGE_MAX`.
            bytes_max: The event whose body reaches this sum is the last.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        most = min(limit, EVENTS_PAGE_MAX)
        async with self._pool.connection() as connection:
            rows = await connection.fetch(_EVENTS, account_id, after_version, most, bytes_max)
        return tuple(StoredEvent(*row) for row in rows)

    async def event_at(self, account_id: str, version: int) -> StoredEvent | None:
        """Reads one event, or None where there is none.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(_EVENT, account_id, version)
        return None if row is None else StoredEvent(*row)

    async def postings_of(self, transfer_id: str) -> Sequence[StoredEvent]:
        """Reads the events of a transfer in the order of its postings; none when unknown.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        async with self._pool.connection() as connection:
            rows = await connection.fetch(_POSTINGS, transfer_id)
        return tuple(StoredEvent(*row) for row in rows)

    async def hold_events(self, hold_id: str) -> Sequence[StoredEvent]:
        """Reads the events of a hold: its beginning, then its end; none when unknown.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        async with self._pool.connection() as connection:
            rows = await connection.fetch(_HOLD, hold_id)
        return tuple(StoredEvent(*row) for row in rows)

    async def is_answering(self) -> bool:
        """Makes PostgreSQL answer the cheapest question, for a readiness probe.

        Raises:
            Unavailable: It does not.
        """
        async with self._pool.connection() as connection:
            return bool(await connection.fetchval("SELECT true"))

    async def _fetch_balances(self, account_ids: Sequence[str]) -> Mapping[str, Any]:
        async with self._pool.connection() as connection:
            rows = await connection.fetch(_BALANCES, account_ids)
        return {row[0]: row for row in rows}

    def _balance(self, row: Any) -> StoredBalance:
        *account, recorded_at = row
        return StoredBalance(account_state(account, self._zone), recorded_at)

    def _account(self, row: Any) -> StoredAccount:
        opening = decode_event(row["opening"]).event
        if not isinstance(opening, AccountOpened):
            raise InvariantBroken(
                "an account does not begin with its opening",
                account_id=row["account_id"],
                version=1,
            )
        return StoredAccount(
            state=account_state(tuple(row)[:11], self._zone),
            external_id=row["external_id"],
            metadata=_metadata(row["annotation"], opening),
            opened_at=row["opened_at"],
            position=row["position"],
            recorded_at=row["recorded_at"],
            hash=row["hash"],
        )


def _metadata(annotation: bytes | None, opening: AccountOpened) -> Mapping[str, str]:
    return opening.metadata if annotation is None else decode_event(annotation).event.metadata
