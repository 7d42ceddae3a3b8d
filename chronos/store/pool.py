"""Connections to PostgreSQL: a deadline on everything, and faults in our own words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, Self

import asyncpg

from chronos.store.faults import DRIVER_ERRORS, translated

CONNECT_DEADLINE_S: Final = 3.0
CLOSE_DEADLINE_S: Final = 2.0
READ_DEADLINE_S: Final = 5.0

# Every statement of a command and of a point read is an index look-up. A plan that was made
# while a table was empty, and kept, would scan it for ever: so scans are priced out.
LOOKUPS_ONLY: Final[Mapping[str, str]] = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}

# A timer that runs is not set anew by a longer time: it has to be stopped first. The statement
# is to end before the transaction, whose time-out would take the connection with it.
_TAKE_LONGER: Final = """
SET LOCAL transaction_timeout = 0;
SET LOCAL transaction_timeout = {transaction_ms};
SET LOCAL statement_timeout = {statement_ms}
"""
_LAST_STATEMENTS_MS: Final = 2000


async def connect(
    dsn: str,
    *,
    application_name: str,
    deadline_s: float,
    server_settings: Mapping[str, str] | None = None,
) -> asyncpg.Connection:
    """Opens one connection whose every call ends after the deadline.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    with translated():
        return await asyncpg.connect(
            dsn,
            timeout=CONNECT_DEADLINE_S,
            command_timeout=deadline_s,
            server_settings={
                "application_name": application_name,
                "timezone": "UTC",
                **(server_settings or {}),
            },
        )


async def close(connection: asyncpg.Connection) -> None:
    """Closes a connection, by force when the server does not answer in time."""
    try:
        await connection.close(timeout=CLOSE_DEADLINE_S)
    except DRIVER_ERRORS:
        connection.terminate()


class Pool:
    """A bounded set of connections for reads. Opens none before the first read needs one."""

    def __init__(self, pool: asyncpg.Pool, *, deadline_s: float):
        self._pool = pool
        self._deadline_s = deadline_s

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        application_name: str,
        connections_max: int,
        deadline_s: float = READ_DEADLINE_S,
        server_settings: Mapping[str, str] | None = None,
    ) -> Self:
        """Makes a pool; PostgreSQL need not answer yet."""
        pool = await asyncpg.create_pool(
            dsn,
            min_size=0,
            max_size=connections_max,
            timeout=CONNECT_DEADLINE_S,
            command_timeout=deadline_s,
            reset=_leave_as_is,
            server_settings={
                "application_name": application_name,
                "timezone": "UTC",
                **(server_settings or {}),
            },
        )
        return cls(pool, deadline_s=deadline_s)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Lends a connection.

        Raises:
            DeadlineExceeded: All connections were busy, or a statement took too long.
            Unavailable: PostgreSQL does not answer.
        """
        with translated():
            async with self._pool.acquire(timeout=self._deadline_s) as connection:
                try:
                    yield connection
                except asyncpg.InternalClientError:
                    connection.terminate()  # out of step for good: not for the next reader
                    raise

    @asynccontextmanager
    async def snapshot(
        self, *, deadline_s: float | None = None
    ) -> AsyncIterator[asyncpg.Connection]:
        """Lends a connection inside one read-only REPEATABLE READ transaction.

        Args:
            deadline_s: How long a statement in it may take, where that is more than its role
                is allowed; the caller gives it to the driver too.

        Raises:
            DeadlineExceeded: All connections were busy, or a statement took too long.
            Unavailable: PostgreSQL does not answer.
        """
        async with (
            self.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            if deadline_s is not None:
                await connection.execute(_longer(deadline_s))
            yield connection

    def counts(self) -> tuple[int, int]:
        """Tells how many connections are open, and how many of them are idle."""
        return self._pool.get_size(), self._pool.get_idle_size()

    async def close(self) -> None:
        """Closes all connections, by force when readers do not give theirs back in time."""
        try:
            await asyncio.wait_for(self._pool.close(), CLOSE_DEADLINE_S)
        except TimeoutError:
            self._pool.terminate()


def _longer(deadline_s: float) -> str:
    statement_ms = round(deadline_s * 1000)
    return _TAKE_LONGER.format(
        statement_ms=statement_ms, transaction_ms=statement_ms + _LAST_STATEMENTS_MS
    )


async def _leave_as_is(_connection: asyncpg.Connection) -> None:
    """Replaces the driver's reset, a round trip: what we run leaves nothing behind."""
