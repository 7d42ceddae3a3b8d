"""Deadlines, PostgreSQL away, processes stopped or killed: nothing lost, nothing doubled."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chronos.rpc.pb import ledger_pb2 as pb
from chronos.store.locks import blocking_locks, key_lock
from chronos.wire.booking import Needs
from tests.databases import Database
from tests.integration.api.running import (
    STOP_S,
    Inspector,
    is_ready,
    make_key,
    running_api,
    wait_until,
)
from tests.integration.api.test_outages import (
    HEAL_S,
    Proxy,
    children,
    is_listening,
    waits_for_a_lock,
)
from tests.integration.api.wire import Door, new_key
from tests.integration.rpc.calling import (
    Caller,
    drain,
    fill_beyond_a_window,
    outcome_of,
    transfer_request,
)
from tests.integration.rpc.conftest import Bank

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def proxy(own_database: Database) -> Iterator[Proxy]:
    made = Proxy(own_database.writer_dsn)
    yield made
    made.cut()


@pytest.fixture(scope="module")
def api_key(own_database: Database) -> str:
    return make_key(own_database, "client", "read", "write")


@contextlib.contextmanager
def held(inspector: Inspector, account_id: str) -> Iterator[None]:
    """Holds the lock of an account, so that its commands wait."""
    needs = Needs(accounts=(account_id,), transfers=(), external_ids=(), events_max=0)
    lock = min(blocking_locks(needs))
    inspector.fetch("SELECT pg_advisory_lock($1)", lock)
    try:
        yield
    finally:
        inspector.fetch("SELECT pg_advisory_unlock($1)", lock)


def fill(caller: Caller, *names: str) -> None:
    for name in names:
        opened = caller.open_account(name, kind="ACCOUNT_KIND_SETTLEMENT")
        assert opened.status in (StatusCode.OK, StatusCode.ALREADY_EXISTS)


def health(caller: Caller) -> int:
    stub = health_pb2_grpc.HealthStub(caller.channel)
    return stub.Check(health_pb2.HealthCheckRequest(), timeout=20).status


def test_a_short_deadline_ends_a_command_and_its_key_tells_the_truth(bank: Bank) -> None:
    fill(bank.caller, "slow", "quick")
    key = new_key()
    with held(bank.inspector, "slow"):
        late = bank.caller.transfer("slow", "quick", 3, idempotency_key=key, timeout=0.4)

    assert late.status is StatusCode.DEADLINE_EXCEEDED
    retry = bank.caller.transfer("slow", "quick", 3, idempotency_key=key)
    assert retry.status is StatusCode.OK
    (count,) = bank.inspector.fetch(
        "SELECT count(*) FROM events WHERE account_id = 'slow' AND type = 'MoneyWithdrawn'"
    )
    assert count == (1,)
    assert bank.caller.balance("quick").message.booked == 3


def test_a_command_that_nobody_waits_for_is_not_begun(bank: Bank) -> None:
    fill(bank.caller, "blocked", "other")
    with concurrent.futures.ThreadPoolExecutor(1) as thread, held(bank.inspector, "blocked"):
        first = thread.submit(bank.caller.transfer, "blocked", "other", 1)
        wait_until(lambda: waits_for_a_lock(bank.inspector), HEAL_S)
        # It needs a lock that the first one's lane waits for, so no lane takes it.
        late = bank.caller.transfer("blocked", "other", 2, id="too-late", timeout=0.4)

    assert late.status is StatusCode.DEADLINE_EXCEEDED
    assert first.result(STOP_S).status is StatusCode.OK
    assert bank.caller.transfer("blocked", "other", 4).status is StatusCode.OK
    assert bank.caller.balance("other").message.booked == 5
    assert bank.http.get("/v1/transfers/too-late").status == 404


def test_a_client_that_cancels_is_told_by_its_key(bank: Bank) -> None:
    fill(bank.caller, "hung", "up")
    key = new_key()
    request = transfer_request("hung", "up", 8, idempotency_key=key)
    with held(bank.inspector, "hung"):
        call = bank.caller.stub.TransferFunds.future(
            request, timeout=20, metadata=bank.caller.metadata
        )
        wait_until(lambda: waits_for_a_lock(bank.inspector), HEAL_S)
        call.cancel()

    retry = bank.caller.call("TransferFunds", request)

    assert retry.status is StatusCode.OK
    assert bank.caller.balance("up").message.booked == 8


def test_calls_that_are_cut_short_leave_the_connections_whole(bank: Bank) -> None:
    fill(bank.caller, "cut", "short")
    moments = [0.001 + 0.0002 * number for number in range(40)]

    def call(moment: float) -> set[StatusCode]:
        events = bank.caller.events("cut", until_now=False, timeout=moment)
        with pytest.raises(grpc.RpcError) as caught:
            list(events)
        request = pb.GetBalanceRequest(account_id="cut")
        read = bank.caller.call("GetBalance", request, timeout=moment)
        moved = bank.caller.transfer("cut", "short", 1, timeout=moment)
        return {caught.value.code(), read.status, moved.status}

    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        seen = set().union(*threads.map(call, moments * 5))

    assert seen <= {StatusCode.OK, StatusCode.DEADLINE_EXCEEDED}
    assert {bank.caller.balance("cut").status for _ in range(20)} == {StatusCode.OK}
    balance = bank.caller.balance("short").message
    assert balance.booked == -bank.caller.balance("cut").message.booked == balance.version - 1


def test_a_key_that_another_process_works_on_is_aborted(bank: Bank) -> None:
    key = new_key()
    lock = key_lock(("alice-corp", key))
    bank.inspector.fetch("SELECT pg_advisory_lock($1)", lock)
    try:
        busy = bank.caller.transfer("alice", "bob", 1, idempotency_key=key)
    finally:
        bank.inspector.fetch("SELECT pg_advisory_unlock($1)", lock)

    assert (busy.status, busy.code) == (StatusCode.ABORTED, "idempotency_in_progress")
    assert busy.details["RetryInfo"].retry_delay.seconds >= 1
    retry = bank.caller.transfer("alice", "bob", 1, idempotency_key=key)
    assert retry.status is StatusCode.OK


def test_without_postgresql_calls_are_unavailable_and_later_succeed(
    own_database: Database, proxy: Proxy, api_key: str, tmp_path: Path
) -> None:
    with (
        running_api(own_database, tmp_path, dsn=proxy.dsn) as api,
        Caller(api.grpc_port, api_key) as caller,
    ):
        key = new_key()
        fill(caller, "north", "south")
        stream = caller.events("north", until_now=False)
        assert next(stream).version == 1

        proxy.cut()
        refused = [
            caller.transfer("north", "south", 5, idempotency_key=key),
            caller.balance("north"),
            drain(stream),
            drain(caller.events("north")),
        ]

        assert {each.status for each in refused} == {StatusCode.UNAVAILABLE}
        assert {each.code for each in refused} == {"unavailable"}
        assert refused[0].details["RetryInfo"].retry_delay.seconds >= 1
        assert health(caller) == NOT_SERVING
        proxy.mend()
        wait_until(lambda: health(caller) == SERVING, HEAL_S, api.log.read_text)
        done = caller.transfer("north", "south", 5, idempotency_key=key)
        assert done.status is StatusCode.OK
        assert [event.version for event in caller.events("south")] == [1, 2]
        assert api.stop() == 0


def test_before_the_checks_have_passed_nothing_is_served(
    own_database: Database, proxy: Proxy, api_key: str, tmp_path: Path
) -> None:
    proxy.cut()
    with (
        running_api(own_database, tmp_path, dsn=proxy.dsn, ready=False) as api,
        Caller(api.grpc_port, api_key) as caller,
    ):
        wait_until(lambda: is_listening(api.grpc_port), HEAL_S, api.log.read_text)
        watched = health_pb2_grpc.HealthStub(caller.channel).Watch(
            health_pb2.HealthCheckRequest(service="chronos.v1.Ledger"), timeout=60
        )
        assert next(watched).status == NOT_SERVING
        assert caller.balance("north").status is StatusCode.UNAVAILABLE

        proxy.mend()

        assert next(watched).status == SERVING
        assert caller.balance("nobody").status is StatusCode.NOT_FOUND
        assert api.stop() == 0


def test_a_stopping_process_answers_what_it_has_taken_and_ends_its_streams(
    own_database: Database, api_key: str, tmp_path: Path
) -> None:
    with (
        running_api(own_database, tmp_path) as api,
        Inspector(own_database) as inspector,
        Caller(api.grpc_port, api_key) as caller,
        concurrent.futures.ThreadPoolExecutor(2) as threads,
    ):
        fill(caller, "east", "west")
        stream = caller.events("east", until_now=False)
        assert next(stream).version == 1
        watched = health_pb2_grpc.HealthStub(caller.channel).Watch(
            health_pb2.HealthCheckRequest(), timeout=60
        )
        assert next(watched).status == SERVING
        with held(inspector, "west"):
            answer = threads.submit(caller.transfer, "east", "west", 9)
            wait_until(lambda: waits_for_a_lock(inspector), HEAL_S, api.log.read_text)
            api.process.send_signal(signal.SIGTERM)
            ended = threads.submit(drain, stream).result(STOP_S)
            assert (ended.status, ended.code) == (StatusCode.UNAVAILABLE, "unavailable")
            assert next(watched).status == NOT_SERVING
            assert not answer.done()
        assert answer.result(STOP_S).status is StatusCode.OK
        assert api.process.wait(STOP_S) == 0
        request = pb.GetBalanceRequest(account_id="east")
        with pytest.raises(grpc.RpcError) as caught:
            caller.stub.GetBalance(request, timeout=5, metadata=caller.metadata)
        assert outcome_of(caught.value).status is StatusCode.UNAVAILABLE


def test_a_client_that_does_not_read_does_not_hold_up_the_end(
    own_database: Database, api_key: str, tmp_path: Path
) -> None:
    with (
        running_api(own_database, tmp_path, drain_s=60) as api,
        Caller(api.grpc_port, api_key) as caller,
    ):
        fill(caller, "bank", "full")
        fill_beyond_a_window(caller, "full")
        stream = caller.events("full", until_now=False)
        assert next(stream).version == 1

        assert api.stop() == 0  # well before the 60 s are over: `stop` does not wait that long
        stream.cancel()


def test_several_processes_share_the_port_and_a_dead_one_is_replaced(
    own_database: Database, api_key: str, tmp_path: Path
) -> None:
    with running_api(own_database, tmp_path, api_processes=2) as api:
        wait_until(lambda: is_ready(api.admin_port + 1), HEAL_S, api.log.read_text)
        with contextlib.ExitStack() as stack:
            callers = [stack.enter_context(Caller(api.grpc_port, api_key)) for _ in range(16)]
            fill(callers[0], "left", "right")
            key = new_key()
            with concurrent.futures.ThreadPoolExecutor(16) as threads:
                outcomes = list(
                    threads.map(
                        lambda c: c.transfer("left", "right", 1, idempotency_key=key), callers
                    )
                )
            booked = {each.message.id for each in outcomes if each.status is StatusCode.OK}
            assert len(booked) == 1
            assert {each.status for each in outcomes} <= {StatusCode.OK, StatusCode.ABORTED}
        assert all(_served(api.admin_port + number) > 0 for number in range(2))

        before = children(api)
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: len(set(children(api)) - set(before)) == 1, HEAL_S)
        for number in range(2):
            wait_until(
                lambda port=api.admin_port + number: is_ready(port), HEAL_S, api.log.read_text
            )
        with Caller(api.grpc_port, api_key) as caller:
            assert caller.balance("right").message.booked == 1
        assert api.stop() == 0


@pytest.mark.parametrize("processes", [1, 2])
def test_a_taken_port_ends_the_process_in_one_sentence(
    own_database: Database, tmp_path: Path, processes: int
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with running_api(
            own_database, tmp_path, ready=False, grpc_port=port, api_processes=processes
        ) as api:
            assert api.process.wait(STOP_S) == 1
            assert f"Port {port}" in api.log.read_text().splitlines()[-1]


def _served(admin_port: int) -> float:
    text = Door(port=admin_port, api_key="").get("/metrics").body.decode()
    lines = [line for line in text.splitlines() if line.startswith("chronos_rpc_calls_total{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines)
