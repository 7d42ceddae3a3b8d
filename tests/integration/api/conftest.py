"""A bank for the tests that leave no trace: one API process and one database for a module."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chronos.domain.money import AMOUNT_MAX
from chronos.store import roles
from tests.databases import PASSWORD, Database, _drop, _execute, _run
from tests.integration.api.running import Inspector, RunningApi, make_key, running_api
from tests.integration.api.wire import Door

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """A running API with a few accounts, and the keys of its clients."""

    api: RunningApi
    door: Door
    """Of the client who may read and write."""
    reader: Door
    other: Door
    """Of another principal who may read and write."""
    revoked: Door
    inspector: Inspector

    def counts(self) -> tuple[int, ...]:
        """Rows of events, outbox, receipts and accounts."""
        query = """
            SELECT (SELECT count(*) FROM events),
                   (SELECT count(*) FROM outbox_0) + (SELECT count(*) FROM outbox_1)
                     + (SELECT count(*) FROM outbox_2),
                   (SELECT count(*) FROM receipts), (SELECT count(*) FROM accounts)
        """
        return self.inspector.fetch(query)[0]


@pytest.fixture(scope="module")
def own_database(cluster_dsn: str, template: str) -> Iterator[Database]:
    """One empty database for one module."""
    name = f"test_{os.getpid()}_api_{next(_numbers)}"
    _run(_execute(cluster_dsn, f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    owner_dsn = roles.database_dsn(cluster_dsn, name)
    yield Database(
        name=name,
        owner_dsn=owner_dsn,
        writer_dsn=roles.role_dsn(owner_dsn, roles.WRITER, PASSWORD),
        relay_dsn=roles.role_dsn(owner_dsn, roles.RELAY, PASSWORD),
        reader_dsn=roles.role_dsn(owner_dsn, roles.READER, PASSWORD),
    )
    _run(_drop(cluster_dsn, name))


@pytest.fixture(scope="module")
def bank(own_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """A bank: settlement accounts, two customers, one rich to the brim, one in yen."""
    folder: Path = tmp_path_factory.mktemp("api")
    with (
        running_api(own_database, folder, body_deadline_s=1) as api,
        Inspector(own_database) as inspector,
    ):
        made = Bank(
            inspector=inspector,
            api=api,
            door=api.door(make_key(own_database, "alice-corp", "read", "write")),
            reader=api.door(make_key(own_database, "auditor", "read")),
            other=api.door(make_key(own_database, "bob-corp", "read", "write")),
            revoked=api.door(make_key(own_database, "gone", "admin", revoked=True)),
        )
        _fill(made.door)
        yield made
        assert api.stop() == 0
        assert "internal_error" not in api.log.read_text()


def _fill(door: Door) -> None:
    for account_id in ("bank", "vast"):
        assert door.open_account(account_id, kind="settlement").status == 201
    for account_id in ("alice", "bob", "brim"):
        assert door.open_account(account_id, external_id=f"crm-{account_id}").status == 201
    assert door.open_account("yen", "JPY").status == 201
    assert door.transfer("bank", "alice", 1000).status == 201
    assert door.transfer("vast", "brim", AMOUNT_MAX).status == 201
