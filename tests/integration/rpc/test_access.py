"""Who may call what; what is open to everybody; what hostile bytes get."""

from __future__ import annotations

import json
import struct

import grpc
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from chronos.rpc.pb import ledger_pb2 as pb
from tests.integration.api.running import make_key, wait_until
from tests.integration.api.wire import connect, new_key
from tests.integration.rpc.calling import Caller, drain, outcome_of, transfer_request
from tests.integration.rpc.conftest import Bank

SERVING = health_pb2.HealthCheckResponse.SERVING
BALANCE = pb.GetBalanceRequest(account_id="alice")


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("authorization", "Bearer nonsense"),),
        (("authorization", "Basic YTpi"),),
        (("authorization", f"Bearer chk_{'a' * 12}_{'b' * 43}"),),
    ],
)
def test_without_a_valid_key_nothing_is_answered(bank: Bank, metadata) -> None:
    for method, request in (
        ("GetBalance", BALANCE),
        ("TransferFunds", transfer_request("alice", "bob", 1)),
    ):
        refused = bank.nobody.call(method, request, metadata=metadata)
        assert (refused.status, refused.code) == (StatusCode.UNAUTHENTICATED, "unauthenticated")


def test_two_keys_are_no_key(bank: Bank) -> None:
    refused = bank.caller.call("GetBalance", BALANCE, metadata=bank.caller.metadata * 2)

    assert refused.status is StatusCode.UNAUTHENTICATED


def test_a_revoked_key_is_refused(bank: Bank) -> None:
    key = make_key(bank.api.database, "gone", "admin", revoked=True)
    with Caller(bank.api.grpc_port, key) as caller:
        assert caller.balance("alice").code == "unauthenticated"
        assert drain(caller.events("alice")).code == "unauthenticated"


def test_each_method_asks_for_its_scope(bank: Bank) -> None:
    refused = [
        bank.reader.transfer("alice", "bob", 1),
        bank.reader.open_account("never"),
        bank.writer.balance("alice"),
        drain(bank.writer.events("alice")),
    ]

    assert {each.status for each in refused} == {StatusCode.PERMISSION_DENIED}
    assert {each.code for each in refused} == {"insufficient_scope"}
    assert bank.writer.transfer("alice", "bob", 1).status is StatusCode.OK
    assert bank.reader.balance("alice").status is StatusCode.OK


def test_health_is_told_to_everybody(bank: Bank) -> None:
    health = health_pb2_grpc.HealthStub(bank.nobody.channel)

    for service in ("", "chronos.v1.Ledger"):
        request = health_pb2.HealthCheckRequest(service=service)
        assert health.Check(request, timeout=20).status == SERVING
        assert next(iter(health.Watch(request, timeout=20))).status == SERVING
    with pytest.raises(grpc.RpcError) as caught:
        health.Check(health_pb2.HealthCheckRequest(service="other"), timeout=20)
    assert caught.value.code() is StatusCode.NOT_FOUND


def test_the_interface_describes_itself(bank: Bank) -> None:
    found = ProtoReflectionDescriptorDatabase(bank.nobody.channel)

    assert {"chronos.v1.Ledger", "grpc.health.v1.Health"} <= set(found.get_services())
    described = found.FindFileContainingSymbol("chronos.v1.Ledger")
    (service,) = described.service
    assert {method.name for method in service.method} == {
        "OpenAccount",
        "TransferFunds",
        "GetBalance",
        "StreamEvents",
    }


def test_a_method_that_is_not_there_is_unimplemented(bank: Bank) -> None:
    call = bank.caller.channel.unary_unary("/chronos.v1.Ledger/DropTables")

    with pytest.raises(grpc.RpcError) as caught:
        call(b"", timeout=20, metadata=bank.caller.metadata)

    assert caught.value.code() is StatusCode.UNIMPLEMENTED


def test_a_message_above_the_bound_is_refused_also_when_it_comes_compressed(bank: Bank) -> None:
    large = pb.OpenAccountRequest(
        currency="EUR", idempotency_key=new_key(), metadata={"a": "x" * 70_000}
    )
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
        with pytest.raises(grpc.RpcError) as caught:
            bank.caller.stub.OpenAccount(
                large, timeout=20, metadata=bank.caller.metadata, compression=compression
            )
        assert outcome_of(caught.value).status is StatusCode.RESOURCE_EXHAUSTED
    assert bank.caller.balance("alice").status is StatusCode.OK


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 64,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack(">I", 2**31)[1:] + b"\x00" * 60,
    ],
)
def test_what_is_not_http2_harms_nobody(bank: Bank, raw: bytes) -> None:
    with connect(bank.api.grpc_port) as connection:
        connection.sendall(raw)
        connection.settimeout(20)
        while connection.recv(65536):
            pass

    assert bank.caller.balance("alice").status is StatusCode.OK


def test_each_call_has_its_metrics_and_its_line(bank: Bank) -> None:
    refused = bank.caller.transfer("alice", "bob", 10**12)
    request_id = refused.trailers["x-request-id"]
    list(bank.reader.events("alice", until_now=True))

    metrics = bank.http.get("/metrics").body.decode()
    transfer = 'method="/chronos.v1.Ledger/TransferFunds"'
    assert f'chronos_rpc_calls_total{{code="FAILED_PRECONDITION",{transfer}}}' in metrics
    assert f"chronos_rpc_seconds_count{{{transfer}}}" in metrics
    assert 'chronos_rpc_problems_total{code="insufficient_funds"}' in metrics
    assert 'method="/chronos.v1.Ledger/StreamEvents"' in metrics
    assert "alice" not in metrics

    def lines() -> list[dict]:
        raw = bank.api.log.read_text().splitlines()
        return [json.loads(line) for line in raw if request_id in line]

    wait_until(lambda: bool(lines()), 20)
    (line,) = lines()
    assert (line["event"], line["method"]) == ("request_answered", "gRPC")
    assert line["path"] == "/chronos.v1.Ledger/TransferFunds"
    assert (line["status"], line["code"]) == ("FAILED_PRECONDITION", "insufficient_funds")
    assert (line["principal"], line["remote"]) == ("alice-corp", "127.0.0.1")


def test_a_trace_goes_on_into_the_journal(bank: Bank) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    metadata = (*bank.caller.metadata, ("traceparent", trace))

    moved = bank.caller.call(
        "TransferFunds", transfer_request("alice", "bob", 1), metadata=metadata
    )

    (headers,) = bank.inspector.fetch(
        "SELECT headers FROM outbox_0 WHERE position = $1", moved.message.position
    )
    assert trace.encode() in headers[0]
