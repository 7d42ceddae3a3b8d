"""What PostgreSQL says of itself to those who look for faults; nothing depends on it.

Any role may ask: rights are read from the catalogue for every role of the ledger, so that no
password is needed. What only a superuser sees (other roles' open transactions) is left out for
others. Every statement is a look-up in catalogues or bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from chronos.clock import Clock, ClockReading
from chronos.store import pool
from chronos.store.faults import translated
from chronos.store.outbox import LOCK_CLASS
from chronos.store.roles import LOGIN_ROLES

_DEADLINE_S: Final = 5.0
JOURNAL: Final = ("accounts", "events", "receipts")

_SETTINGS: Final = """
SELECT name, current_setting(name) AS setting
FROM unnest($1::text[]) AS name
"""
_SHOWN: Final = (
    "fsync",
    "full_page_writes",
    "zero_damaged_pages",
    "ignore_checksum_failure",
    "synchronous_commit",
    "server_version",
    "max_connections",
    "in_hot_standby",
)
_OVERRIDES: Final = """
SELECT coalesce(pg_roles.rolname, 'all roles') AS role_name, setting
FROM pg_db_role_setting AS kept
LEFT JOIN pg_roles ON pg_roles.oid = kept.setrole
CROSS JOIN unnest(kept.setconfig) AS setting
WHERE kept.setdatabase IN (
    0, (SELECT oid FROM pg_database WHERE datname = current_database())
  )
  AND (kept.setrole = 0 OR pg_roles.rolname = ANY ($1::text[]))
"""
_ROLES: Final = """
SELECT
  role.rolname AS name,
  ARRAY(
    SELECT flag.name
    FROM (
      VALUES
        ('superuser', role.rolsuper),
        ('createrole', role.rolcreaterole),
        ('createdb', role.rolcreatedb),
        ('replication', role.rolreplication),
        ('bypassrls', role.rolbypassrls)
    ) AS flag (name, is_on)
    WHERE flag.is_on
  ) AS powers,
  ARRAY(
    SELECT journal.relname::text
    FROM pg_class AS journal
    WHERE journal.oid = ANY ($2::oid[]) AND pg_has_role(role.oid, journal.relowner, 'MEMBER')
    ORDER BY journal.relname
  ) AS owns,
  ARRAY(
    SELECT format('%s on %s', privilege, journal.relname)
    FROM pg_class AS journal
    CROSS JOIN unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS privilege
    WHERE journal.oid = ANY ($2::oid[])
      AND CASE
        WHEN privilege = 'UPDATE'
          THEN has_any_column_privilege(role.oid, journal.oid, privilege)
        ELSE has_table_privilege(role.oid, journal.oid, privilege)
      END
    ORDER BY 1
  ) AS may_change,
  ARRAY(
    SELECT journal.relname::text
    FROM pg_class AS journal
    WHERE journal.oid = ANY ($2::oid[])
      AND has_any_column_privilege(role.oid, journal.oid, 'INSERT')
    ORDER BY journal.relname
  ) AS may_insert
FROM pg_roles AS role
WHERE role.rolname = ANY ($1::text[])
ORDER BY role.rolname
"""
_TABLES: Final = """
SELECT to_regclass(name)::oid
FROM unnest($1::text[]) AS name
WHERE to_regclass(name) IS NOT NULL
"""
_CONNECTIONS: Final = """
SELECT count(*)
FROM pg_stat_activity
WHERE backend_type = 'client backend'
"""
_OLDEST_TRANSACTION: Final = """
SELECT
  extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age_s,
  coalesce(usename, '?') AS role_name,
  coalesce(application_name, '') AS program,
  pid
FROM pg_stat_activity
WHERE datname = current_database()
  AND backend_type = 'client backend'
  AND xact_start IS NOT NULL
  AND pid <> pg_backend_pid()
ORDER BY xact_start
LIMIT 1
"""
_SHARD_HOLDERS: Final = """
SELECT objid::bigint AS shard
FROM pg_locks
WHERE locktype = 'advisory'
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND classid::bigint = $1::bigint
  AND objsubid = 2
  AND granted
"""
_NOW: Final = "SELECT clock_timestamp()"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleCondition:
    """What a role may do, rights of its memberships included."""

    name: str
    powers: tuple[str, ...]
    """Of the cluster: superuser, createrole, createdb, replication, bypassrls."""
    owns: tuple[str, ...]
    """Tables of the journal that it owns, by itself or as a member of their owner."""
    may_change: tuple[str, ...]
    """Rights to rewrite the journal, as `UPDATE on events`."""
    may_insert: tuple[str, ...]
    """Tables of the journal that it may add rows to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTransaction:
    """The transaction that has been open longest."""

    age_s: float
    role: str
    program: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresCondition:
    """What was found."""

    settings: Mapping[str, str]
    overrides: Mapping[str, tuple[str, ...]]
    """For each role of the ledger, and `all roles`, settings kept for it as `name=value`."""
    roles: tuple[RoleCondition, ...]
    connections: int
    oldest_transaction: OpenTransaction | None
    held_shards: frozenset[int]
    """Shards of the outbox that some relay holds."""
    clock: ClockReading


async def read_postgres_condition(dsn: str, clock: Clock) -> PostgresCondition:
    """Asks PostgreSQL for its condition.

    Raises:
        Unavailable: It does not answer.
    """
    connection = await pool.connect(
        dsn, application_name="chronos-doctor", deadline_s=_DEADLINE_S
    )
    try:
        with translated():
            return await _read(connection, clock)
    finally:
        await pool.close(connection)


async def _read(connection: asyncpg.Connection, clock: Clock) -> PostgresCondition:
    overrides: dict[str, tuple[str, ...]] = {}
    for row in await connection.fetch(_OVERRIDES, LOGIN_ROLES):
        known = overrides.get(row["role_name"], ())
        overrides[row["role_name"]] = (*known, row["setting"])
    tables = [row[0] for row in await connection.fetch(_TABLES, JOURNAL)]
    return PostgresCondition(
        settings=dict(await connection.fetch(_SETTINGS, _SHOWN)),
        overrides=overrides,
        roles=tuple(_role(row) for row in await connection.fetch(_ROLES, LOGIN_ROLES, tables)),
        connections=await connection.fetchval(_CONNECTIONS),
        oldest_transaction=_transaction(await connection.fetchrow(_OLDEST_TRANSACTION)),
        held_shards=frozenset(
            row["shard"] for row in await connection.fetch(_SHARD_HOLDERS, LOCK_CLASS)
        ),
        clock=await _clock(connection, clock),
    )


def _role(row: Any) -> RoleCondition:
    return RoleCondition(
        name=row["name"],
        powers=tuple(row["powers"]),
        owns=tuple(row["owns"]),
        may_change=tuple(row["may_change"]),
        may_insert=tuple(row["may_insert"]),
    )


def _transaction(row: Any) -> OpenTransaction | None:
    if row is None:
        return None
    return OpenTransaction(
        age_s=max(0.0, row["age_s"]),
        role=row["role_name"],
        program=row["program"],
        pid=row["pid"],
    )


async def _clock(connection: asyncpg.Connection, clock: Clock) -> ClockReading:
    # Once for its plan: what the second one takes is the way there and back.
    await connection.fetchval(_NOW)
    asked_at = clock.now()
    theirs = await connection.fetchval(_NOW)
    return ClockReading(theirs=theirs, asked_at=asked_at, answered_at=clock.now())
