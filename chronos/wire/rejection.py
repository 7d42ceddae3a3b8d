"""The record of a refused command, as the topic of rejections carries it.

It is made from the command's receipt alone, so that the topic can be made again from receipts.
Only a command that names an account of the bank leaves a record: its key is that account, and
the outbox keeps its place among the account's events.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chronos.wire.booking import ReceiptRow
from chronos.wire.codec import format_instant
from chronos.wire.headers import SOURCE, Headers

TYPE = "CommandRejected"
SCHEMA_VERSION = 1


class RejectionShape(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=TYPE):
    """A command that was refused by a rule of the bank; it changed nothing."""

    rejection_id: str
    """The same for every delivery of the record."""
    account_id: str
    command: str | None
    """Name of the command, for example TransferFunds; None in receipts of an older version."""
    code: str
    """Stable for ever."""
    detail: str
    status: int
    """The HTTP status that the sender got."""
    errors: tuple[dict[str, str], ...]
    principal: str
    idempotency_key: str
    correlation_id: str
    """The request that led to it."""
    position: int
    """Place in the journal; grows for each account, among its events too."""
    recorded_at: str
    schema_version: int


class _Problem(msgspec.Struct):
    code: str
    detail: str
    request_id: str
    errors: tuple[dict[str, str], ...] = ()


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


def read_rejection(value: bytes) -> dict[str, Any]:
    """Reads the value of a refusal's record.

    Raises:
        msgspec.MsgspecError: The bytes are not one.
    """
    return msgspec.to_builtins(msgspec.json.decode(value, type=RejectionShape))  # type: ignore[no-any-return]  # a struct is a dict
