"""The load driver against a small server: what it counts, and what it does not hide."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from chronos.bench.driver import drive
from chronos.bench.load import Door, LoadPlan, Transfers
from chronos.bench.skew import Skew

ANSWER = b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}"
STALL_S = 0.3


@dataclass
class Manner:
    """How the server behaves: at which request it stalls, hangs for good, or hangs up."""

    status: int = 201
    stalls_at: int = 0
    hangs_at: int = 0
    hangs_up_at: int = 0
    seen: int = 0


class Endpoint(asyncio.Protocol):
    """Answers each request at once, but for what its manner says."""

    def __init__(self, manner: Manner):
        self._manner = manner

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, _: bytes) -> None:
        manner = self._manner
        manner.seen += 1
        if manner.hangs_at and manner.seen >= manner.hangs_at:
            return
        if manner.seen == manner.hangs_up_at:
            self._transport.abort()
        elif manner.seen == manner.stalls_at:
            asyncio.get_running_loop().call_later(STALL_S, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(ANSWER % self._manner.status)


@contextlib.asynccontextmanager
async def endpoint(**manner) -> AsyncIterator[int]:
    shared = Manner(**manner)
    server = await asyncio.get_running_loop().create_server(
        lambda: Endpoint(shared), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


def plan(port: int, **changes) -> LoadPlan:
    fields = {
        "doors": (Door(host="127.0.0.1", port=port),),
        "api_key": "k",
        "work": Transfers(
            accounts=("a", "b", "c"), currency="EUR", skew=Skew.UNIFORM, seed=1, run="r"
        ),
        "connections": 2,
        "warm_up_s": 0.05,
        "seconds": 0.5,
        "rate": None,
    }
    return LoadPlan(**(fields | changes))


async def test_answers_are_counted_after_the_warm_up():
    async with endpoint() as port:
        result = await drive(plan(port))

    assert result.done == result.statuses["201"] > 0
    assert result.warm_up_answers > 0
    assert result.troubles == {}
    assert 0 < result.p50_ms <= result.p99_ms <= result.max_ms
    assert result.driver_cpu_us > 0


async def test_a_refusal_is_no_transfer():
    async with endpoint(status=409) as port:
        result = await drive(plan(port))

    assert (result.done, result.per_second) == (0, 0.0)
    assert result.failures["409 without a code"] >= result.statuses["409"] > 0


async def test_a_stall_is_in_the_latency_of_every_request_that_was_due_meanwhile():
    async with endpoint(stalls_at=2) as port:
        result = await drive(plan(port, connections=1, rate=200.0, warm_up_s=0.0))

    late = STALL_S * 1000
    assert result.max_ms > 0.9 * late
    assert result.p95_ms > late / 2  # a driver that stops asking would have one late answer


async def test_a_constant_rate_is_kept_whatever_the_answers_do():
    async with endpoint(stalls_at=20) as port:
        result = await drive(plan(port, connections=1, rate=200.0, seconds=1.0, warm_up_s=0.1))

    assert 190 <= result.due <= 210


async def test_a_stall_at_the_end_is_not_cut_off():
    async with endpoint(stalls_at=90) as port:  # due at 0.45 s of 0.5
        result = await drive(plan(port, connections=1, rate=200.0, warm_up_s=0.0))

    assert result.unanswered == 0
    assert result.max_ms > 900 * STALL_S
    assert result.due >= 95


async def test_what_is_never_answered_has_the_latency_until_it_was_given_up():
    async with endpoint(hangs_at=50) as port:
        found = await drive(plan(port, rate=200.0, warm_up_s=0.0), last_answers_s=0.2)

    assert found.unanswered >= 40  # the rest was due while both connections hung
    assert found.troubles["unanswered"] == found.unanswered
    assert found.p95_ms > 200


async def test_a_connection_that_the_server_closes_is_trouble_and_the_others_go_on():
    async with endpoint(hangs_up_at=50) as port:
        result = await drive(plan(port, rate=200.0, warm_up_s=0.0))

    assert (result.broken_connections, result.unanswered) == (1, 1)
    assert result.done >= 80
