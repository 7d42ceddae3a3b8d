"""A small HTTP server that answers by a script, and misbehaves on demand."""

import asyncio
import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from chronos.client.exchange import Patience
from chronos.client.retrying import Backoff
from tests.unit.client.samples import BALANCE, TRANSFER

RECEIPT = TRANSFER | {
    "accounts": {
        "alice": {"version": 7, "booked": 1, "held": 0, "available": 1},
        "bob": {"version": 3, "booked": 5, "held": 0, "available": 5},
    },
}
# Long enough for a machine that stands still for a while: a test counts its requests.
QUICK = Patience(backoff=Backoff(first_s=0.001, most_s=0.002))


class Scripted:
    """Answers each request with the next step of a script, and keeps what it was asked."""

    def __init__(self, *steps: Callable[[web.Request], Awaitable[web.StreamResponse]]):
        self.steps = list(steps)
        self.keys: list[str | None] = []
        self.bodies: list[bytes] = []
        self.queries: list[dict[str, str]] = []
        self.requests: list[web.Request] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.keys.append(request.headers.get("Idempotency-Key"))
        self.bodies.append(await request.read())
        self.queries.append(dict(request.query))
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        return await step(request)


async def receipt(_: web.Request) -> web.Response:
    return web.json_response(RECEIPT, status=201)


async def replay(_: web.Request) -> web.Response:
    return web.json_response(RECEIPT, status=201, headers={"Idempotent-Replayed": "true"})


async def balance(_: web.Request) -> web.Response:
    return web.json_response(BALANCE)


async def cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def hang(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError("Nobody ends the wait.")


def refuse(status: int, code: str, **extra: object) -> Callable[..., Awaitable[web.Response]]:
    async def step(_: web.Request) -> web.Response:
        body = {"status": status, "code": code, "title": "No", "detail": "It said no."}
        return web.Response(
            body=json.dumps(body | extra),
            status=status,
            content_type="application/problem+json",
            headers={"Retry-After": "0"},
        )

    return step
