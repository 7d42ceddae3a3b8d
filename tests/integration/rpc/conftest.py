"""A bank for one module: one API process, both of its doors, and clients with several keys."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from chronos.store import roles
from tests.databases import PASSWORD, Database, _drop, _execute, _run
from tests.integration.api.running import Inspector, RunningApi, make_key, running_api
from tests.integration.api.wire import Door
from tests.integration.rpc.calling import Caller

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """A running API with a few accounts, and the keys of its clients."""

    api: RunningApi
    http: Door
    """Of the same principal as `caller`."""
    caller: Caller
    """Of the client who may read and write."""
    other: Caller
    """Of another principal who may read and write."""
    reader: Caller
    writer: Caller
    """May write and not read."""
    nobody: Caller
    inspector: Inspector

    def events(self) -> int:
        return self.inspector.fetch("SELECT count(*) FROM events")[0][0]


@pytest.fixture(scope="module")
def own_database(cluster_dsn: str, template: str) -> Iterator[Database]:
    """One empty database for one module."""
    name = f"test_{os.getpid()}_rpc_{next(_numbers)}"
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
    """A bank: a settlement account, two customers with some money, one in yen."""
    with contextlib.ExitStack() as stack:
        folder = tmp_path_factory.mktemp("rpc")
        api = stack.enter_context(running_api(own_database, folder))

        def caller(principal: str, *scopes: str) -> Caller:
            key = make_key(own_database, principal, *scopes)
            return stack.enter_context(Caller(api.grpc_port, key))

        made = Bank(
            api=api,
            http=api.door(make_key(own_database, "alice-corp", "read", "write")),
            caller=caller("alice-corp", "read", "write"),
            other=caller("bob-corp", "read", "write"),
            reader=caller("auditor", "read"),
            writer=caller("robot", "write"),
            nobody=stack.enter_context(Caller(api.grpc_port, None)),
            inspector=stack.enter_context(Inspector(own_database)),
        )
        _fill(made.http)
        yield made
        assert api.stop() == 0
        assert "internal_error" not in api.log.read_text()
        assert "call_failed" not in api.log.read_text()


def _fill(door: Door) -> None:
    assert door.open_account("bank", kind="settlement").status == 201
    for account_id in ("alice", "bob"):
        assert door.open_account(account_id).status == 201
    assert door.open_account("yen", "JPY").status == 201
    assert door.transfer("bank", "alice", 100_000).status == 201
