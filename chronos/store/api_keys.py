"""The table of API keys: made, listed and revoked by the owner, looked up by every process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, NamedTuple

import asyncpg

from chronos.store import pool
from chronos.store.faults import translated
from chronos.store.pool import Pool

_DEADLINE_S: Final = 10.0
KEYS_LISTED_MAX: Final = 10_000

_FIND: Final = """
SELECT key_id, hmac, principal, scopes, created_at, revoked_at
FROM api_keys
WHERE key_id = $1::text
"""
_LIST: Final = """
SELECT key_id, hmac, principal, scopes, created_at, revoked_at
FROM api_keys
ORDER BY created_at, key_id
LIMIT $1::bigint
"""
_ADD: Final = """
INSERT INTO api_keys (key_id, hmac, principal, scopes)
VALUES ($1::text, $2::bytea, $3::text, $4::text[])
RETURNING key_id, hmac, principal, scopes, created_at, revoked_at
"""
_REVOKE: Final = """
UPDATE api_keys
SET revoked_at = clock_timestamp()
WHERE key_id = $1::text AND revoked_at IS NULL
RETURNING key_id
"""


class StoredKey(NamedTuple):
    """One key as the database knows it: everything but its secret."""

    key_id: str
    hmac: bytes
    principal: str
    scopes: Sequence[str]
    created_at: datetime
    revoked_at: datetime | None


class ApiKeyTable:
    """Looks keys up, as any role."""

    def __init__(self, pool: Pool):
        self._pool = pool

    async def find(self, key_id: str) -> StoredKey | None:
        """Reads one key, revoked or not; None when there is none.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(_FIND, key_id)
        return None if row is None else StoredKey(*row)


class ApiKeyOffice:
    """Makes, looks up, lists and revokes keys, as the owner."""

    def __init__(self, connection: asyncpg.Connection):
        self._connection = connection

    async def add(
        self, key_id: str, hmac: bytes, *, principal: str, scopes: Iterable[str]
    ) -> StoredKey:
        """Stores a new key."""
        row = await self._connection.fetchrow(_ADD, key_id, hmac, principal, [*scopes])
        return StoredKey(*row)

    async def find(self, key_id: str) -> StoredKey | None:
        """Reads one key, revoked or not; None when there is none."""
        row = await self._connection.fetchrow(_FIND, key_id)
        return None if row is None else StoredKey(*row)

    async def list(self) -> tuple[StoredKey, ...]:
        """Lists all keys, oldest first, `KEYS_LISTED_MAX` of them."""
        return tuple(
            StoredKey(*row) for row in await self._connection.fetch(_LIST, KEYS_LISTED_MAX)
        )

    async def revoke(self, key_id: str) -> bool:
        """Ends a key; false when there is none, or it was ended before."""
        return await self._connection.fetchval(_REVOKE, key_id) is not None


@asynccontextmanager
async def open_key_office(owner_dsn: str) -> AsyncIterator[ApiKeyOffice]:
    """Opens the table of keys as the owner of the database.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    connection = await pool.connect(
        owner_dsn, application_name="chronos-keys", deadline_s=_DEADLINE_S
    )
    try:
        with translated():
            yield ApiKeyOffice(connection)
    finally:
        await pool.close(connection)
