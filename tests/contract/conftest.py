"""What contract tests share: the fake journal, the real one, and the real one on a fake server.

The last of them holds the simulation's PostgreSQL to what the store asks of a real one.
"""

from __future__ import annotations

from unittest import mock

import asyncpg
import pytest

from chronos.ledger.service import Ledger
from tests.databases import cluster_dsn, database, template
from tests.fakes import FakeJournal
from tests.journals import store_on
from tests.simulation.connection import FakeDriver
from tests.simulation.postgres import FakePostgres
from tests.simulation.world import World

__all__ = ["cluster_dsn", "database", "template"]


@pytest.fixture
def fake():
    journal = FakeJournal()
    return journal, journal.bank


@pytest.fixture
async def real(database):
    async with store_on(database.writer_dsn) as store:
        yield store.journal, store.references


@pytest.fixture
async def real_in_parts(database):
    """Each command of a transaction in a statement of its own, as parts of long ones are."""
    async with store_on(database.writer_dsn, part_events=1) as store:
        yield store.journal, store.references


@pytest.fixture
async def fake_server():
    """The simulation's PostgreSQL, calm, where the driver looks for a server."""
    world = World(0)
    world.is_calm = True
    postgres = FakePostgres(world)
    driver = FakeDriver(postgres)
    with (
        mock.patch.object(asyncpg, "connect", driver.connect),
        mock.patch.object(asyncpg, "create_pool", driver.create_pool),
    ):
        yield postgres
    assert world.violations == []


@pytest.fixture
async def simulated(fake_server):  # noqa: ARG001 - it is where the driver looks
    async with store_on("simulated") as store:
        yield store.journal, store.references


@pytest.fixture(params=["fake", "real", "real_in_parts", "simulated"])
def both(request):
    """A journal, and where it looks accounts up."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def journal(both):
    return both[0]


@pytest.fixture
def ledger(both):
    return Ledger(*both)
