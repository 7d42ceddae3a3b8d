"""Receipts: what a command's sender gets, the same bytes on every retry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from chronos.domain.account import AccountState
from chronos.domain.commands import (
    CaptureHold,
    Command,
    ExchangeFunds,
    ExpireHold,
    HoldCommand,
    OpenAccount,
    PlaceHold,
    PostEntries,
    ReverseTransfer,
    TransferFunds,
    VoidHold,
)
from chronos.domain.events import AccountOpened, HoldChanged, HoldPlaced, MoneyMoved
from chronos.domain.ids import AccountId
from chronos.domain.rejections import Rejected
from chronos.wire.bounds import BYTES_MAX, EVENTS_MAX, LOCKS_MAX
from chronos.wire.codec import Recorded
from chronos.wire.documents import (
    account_document,
    balances_document,
    ended_hold_document,
    entry_document,
    hold_document,
    opening_document,
    transfer_document,
)
from chronos.wire.problems import PROBLEMS, InputError, problem_body

OK = 200
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
    status, location, body = _outcome(command, recorded, after)
    body["position"] = last.position
    body["accounts"] = {
        account_id: balances_document(after[account_id])
        for account_id in dict.fromkeys(one.event.account_id for one in recorded)
    }
    return Receipt(status=status, body=_encoder.encode(body), location=location)


_Outcome = tuple[int, str | None, dict[str, Any]]
"""Status, path of what was created, and the document."""


def _outcome(
    command: Command, recorded: Sequence[Recorded], after: Mapping[AccountId, AccountState]
) -> _Outcome:
    last = recorded[-1]
    match command:
        case TransferFunds():
            document = transfer_document(_money(recorded), last)
            return CREATED, f"/v1/transfers/{command.transfer_id}", document
        case PostEntries() | ExchangeFunds() | ReverseTransfer():
            document = entry_document(_money(recorded), last)
            return CREATED, f"/v1/transfers/{command.transfer_id}", document
        case PlaceHold() | CaptureHold() | VoidHold() | ExpireHold():
            return _hold_outcome(command, recorded[0])
        case OpenAccount():
            opened = last.event
            assert isinstance(opened, AccountOpened)  # noqa: S101  the core opened it
            document = opening_document(opened, after[command.account_id], last.recorded_at)
            return CREATED, f"/v1/accounts/{command.account_id}", document
        case _:
            return OK, None, account_document(after[command.account_id], last)


def _hold_outcome(command: HoldCommand, recorded: Recorded) -> _Outcome:
    event = recorded.event
    if isinstance(event, HoldPlaced):
        document = hold_document(event, recorded.recorded_at)
        return CREATED, f"/v1/holds/{command.hold_id}", document
    assert isinstance(event, HoldChanged)  # noqa: S101  the first event of a hold's command
    return OK, None, ended_hold_document(event, recorded)


def _money(recorded: Sequence[Recorded]) -> list[MoneyMoved]:
    return [one.event for one in recorded if isinstance(one.event, MoneyMoved)]


def rejected_receipt(rejected: Rejected, *, instance: str, request_id: str) -> Receipt:
    """Writes the receipt of a command that the core refused."""
    code = rejected.code.value
    status = 404 if rejected.in_path else PROBLEMS[code].status
    errors: tuple[InputError, ...] = ()
    if rejected.pointer is not None:
        errors = (InputError(pointer=rejected.pointer, code=code, detail=rejected.detail),)
    body = problem_body(
        code,
        rejected.detail,
        instance=instance,
        request_id=request_id,
        status=status,
        errors=errors,
    )
    return Receipt(status=status, body=body)


def problem_receipt(
    code: str, detail: str, *, instance: str, request_id: str, retry_after_s: int | None = None
) -> Receipt:
    """Writes a receipt that is not stored: the attempt itself could not be taken."""
    body = problem_body(code, detail, instance=instance, request_id=request_id)
    return Receipt(status=PROBLEMS[code].status, body=body, retry_after_s=retry_after_s)


def batch_receipt(
    receipts: Sequence[Receipt],
    *,
    is_atomic: bool,
    position: int,
    accounts: Mapping[AccountId, AccountState],
) -> Receipt:
    """Writes the receipt of a batch that was executed: one result for each command, in order.

    Args:
        receipts: The receipts of its commands.
        is_atomic: Whether all or none were to be granted.
        position: Of the last event, or of the batch's own receipt.
        accounts: The accounts that it changed, after it.
    """
    results = [
        {
            "status": receipt.status,
            "replayed": receipt.replayed,
            "location": receipt.location,
            "body": msgspec.Raw(receipt.body),
        }
        for receipt in receipts
    ]
    document = {
        "atomic": is_atomic,
        "results": results,
        "position": position,
        "accounts": {
            account_id: balances_document(state) for account_id, state in accounts.items()
        },
    }
    return Receipt(status=OK, body=_encoder.encode(document))


def batch_rejected_receipt(
    refused: Receipt, index: int, *, instance: str, request_id: str
) -> Receipt:
    """Writes the receipt of an atomic batch of which nothing was done.

    Args:
        refused: The receipt of the first command that was refused.
        index: Its place in the batch, from 0.
        instance: Path of the request.
        request_id: The request's id.
    """
    refusal = msgspec.json.decode(refused.body, type=_Refusal)
    detail = f"Nothing was done: command {index} was refused. {refusal.detail}"
    error = InputError(pointer=f"/commands/{index}", code=refusal.code, detail=refusal.detail)
    body = problem_body(
        "batch_rejected",
        detail,
        instance=instance,
        request_id=request_id,
        errors=(error,),
        extra={"index": index, "refusal": msgspec.Raw(refused.body)},
    )
    return Receipt(status=PROBLEMS["batch_rejected"].status, body=body)


class _Refusal(msgspec.Struct):
    code: str
    detail: str


def too_large_receipt(*, instance: str, request_id: str) -> Receipt:
    """Writes the receipt, not stored, of what no transaction can hold."""
    return problem_receipt(
        "batch_too_large",
        f"One transaction takes at most {EVENTS_MAX} events of {BYTES_MAX >> 20} MiB in all, "
        f"on {LOCKS_MAX} accounts and ids; send the commands in parts.",
        instance=instance,
        request_id=request_id,
    )


def replayed_receipt(status: int, body: bytes) -> Receipt:
    """Makes the receipt of a retry from the stored one; `Location` follows from the body."""
    location = None
    if status == CREATED:
        document = msgspec.json.decode(body, type=dict[str, Any])
        if "from" in document:
            kind = "transfers"
        else:
            kind = "holds" if "account" in document else "accounts"
        location = f"/v1/{kind}/{document['id']}"
    return Receipt(status=status, body=body, location=location, replayed=True)
