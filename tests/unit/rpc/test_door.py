"""The net around every call, with a ledger that misbehaves on demand."""

import asyncio
import socket
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc import StatusCode

from chronos.auth.principals import Principal, Scope
from chronos.clock import SystemClock, SystemIds
from chronos.errors import DeadlineExceeded, InvariantBroken, Overloaded, Unavailable
from chronos.rpc import methods
from chronos.rpc.app import create_rpc
from chronos.rpc.pb import ledger_pb2 as pb
from chronos.rpc.pb.ledger_pb2_grpc import LedgerStub
from chronos.rpc.server import Listening
from chronos.settings import Settings
from chronos.telemetry.metrics import REGISTRY
from tests.builders import MemoryBank
from tests.fakes import FakeJournal

KEY = (("authorization", "Bearer k"),)
TRANSFER = pb.TransferFundsRequest(
    **{"from": "a"}, to="b", amount=1, currency="EUR", idempotency_key="key-1"
)


class OneLedger:
    def __init__(self):
        self.outcome = None
        self.attempts = []

    async def execute(self, attempt):
        self.attempts.append(attempt)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        if self.outcome is None:
            await asyncio.Event().wait()
        return self.outcome

    preview = execute


class OneAccount:
    """Reads: one account that is known and has no event after any version."""

    async def events_of(self, _account_id, _after, _limit):
        return ()

    async def is_known(self, account_id):
        return account_id == "a"

    async def versions(self, _accounts):
        return {}


class OneKey:
    def __init__(self):
        self.is_revoked = False

    async def authenticate(self, header):
        if header != "Bearer k" or self.is_revoked:
            return None
        return Principal(name="client", key_id="k", scopes=frozenset({Scope.ADMIN}))


class OpenGate:
    def __init__(self):
        self.is_open = True

    def refuse_when_closed(self):
        if not self.is_open:
            raise Unavailable("postgresql", "the start-up checks have not passed yet")

    async def ask(self):
        self.refuse_when_closed()


class Bench:
    """One door over fakes, and what it was seen to do."""

    def __init__(self):
        self.ledger, self.reads, self.auth = OneLedger(), OneAccount(), OneKey()
        self.gate, self.broken = OpenGate(), []
        self.rpc = create_rpc(
            ledger=self.ledger,
            reads=self.reads,
            newest=self.reads,
            auth=self.auth,
            gate=self.gate,
            settings=Settings(log_format="console"),
            clock=SystemClock(),
            ids=SystemIds(),
            on_broken=self.broken.append,
        )
        self.stub = None

    async def transfer(self, **options):
        return await self.stub.TransferFunds(TRANSFER, metadata=KEY, timeout=20, **options)

    async def refused(self, call):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        return caught.value


@asynccontextmanager
async def listening():
    bench = Bench()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    door = await Listening.start(bench.rpc, host="127.0.0.1", port=port, shared=False)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            bench.stub = LedgerStub(channel)
            yield bench
    finally:
        await door.drain(5)


@pytest.fixture
async def bench():
    async with listening() as made:
        yield made


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def code_of(error) -> str:
    return dict(error.trailing_metadata())["chronos-code"]


async def until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  the door tells nobody
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Unavailable("postgresql", "away"), StatusCode.UNAVAILABLE, "unavailable"),
        (DeadlineExceeded("postgresql", "slow"), StatusCode.UNAVAILABLE, "unavailable"),
        (Overloaded("postgresql", "full"), StatusCode.RESOURCE_EXHAUSTED, "unavailable"),
        (ValueError("a bug"), StatusCode.INTERNAL, "internal_error"),
    ],
)
async def test_a_fault_has_its_status_and_does_not_show_its_text(bench, fault, status, code):
    bench.ledger.outcome = fault

    error = await bench.refused(bench.transfer())

    assert error.code() is status
    assert code_of(error) == code
    assert dict(error.trailing_metadata())["x-request-id"].startswith("req_")
    assert str(fault) not in error.details()


async def test_every_unknown_fault_is_counted(bench):
    before = counted("chronos_rpc_internal_errors_total")
    bench.ledger.outcome = KeyError("x")

    await bench.refused(bench.transfer())

    assert counted("chronos_rpc_internal_errors_total") == before + 1
    assert bench.broken == []


async def test_a_broken_invariant_stops_the_process(bench):
    bench.ledger.outcome = InvariantBroken("two and two is five")

    error = await bench.refused(bench.transfer())

    assert error.code() is StatusCode.INTERNAL
    assert bench.broken == [bench.ledger.outcome]


async def test_before_the_checks_have_passed_the_key_is_not_even_judged(bench):
    bench.gate.is_open = False
    bench.auth.is_revoked = True

    error = await bench.refused(bench.transfer())

    assert error.code() is StatusCode.UNAVAILABLE
    assert bench.ledger.attempts == []


async def test_a_deadline_cancels_the_wait_and_is_counted_as_one(bench):
    labels = {"method": "/chronos.v1.Ledger/TransferFunds", "code": "DEADLINE_EXCEEDED"}
    before = counted("chronos_rpc_calls_total", **labels)

    error = await bench.refused(bench.stub.TransferFunds(TRANSFER, metadata=KEY, timeout=0.2))

    assert error.code() is StatusCode.DEADLINE_EXCEEDED
    await until(lambda: counted("chronos_rpc_calls_total", **labels) > before)
    assert bench.rpc.door.in_flight == 0


async def test_a_client_that_hangs_up_is_counted_as_one(bench):
    labels = {"method": "/chronos.v1.Ledger/TransferFunds", "code": "CANCELLED"}
    before = counted("chronos_rpc_calls_total", **labels)
    call = bench.stub.TransferFunds(TRANSFER, metadata=KEY)
    await until(lambda: bench.ledger.attempts)

    call.cancel()

    await until(lambda: counted("chronos_rpc_calls_total", **labels) > before)


async def test_the_attempt_is_the_one_that_http_would_make(bench):
    bank = FakeJournal(MemoryBank.empty())
    bench.ledger.execute = bank.submit

    error = await bench.refused(bench.transfer())

    assert code_of(error) == "account_not_found"
    (principal, key), receipt = next(iter(bank.bank.state.receipts.items()))
    assert (principal, key) == ("client", "key-1")
    assert receipt.status == 422


async def test_a_key_that_is_revoked_ends_its_streams(bench, monkeypatch):
    monkeypatch.setattr(methods, "AUTHORIZED_S", 0.05)
    monkeypatch.setattr("chronos.auth.credentials.REMEMBERED_S", 0.0)
    stream = bench.stub.StreamEvents(
        pb.StreamEventsRequest(account_id="a"), metadata=KEY, timeout=20
    )
    await stream.initial_metadata()
    assert bench.rpc.door.streams == 1

    bench.auth.is_revoked = True

    error = await bench.refused(stream.read())
    assert error.code() is StatusCode.UNAUTHENTICATED
    assert bench.rpc.door.streams == 0


async def test_a_stopping_process_ends_its_streams_at_once():
    async with listening() as bench:
        stream = bench.stub.StreamEvents(
            pb.StreamEventsRequest(account_id="a"), metadata=KEY, timeout=20
        )
        started = dict(await stream.initial_metadata())
        assert started["x-request-id"].startswith("req_")

        bench.rpc.following.stop()

        error = await bench.refused(stream.read())
        assert (error.code(), code_of(error)) == (StatusCode.UNAVAILABLE, "unavailable")
