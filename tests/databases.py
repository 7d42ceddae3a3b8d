"""One database of its own for each test that asks for one, with its four roles."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import asyncpg
import pytest

from chronos.store import migrate, roles

PASSWORD = "only-for-tests"
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One migrated, empty database, and the address that each role reaches it by."""

    name: str
    owner_dsn: str
    writer_dsn: str
    relay_dsn: str
    reader_dsn: str


def _run(work):
    """Runs work on a loop of its own, for fixtures that outlive a test's loop."""
    with asyncio.Runner() as runner:
        return runner.run(work)


@pytest.fixture(scope="session")
def cluster_dsn(servers) -> str:
    """The owner's address of the PostgreSQL cluster that tests may use."""
    return servers.postgres


@pytest.fixture(scope="session")
def template(cluster_dsn: str):
    """Name of a migrated database from which each test's own is copied."""
    name = f"template_{os.getpid()}_{next(_numbers)}"
    _run(_make_template(cluster_dsn, name))
    yield name
    _run(_drop(cluster_dsn, name))


@pytest.fixture
async def database(cluster_dsn: str, template: str) -> AsyncIterator[Database]:
    """One empty database for one test; it is gone afterwards, whoever is still connected."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    await _execute(cluster_dsn, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    yield _addressed(cluster_dsn, name)
    await _drop(cluster_dsn, name)


@contextlib.contextmanager
def made_database(cluster_dsn: str, template: str) -> Iterator[Database]:
    """The same for several tests; on loops of its own, for fixtures that outlive a test's."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    _run(_execute(cluster_dsn, f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    yield _addressed(cluster_dsn, name)
    _run(_drop(cluster_dsn, name))


def _addressed(cluster_dsn: str, name: str) -> Database:
    owner_dsn = roles.database_dsn(cluster_dsn, name)
    return Database(
        name=name,
        owner_dsn=owner_dsn,
        writer_dsn=roles.role_dsn(owner_dsn, roles.WRITER, PASSWORD),
        relay_dsn=roles.role_dsn(owner_dsn, roles.RELAY, PASSWORD),
        reader_dsn=roles.role_dsn(owner_dsn, roles.READER, PASSWORD),
    )


@pytest.fixture
async def empty_database(cluster_dsn: str) -> AsyncIterator[str]:
    """Owner's address of a database without a schema."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    await _execute(cluster_dsn, f'CREATE DATABASE "{name}"')
    yield roles.database_dsn(cluster_dsn, name)
    await _drop(cluster_dsn, name)


async def _make_template(cluster_dsn: str, name: str) -> None:
    await _execute(cluster_dsn, f'CREATE DATABASE "{name}"')
    owner_dsn = roles.database_dsn(cluster_dsn, name)
    await migrate.migrate(owner_dsn)
    await roles.set_passwords(owner_dsn, dict.fromkeys(roles.LOGIN_ROLES, PASSWORD))


async def _drop(cluster_dsn: str, name: str) -> None:
    await _execute(cluster_dsn, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute(statement)
    finally:
        await connection.close(timeout=5)
