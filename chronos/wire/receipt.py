"""Receipts: what a command's sender gets, the same bytes on every retry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

import msgspec

from chronos.domain.account import AccountState
from chronos.domain.commands import Command, OpenAccount, TransferFunds
from chronos.domain.ids import AccountId
from chronos.domain.rejections import Rejected
from chronos.wire.codec import Recorded, format_instant
from chronos.wire.problems import PROBLEMS, InputError, problem_body

CREATED = 201


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The outcome of one attempt, ready to be sent."""

    status: int
    body: bytes
    location: str | None = None
    """Path of what was created; None for a refusal."""
    replayed: bool = False
    retry_after_s: int | None = None


_encoder = msgspec.json.Encoder()


def accepted_receipt(
    command: Command, recorded: Sequence[Recorded], after: Mapping[AccountId, AccountState]
) -> Receipt:
    """Writes the receipt of a command that was granted.

    Args:
        command: The command.
        recorded: Its events, in order.
        after: The state of each account that it touched, after its events.
    """
    last = recorded[-1]
    accounts = {r.event.account_id: _balances(after[r.event.account_id]) for r in recorded}
    match command:
        case OpenAccount():
            state = after[command.account_id]
            body = opening_document(command, state, last.recorded_at)
            location = f"/v1/accounts/{command.account_id}"
        case TransferFunds():
            body = transfer_document(command, last)
            location = f"/v1/transfers/{command.transfer_id}"
        case _:
            assert_never(command)
    body["position"] = last.position
    body["accounts"] = accounts
    return Receipt(status=CREATED, body=_encoder.encode(body), location=location)


def rejected_receipt(rejected: Rejected, *, instance: str, request_id: str) -> Receipt:
    """Writes the receipt of a command that the core refused."""
    code = rejected.code.value
    errors: tuple[InputError, ...] = ()
    if rejected.pointer is not None:
        errors = (InputError(pointer=rejected.pointer, code=code, detail=rejected.detail),)
    body = problem_body(
        code, rejected.detail, instance=instance, request_id=request_id, errors=errors
    )
    return Receipt(status=PROBLEMS[code].status, body=body)


def problem_receipt(
    code: str, detail: str, *, instance: str, request_id: str, retry_after_s: int | None = None
) -> Receipt:
    """Writes a receipt that is not stored: the attempt itself could not be taken."""
    body = problem_body(code, detail, instance=instance, request_id=request_id)
    return Receipt(status=PROBLEMS[code].status, body=body, retry_after_s=retry_after_s)


def replayed_receipt(status: int, body: bytes) -> Receipt:
    """Makes the receipt of a retry from the stored one; `Location` follows from the body."""
    location = None
    if status == CREATED:
        document = msgspec.json.decode(body, type=dict[str, Any])
        kind = "transfers" if "from" in document else "accounts"
        location = f"/v1/{kind}/{document['id']}"
    return Receipt(status=status, body=body, location=location, replayed=True)


def opening_document(
    command: OpenAccount, state: AccountState, opened_at: datetime
) -> dict[str, Any]:
    """Gives the members of a new account's document."""
    return {
        "id": state.account_id,
        "currency": state.currency,
        "kind": state.kind.value,
        "status": state.status.label,
        "overdraft_limit": state.overdraft_limit,
        "external_id": command.external_id,
        "metadata": command.metadata,
        "opened_at": format_instant(opened_at),
        **_balances(state),
    }


def transfer_document(command: TransferFunds, recorded: Recorded) -> dict[str, Any]:
    """Gives the members of a transfer's document."""
    return {
        "id": command.transfer_id,
        "status": "booked",
        "recorded_at": format_instant(recorded.recorded_at),
        "value_date": recorded.event.value_date,
        "from": command.source,
        "to": command.destination,
        "amount": command.amount,
        "currency": command.currency,
        "description": command.description,
        "metadata": command.metadata,
        "reverses": None,
    }


def _balances(state: AccountState) -> dict[str, int]:
    return {
        "version": state.version,
        "booked": state.booked,
        "held": state.held,
        "available": state.available,
    }
