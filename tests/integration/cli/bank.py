"""A bank for the command line: a real command endpoint, and a query side that is told."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from chronos.embedded.addresses import Addresses, TopicNames
from tests.databases import Database
from tests.integration.api.running import RunningApi

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
        return web.json_response(answers[request.path])

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    server = TestServer(app)
    await server.start_server()
    try:
        yield str(server.make_url("")).rstrip("/"), asked
    finally:
        await server.close()
