"""The database roles of the ledger, and how a process signs in as one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from chronos.store.faults import translated

WRITER: Final = "chronos_writer"
RELAY: Final = "chronos_relay"
READER: Final = "chronos_reader"
LOGIN_ROLES: Final = (WRITER, RELAY, READER)


def role_dsn(owner_dsn: str, role: str, password: str) -> str:
    """Gives the address of the owner's database as another role would use it."""
    parts = urlsplit(owner_dsn)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{quote(password, safe='')}@{place}"))


def database_dsn(dsn: str, database: str) -> str:
    """Gives the address of another database of the same cluster."""
    return urlunsplit(urlsplit(dsn)._replace(path="/" + quote(database, safe="")))


async def set_passwords(owner_dsn: str, passwords: Mapping[str, str]) -> None:
    """Gives each named role its password, all in one transaction.

    Roles belong to the cluster: two databases of one cluster share them.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    with translated():
        connection = await asyncpg.connect(owner_dsn, timeout=10, command_timeout=30)
        try:
            async with connection.transaction():
                await _keep_others_out(connection)
                for role, password in passwords.items():
                    await connection.execute(
                        await connection.fetchval(
                            "SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)",
                            role,
                            password,
                        )
                    )
        finally:
            await connection.close(timeout=5)


async def _keep_others_out(connection: asyncpg.Connection) -> None:
    """Takes a lock that all databases of the cluster share, when allowed to.

    Two sessions that alter one role at once end with "tuple concurrently updated".
    """
    if await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        await connection.execute("LOCK TABLE pg_authid IN SHARE ROW EXCLUSIVE MODE")
