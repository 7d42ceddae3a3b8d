"""Clients of servers that answer by a script."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chronos.client.doors import Doors
from chronos.client.ledger_client import LedgerClient
from tests.unit.client.served import QUICK, Scripted


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[LedgerClient]]]:
    servers: list[TestServer] = []
    clients: list[LedgerClient] = []

    async def start(script: Scripted, **options: object) -> LedgerClient:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", script.handle)
        server = TestServer(app)
        await server.start_server()
        servers.append(server)
        url = str(server.make_url("")).rstrip("/")
        doors = Doors(command=url, query=url, api_key="chk_x_y")
        client = LedgerClient(doors, **{"patience": QUICK} | options)  # type: ignore[arg-type]  # a test's shorthand
        clients.append(client)
        return client

    yield start
    for client in clients:
        await client.__aexit__(None, None, None)
    for server in servers:
        await server.close()
