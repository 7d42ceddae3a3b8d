"""The record of a refused command, as the topic of rejections carries it.

It is made from the command's receipt alone, so that the topic can be made again from receipts.
Only a command that names an account of the bank leaves a record: its key is that account, and
the outbox keeps its place among the account's events.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from chronos.wire.booking import ReceiptRow
from chronos.wire.codec import format_instant
from chronos.wire.headers import SOURCE, Headers
from chronos.wire.members import ID, MOMENT, says
from chronos.wire.problems import InputError

TYPE = "CommandRejected"
SCHEMA_VERSION = 1


class RejectionShape(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=TYPE):
    """A command that was refused by a rule of the bank; it changed nothing."""

    rejection_id: Annotated[str, says("The same for every delivery of the record.")]
    account_id: Annotated[str, says("The account that the command was about.", **ID)]
    command: Annotated[
        str | None,
        says("What was asked, for example TransferFunds; null where that was not kept."),
    ]
    code: Annotated[str, says("Why it was refused, for programs; stable for ever.")]
    detail: Annotated[str, says("Why it was refused, one sentence for people.")]
    status: Annotated[
        int, says("The HTTP status that the sender got.", minimum=400, maximum=499)
    ]
    errors: Annotated[tuple[InputError, ...], says("The fields of the request at fault.")]
    principal: Annotated[str, says("Who sent the command.")]
    idempotency_key: Annotated[str, says("The sender's name for the attempt.")]
    correlation_id: Annotated[str, says("The request that led to it.")]
    position: Annotated[
        int, says("Place in the journal; grows for each account, its events too.", minimum=1)
    ]
    recorded_at: Annotated[str, says("When it was stored, UTC.", **MOMENT)]
    schema_version: Annotated[int, says("Version of this type's schema.")]


class _Problem(msgspec.Struct):
    code: str
    detail: str
    request_id: str
    errors: tuple[InputError, ...] = ()


_encoder = msgspec.json.Encoder(order="sorted")
_problem = msgspec.json.Decoder(_Problem)


def rejection_record(row: ReceiptRow, account_id: str) -> tuple[Headers, bytes]:
    """Gives the headers, without a trace context, and the value of a refusal's record.

    Args:
        row: The stored refusal.
        account_id: The account that it is published under.

    Raises:
        msgspec.MsgspecError: The receipt's body is not a problem document.
    """
    problem = _problem.decode(row.body)
    rejection_id = f"rejection-{row.position}"
    shape = RejectionShape(
        rejection_id=rejection_id,
        account_id=account_id,
        command=row.command,
        code=problem.code,
        detail=problem.detail,
        status=row.status,
        errors=problem.errors,
        principal=row.principal,
        idempotency_key=row.idempotency_key,
        correlation_id=problem.request_id,
        position=row.position,
        recorded_at=format_instant(row.recorded_at),
        schema_version=SCHEMA_VERSION,
    )
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", rejection_id.encode()),
        ("ce_type", TYPE.encode()),
        ("ce_source", SOURCE),
        ("ce_subject", account_id.encode()),
        ("ce_time", format_instant(row.recorded_at).encode()),
        ("content-type", b"application/json"),
    ]
    return headers, _encoder.encode(shape)
