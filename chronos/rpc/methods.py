"""The four methods of `chronos.v1.Ledger`: what each needs, and what it answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from chronos.auth.principals import Scope
from chronos.ledger.counted import run_counted
from chronos.rpc import answers
from chronos.rpc.call import Call, Parts, authorize
from chronos.rpc.pb import ledger_pb2 as pb
from chronos.rpc.problems import RpcProblem, refusal
from chronos.rpc.reading import read_account_id, read_body, read_key, read_version
from chronos.wire.bodies import CommandBody, OpenAccountBody, TransferBody
from chronos.wire.booking import Attempt
from chronos.wire.meaning import meaning_hash
from chronos.wire.terms import Asked

SERVICE: Final = "chronos.v1.Ledger"
EVENTS_PAGE: Final = 64
"""Events of one stream in memory at once."""
AUTHORIZED_S: Final = 2.0
"""A stream's key is asked for again after this: a revoked one ends it."""
_DRY_RUN_KEY: Final = "dry run"  # with a space, which no key of a client has


@dataclass(frozen=True, slots=True, kw_only=True)
class Unary:
    """A method with one answer."""

    name: str
    request: type[Message]
    scope: Scope
    handler: Callable[[Parts, Call, Any], Awaitable[Message]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A method with many answers."""

    name: str
    request: type[Message]
    scope: Scope
    handler: Callable[[Parts, Call, Any], AsyncGenerator[Message, None]]


async def open_account(
    parts: Parts, call: Call, request: pb.OpenAccountRequest
) -> pb.OpenAccountResponse:
    """Answers `OpenAccount`."""
    body = read_body(request, OpenAccountBody)
    return answers.opened_account(await _execute(parts, call, request, body, "/v1/accounts"))


async def transfer_funds(
    parts: Parts, call: Call, request: pb.TransferFundsRequest
) -> pb.TransferFundsResponse:
    """Answers `TransferFunds`."""
    body = read_body(request, TransferBody)
    return answers.booked_transfer(await _execute(parts, call, request, body, "/v1/transfers"))


async def get_balance(
    parts: Parts, _call: Call, request: pb.GetBalanceRequest
) -> pb.GetBalanceResponse:
    """Answers `GetBalance`."""
    account_id = read_account_id(request.account_id)
    stored = await parts.reads.balance(account_id)
    if stored is None:
        raise _unknown(account_id)
    return answers.balance(stored)


async def stream_events(
    parts: Parts, call: Call, request: pb.StreamEventsRequest
) -> AsyncGenerator[pb.Event, None]:
    """Answers `StreamEvents`: what is there, page by page, then what comes."""
    account_id = read_account_id(request.account_id)
    version = read_version(request.after_version)
    page = await parts.reads.events_of(account_id, version, EVENTS_PAGE)
    if not page and not await parts.reads.is_known(account_id):
        raise _unknown(account_id)
    while True:
        for stored in page:
            yield answers.event(stored)
            version = stored.version
        if len(page) < EVENTS_PAGE:
            if request.until_now:
                return
            await _next_event(parts, call, account_id, version)
        parts.following.refuse_when_stopping()
        await authorize(call, Scope.READ, parts.credentials)
        page = await parts.reads.events_of(account_id, version, EVENTS_PAGE)


METHODS: Final = (
    Unary(
        name="OpenAccount",
        request=pb.OpenAccountRequest,
        scope=Scope.WRITE,
        handler=open_account,
    ),
    Unary(
        name="TransferFunds",
        request=pb.TransferFundsRequest,
        scope=Scope.WRITE,
        handler=transfer_funds,
    ),
    Unary(
        name="GetBalance",
        request=pb.GetBalanceRequest,
        scope=Scope.READ,
        handler=get_balance,
    ),
    Stream(
        name="StreamEvents",
        request=pb.StreamEventsRequest,
        scope=Scope.READ,
        handler=stream_events,
    ),
)


async def _execute(
    parts: Parts,
    call: Call,
    request: pb.OpenAccountRequest | pb.TransferFundsRequest,
    body: CommandBody,
    route: str,
) -> bytes:
    """Runs a command and gives its receipt.

    The key names the attempt at both doors, so the meaning is hashed as HTTP hashes it.
    """
    key = _DRY_RUN_KEY if request.dry_run else read_key(request.idempotency_key)
    attempt = Attempt(
        command=body.command(Asked(fresh_id=call.fresh_id)),
        principal=call.holder().name,
        idempotency_key=key,
        request_hash=meaning_hash(
            method="POST", route=route, params={}, if_match="", body=body
        ),
        request_id=call.request_id,
        traceparent=call.traceparent,
        instance=call.method,
    )
    receipt = await run_counted(parts.ledger, attempt, dry_run=request.dry_run)
    if receipt.status >= 400:
        raise refusal(receipt.body, replayed=receipt.replayed)
    call.replayed = receipt.replayed
    return receipt.body


async def _next_event(parts: Parts, call: Call, account_id: str, version: int) -> None:
    while not await parts.following.beyond(account_id, version, within_s=AUTHORIZED_S):
        await authorize(call, Scope.READ, parts.credentials)


def _unknown(account_id: str) -> RpcProblem:
    return RpcProblem("account_not_found", f"There is no account {account_id}.")
