"""A web server with views of the query side, in this process, and who may ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import faust
from aiohttp.test_utils import TestClient, TestServer

from chronos.auth.principals import Principal, Scope

READER = {"Authorization": "Bearer reader"}


class Keys:
    """Knows one key; it may be revoked."""

    def __init__(self):
        self.is_revoked = False

    async def authenticate(self, header: str | None) -> Principal | None:
        if header != READER["Authorization"] or self.is_revoked:
            return None
        return Principal(name="tester", key_id="key", scopes=frozenset({Scope.READ}))


def view_app() -> faust.App:
    return faust.App("views", web_enabled=True, autodiscover=False)


@asynccontextmanager
async def served(app: faust.App) -> AsyncIterator[TestClient]:
    app.web.init_server()
    async with TestClient(TestServer(app.web.web_app), headers=READER) as client:
        yield client
