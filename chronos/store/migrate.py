"""Brings a database to the schema of this checkout: forward only, one transaction per file.

Phases: take the database's migration lock → make the table of what was done → compare every
file that was applied with its SHA-256 then → apply the rest in order, each in its own
transaction together with the row that records it. A process that dies in between leaves whole
migrations only; the next run goes on from there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import asyncpg

from chronos.errors import ChronosError
from chronos.home import migrations_folder
from chronos.store import roles
from chronos.store.faults import translated

_FILE_NAME: Final = re.compile(r"(?P<number>[0-9]{4})_(?P<name>[a-z0-9_]+)\.sql")
# A lock of two 32-bit numbers, like the relay's; commands lock single 64-bit numbers, which are
# another space, so they never meet.
_LOCK: Final = "SELECT pg_advisory_lock(1, 1)"
_HISTORY: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
  number     integer CONSTRAINT schema_migrations_pkey PRIMARY KEY,
  name       text NOT NULL,
  sha256     text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
_APPLIED: Final = (
    "SELECT number, name, sha256, applied_at FROM schema_migrations ORDER BY number"
)
_WRITERS: Final = f"""
SELECT count(*)
FROM pg_stat_activity
WHERE datname = current_database() AND usename = '{roles.WRITER}'
"""  # noqa: S608 - the name of a role of ours
_RECORD: Final = """
INSERT INTO schema_migrations (number, name, sha256)
VALUES ($1::integer, $2::text, $3::text)
"""


class MigrationFault(ChronosError):
    """Says which migration does not fit this database, and what to do."""

    exit_code = 78


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file of the migrations folder."""

    number: int
    name: str
    sha256: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationState:
    """One migration as this checkout and this database know it."""

    number: int
    name: str
    applied_at: datetime | None


def read_migrations(folder: Path | None = None) -> tuple[Migration, ...]:
    """Reads all migrations in order.

    Raises:
        MigrationFault: A name is not `NNNN_noun.sql`, or a number is missing or doubled.
    """
    found = tuple(_read(path) for path in sorted((folder or migrations_folder()).glob("*.sql")))
    for expected, migration in enumerate(found, start=1):
        if migration.number != expected:
            raise MigrationFault(
                f"migration {migration.number:04} ({migration.name}) stands where "
                f"{expected:04} is expected: numbers are 0001, 0002 and so on, each once"
            )
    return found


def schema_number() -> int:
    """Tells the number of the newest migration of this checkout."""
    return len(read_migrations())


async def migrate(owner_dsn: str, *, folder: Path | None = None) -> list[Migration]:
    """Applies what is missing; gives what was applied now.

    Raises:
        MigrationFault: An applied migration was edited, or is unknown to this checkout; or the
            schema would change under processes that write.
        Unavailable: PostgreSQL does not answer.
    """
    wanted = read_migrations(folder)
    with translated():
        async with _owner(owner_dsn) as connection:
            await connection.execute(_LOCK)
            await connection.execute(_HISTORY)
            applied = await connection.fetch(_APPLIED)
            _refuse_strangers(applied, wanted)
            missing = [*wanted[len(applied) :]]
            if applied and missing:
                _refuse_beside_writers(await connection.fetchval(_WRITERS))
            for migration in missing:
                await _apply(connection, migration)
    return missing


async def status(owner_dsn: str, *, folder: Path | None = None) -> list[MigrationState]:
    """Lists every migration of this checkout and when it was applied.

    Raises:
        MigrationFault: An applied migration was edited, or is unknown to this checkout.
        Unavailable: PostgreSQL does not answer.
    """
    wanted = read_migrations(folder)
    with translated():
        async with _owner(owner_dsn) as connection:
            known = await connection.fetchval("SELECT to_regclass('schema_migrations')")
            applied = await connection.fetch(_APPLIED) if known else []
    _refuse_strangers(applied, wanted)
    times = {row["number"]: row["applied_at"] for row in applied}
    return [
        MigrationState(number=m.number, name=m.name, applied_at=times.get(m.number))
        for m in wanted
    ]


@asynccontextmanager
async def _owner(owner_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(owner_dsn, timeout=10, command_timeout=300)
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.text)
        await connection.execute("RESET ROLE")
        await connection.execute(_RECORD, migration.number, migration.name, migration.sha256)


def _refuse_beside_writers(sessions: int) -> None:
    """Refuses to change tables under processes that write rows of the former shape."""
    if sessions:
        raise MigrationFault(
            f"{sessions} sessions of {roles.WRITER} are writing to this database: stop the API "
            "and the relay, which know its former schema only, then migrate and start the new "
            "ones"
        )


def _refuse_strangers(applied: Iterable[asyncpg.Record], wanted: tuple[Migration, ...]) -> None:
    for row, number in zip(applied, range(1, 10_000), strict=False):
        if row["number"] != number:
            raise MigrationFault(f"the database lacks migration {number:04} but has later ones")
        if number > len(wanted):
            raise MigrationFault(
                f"the database has migration {number:04} ({row['name']}), which this version "
                "of chronos does not know: install the version that made it, or a later one"
            )
        if row["sha256"] != wanted[number - 1].sha256:
            raise MigrationFault(
                f"migration {number:04} ({row['name']}) was changed after it was applied: "
                "put the old text back and write the change as a new migration"
            )


def _read(path: Path) -> Migration:
    matched = _FILE_NAME.fullmatch(path.name)
    if matched is None:
        raise MigrationFault(f"{path.name} is not named NNNN_noun.sql")
    content = path.read_bytes()
    return Migration(
        number=int(matched["number"]),
        name=matched["name"],
        sha256=hashlib.sha256(content).hexdigest(),
        text=content.decode("utf-8"),
    )
