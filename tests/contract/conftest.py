"""What contract tests share: the fake journal and the real one, each with its references."""

from __future__ import annotations

import pytest

from chronos.ledger.service import Ledger
from tests.databases import cluster_dsn, database, template
from tests.fakes import FakeJournal
from tests.journals import store_on

__all__ = ["cluster_dsn", "database", "template"]


@pytest.fixture
def fake():
    journal = FakeJournal()
    return journal, journal.bank


@pytest.fixture
async def real(database):
    async with store_on(database.writer_dsn) as store:
        yield store.journal, store.references


@pytest.fixture(params=["fake", "real"])
def both(request):
    """A journal, and where it looks accounts up."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def journal(both):
    return both[0]


@pytest.fixture
def ledger(both):
    return Ledger(*both)
