"""A bank for the command line: a real command endpoint, and a query side that is told."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chronos.client.doors import Doors
from chronos.client.ledger_client import LedgerClient
from chronos.domain.currency import EXPONENTS
from chronos.embedded.addresses import Addresses, TopicNames
from tests.databases import Database
from tests.integration.api.conftest import own_database
from tests.integration.api.running import RunningApi, make_key, running_api

__all__ = ["own_database"]

NOWHERE = "127.0.0.1:1"


def write_addresses(
    folder: Path, api: RunningApi, database: Database, *, api_key: str, query: str
) -> str:
    """Makes a data folder as `chronos up` would, and gives its name."""
    (folder / "run").mkdir(parents=True, exist_ok=True)
    addresses = Addresses(
        api=f"http://127.0.0.1:{api.port}",
        query=query,
        grpc=NOWHERE,
        metrics=(),
        postgres=database.reader_dsn,
        kafka=NOWHERE,
        redis=f"redis://{NOWHERE}",
        elasticsearch=f"http://{NOWHERE}",
        api_key=api_key,
        topics=TopicNames(
            events="t.events.v1", rejections="t.rejections.v1", dead_letters="t.dead.v1"
        ),
        partitions=1,
        pids={},
    )
    addresses.write(folder / "run" / "addresses.json")
    return str(folder)


@contextlib.asynccontextmanager
async def query_side(
    answers: dict[str, dict[str, Any]],
) -> AsyncIterator[tuple[str, list[str]]]:
    """Answers each path with what it is told; gives its address and what it was asked."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        told = answers[request.path]
        return web.Response(text=told) if isinstance(told, str) else web.json_response(told)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    server = TestServer(app)
    await server.start_server()
    try:
        yield str(server.make_url("")).rstrip("/"), asked
    finally:
        await server.close()


@pytest.fixture(scope="module")
def api(own_database, tmp_path_factory) -> Iterator[tuple]:
    """A running API, and a key to it."""
    with running_api(own_database, tmp_path_factory.mktemp("api")) as running:
        yield running, make_key(own_database, "tests", "read", "write")


@pytest.fixture
def place(api, own_database, tmp_path):
    """Makes a data folder of that API, with a query side at an address."""

    def make(query: str = f"http://{NOWHERE}") -> str:
        running, key = api
        folder = tmp_path / "data"
        return write_addresses(folder, running, own_database, api_key=key, query=query)

    return make


@pytest.fixture
async def open_accounts(api) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """Opens accounts for one test; the first of them has 1000."""
    running, key = api
    nowhere = f"http://{NOWHERE}"
    doors = Doors(command=f"http://127.0.0.1:{running.port}", query=nowhere, api_key=key)

    async def work(*names: str, currency: str = "EUR") -> None:
        bank = f"bank.{names[0]}"
        await client.accounts.open(bank, currency=currency, kind="settlement")
        for name in names:
            await client.accounts.open(name, currency=currency)
        amount = 1000 * 10 ** EXPONENTS[currency]
        await client.transfers.make(bank, names[0], amount=amount, currency=currency)

    async with LedgerClient(doors) as client:
        yield work


@pytest.fixture
async def chronos(run, place):
    """Runs a command on that API, and expects that it is granted."""
    data = place()

    async def granted(*words: str):
        ended = await run(*words, "--data", data)
        assert ended.code == 0, ended.err
        return ended

    return granted
