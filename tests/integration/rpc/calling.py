"""The generated client of `chronos.v1.Ledger`, with its answers and errors as values."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from chronos.rpc.pb import ledger_pb2 as pb
from chronos.rpc.pb.ledger_pb2_grpc import LedgerStub
from tests.integration.api.wire import new_key

ANSWER_S = 20
EVENTS_BEYOND_A_WINDOW = 800


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a call brought: a message, or a status with its details."""

    status: grpc.StatusCode
    message: Any = None
    text: str = ""
    trailers: dict[str, str | bytes] = field(default_factory=dict)
    details: dict[str, Message] = field(default_factory=dict)

    @property
    def code(self) -> str:
        info = self.details["ErrorInfo"]
        assert isinstance(info, error_details_pb2.ErrorInfo)
        assert (info.domain, info.reason) == ("chronos", self.trailers["chronos-code"])
        return info.reason

    @property
    def fields(self) -> dict[str, str]:
        """Each wrong field with its code."""
        found = self.details["BadRequest"]
        assert isinstance(found, error_details_pb2.BadRequest)
        return {each.field: each.reason for each in found.field_violations}


class Caller:
    """One client with one key on one connection."""

    def __init__(self, port: int, api_key: str | None):
        # Without the option all channels to one address share one connection.
        self._channel = grpc.insecure_channel(
            f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]
        )
        self.stub = LedgerStub(self._channel)
        self.metadata = () if api_key is None else (("authorization", f"Bearer {api_key}"),)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    @property
    def channel(self) -> grpc.Channel:
        return self._channel

    def call(
        self,
        method: str,
        request: Message,
        *,
        timeout: float = ANSWER_S,
        metadata: tuple[tuple[str, str], ...] | None = None,
    ) -> Outcome:
        """Makes a call that has one answer."""
        sent = self.metadata if metadata is None else metadata
        try:
            message, ended = getattr(self.stub, method).with_call(
                request, timeout=timeout, metadata=sent
            )
        except grpc.RpcError as error:
            return outcome_of(error)
        return Outcome(
            status=ended.code(), message=message, trailers=dict(ended.trailing_metadata())
        )

    def open_account(self, account_id: str, **fields: Any) -> Outcome:
        named = {"currency": "EUR", "idempotency_key": new_key(), **fields}
        return self.call("OpenAccount", pb.OpenAccountRequest(id=account_id, **named))

    def transfer(
        self, source: str, to: str, amount: int, *, timeout: float = ANSWER_S, **fields: Any
    ) -> Outcome:
        request = transfer_request(source, to, amount, **fields)
        return self.call("TransferFunds", request, timeout=timeout)

    def balance(self, account_id: str) -> Outcome:
        return self.call("GetBalance", pb.GetBalanceRequest(account_id=account_id))

    def events(
        self, account_id: str, after: int = 0, *, until_now: bool = True, timeout: float = 60
    ) -> Any:
        """Opens a stream."""
        request = pb.StreamEventsRequest(
            account_id=account_id, after_version=after, until_now=until_now
        )
        return self.stub.StreamEvents(request, timeout=timeout, metadata=self.metadata)


def transfer_request(
    source: str, to: str, amount: int, **fields: Any
) -> pb.TransferFundsRequest:
    named = {"currency": "EUR", "idempotency_key": new_key(), **fields}
    return pb.TransferFundsRequest(**{"from": source}, to=to, amount=amount, **named)


def fill_beyond_a_window(caller: Caller, account_id: str) -> None:
    """Gives an account so many large events that no client takes them without reading."""
    heavy = {f"k{n}": "x" * 480 for n in range(16)}
    with concurrent.futures.ThreadPoolExecutor(20) as threads:
        moves = threads.map(
            lambda _: caller.transfer("bank", account_id, 1, metadata=heavy),
            range(EVENTS_BEYOND_A_WINDOW),
        )
        assert {each.status for each in moves} == {grpc.StatusCode.OK}


def outcome_of(error: Any) -> Outcome:
    """Gives a failed call's status and details."""
    details = {}
    found = rpc_status.from_call(error)
    for packed in found.details if found is not None else ():
        kind = getattr(error_details_pb2, packed.type_url.rpartition(".")[2])
        message = kind()
        assert packed.Unpack(message)
        details[kind.__name__] = message
    return Outcome(
        status=error.code(),
        text=error.details(),
        trailers=dict(error.trailing_metadata() or ()),
        details=details,
    )


def drain(stream: Iterator[Any]) -> Outcome:
    """Reads a stream to its end, which must be an error."""
    try:
        for _ in stream:
            pass
    except grpc.RpcError as error:
        return outcome_of(error)
    raise AssertionError("the stream ended without an error")
