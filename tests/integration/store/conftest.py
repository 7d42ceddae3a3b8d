"""What the tests of the store share: an open store, and the owner's view of its tables."""

from __future__ import annotations

from contextlib import AsyncExitStack

import asyncpg
import pytest

from chronos.domain.chart import AccountKind
from tests.builders import attempt, open_account
from tests.journals import store_on


@pytest.fixture
async def store(database):
    async with store_on(database.writer_dsn) as opened:
        yield opened


@pytest.fixture
async def journal(store):
    return store.journal


@pytest.fixture
async def stores(database):
    """Two stores on one database, as two API processes have them; one inserts in parts."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(store_on(database.writer_dsn, **changes))
            for changes in ({"part_events": 1}, {})
        ]


@pytest.fixture
async def owner(database):
    connection = await asyncpg.connect(database.owner_dsn)
    yield connection
    await connection.close(timeout=5)


@pytest.fixture
async def writer(database):
    connection = await asyncpg.connect(database.writer_dsn)
    yield connection
    await connection.close(timeout=5)


@pytest.fixture
async def funded(journal):
    """The journal with two accounts; alice may go below zero, bob may not."""
    await journal.submit(attempt(open_account("alice", kind=AccountKind.SETTLEMENT), "open-1"))
    await journal.submit(attempt(open_account("bob"), "open-2"))
    return journal
