"""The load driver against a small server: what it counts, and what it does not hide."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from chronos.bench.driver import drive
from chronos.bench.load import LoadPlan

ANSWER = b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}"
STALL_S = 0.3


class Endpoint(asyncio.Protocol):
    """Answers each request at once, but for one stall of the whole server."""

    stalled = False

    def __init__(self, *, status: int, stalls: bool):
        self._status = status
        self._stalls = stalls

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, _: bytes) -> None:
        if self._stalls and not Endpoint.stalled:
            Endpoint.stalled = True
            asyncio.get_running_loop().call_later(STALL_S, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(ANSWER % self._status)


@contextlib.asynccontextmanager
async def endpoint(*, status: int = 201, stalls: bool = False) -> AsyncIterator[int]:
    Endpoint.stalled = False
    server = await asyncio.get_running_loop().create_server(
        lambda: Endpoint(status=status, stalls=stalls), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


def plan(port: int, **changes) -> LoadPlan:
    fields = {
        "host": "127.0.0.1",
        "port": port,
        "api_key": "k",
        "accounts": ("a", "b", "c"),
        "currency": "EUR",
        "connections": 2,
        "warm_up_s": 0.05,
        "seconds": 0.5,
        "rate": None,
        "seed": 1,
        "run": "r",
    }
    return LoadPlan(**(fields | changes))


async def test_answers_are_counted_after_the_warm_up():
    async with endpoint() as port:
        result = await drive(plan(port))

    assert result.booked == result.statuses["201"] > 0
    assert result.warm_up_answers > 0
    assert result.broken_connections == 0
    assert 0 < result.p50_ms <= result.p99_ms <= result.max_ms


async def test_a_refusal_is_no_transfer():
    async with endpoint(status=409) as port:
        result = await drive(plan(port))

    assert (result.booked, result.per_second) == (0, 0.0)
    assert result.statuses["409"] > 0


async def test_a_stall_is_in_the_latency_of_every_request_that_was_due_meanwhile():
    async with endpoint(stalls=True) as port:
        result = await drive(plan(port, connections=1, rate=200.0, warm_up_s=0.0))

    late = STALL_S * 1000
    assert result.max_ms >= late
    assert result.p95_ms > late / 2  # a driver that stops asking would have one late answer
