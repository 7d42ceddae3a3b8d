"""Connections to PostgreSQL: a deadline on everything, and faults in our own words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Final, Self

import asyncpg

from chronos.store.faults import DRIVER_ERRORS, translated
from chronos.telemetry.metrics import POSTGRES_CONNECTIONS, POSTGRES_POOL_WAIT_SECONDS

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

    def __init__(self, pool: asyncpg.Pool, *, label: str, deadline_s: float):
        self._pool = pool
        self._deadline_s = deadline_s
        self._waited = POSTGRES_POOL_WAIT_SECONDS.labels(label)
        idle = POSTGRES_CONNECTIONS.labels(label, "idle")
        idle.set_function(pool.get_idle_size)
        busy = POSTGRES_CONNECTIONS.labels(label, "busy")
        busy.set_function(lambda: pool.get_size() - pool.get_idle_size())

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        application_name: str,
        connections_max: int,
        label: str = "other",
        deadline_s: float = READ_DEADLINE_S,
        server_settings: Mapping[str, str] | None = None,
    ) -> Self:
        """Makes a pool; PostgreSQL need not answer yet.

        Args:
            dsn: Where, and as whom.
            application_name: By which PostgreSQL's own views show its connections.
            connections_max: How many are open at most.
            label: By which the metrics show the pool, one of a few words.
            deadline_s: Ends each statement, and each wait for a connection.
            server_settings: Of each session.
        """
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
        return cls(pool, label=label, deadline_s=deadline_s)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Lends a connection.

        Raises:
            DeadlineExceeded: All connections were busy, or a statement took too long.
            Unavailable: PostgreSQL does not answer.
        """
        asked_s = perf_counter()
        with translated():
            async with self._pool.acquire(timeout=self._deadline_s) as connection:
                self._waited.observe(perf_counter() - asked_s)
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
