"""The command that ends a hold whose time has come: its keys, and what its receipts mean.

The key is made of the hold, so that whoever sends it, and however often, there is one end. A
refusal is stored under its key and would be answered for ever; the next key is for the next
try: `expire:<hold_id>`, `expire:<hold_id>/2`, `expire:<hold_id>/3`, and so on. No id holds a
slash, so no other hold has such a key. (Refused is what is sent too early: PostgreSQL's clock
was set back after it had said that the hold was due.)
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from chronos.clock import IdSource
from chronos.domain.commands import ExpireHold
from chronos.domain.ids import HoldId
from chronos.domain.rejections import RejectionCode
from chronos.telemetry.traces import new_traceparent
from chronos.wire.booking import Attempt
from chronos.wire.meaning import meaning_hash
from chronos.wire.problems import code_in
from chronos.wire.receipt import Receipt

KEYS_MAX: Final = 20
"""Keys of one hold: as many refusals are stored of it at most."""
_ROUTE: Final = "/internal/holds/{hold_id}/expire"


class Expired(StrEnum):
    """What the receipt of an expiry says."""

    EXPIRED = "expired"
    """The hold is ended by it."""
    REPLAYED = "replayed"
    """The hold was ended by it, sent earlier, here or elsewhere."""
    FORESTALLED = "forestalled"
    """Somebody captured or voided the hold first."""
    BUSY = "busy"
    """The same command is under way elsewhere: to be sent again."""
    SPENT = "spent"
    """Its key has an old refusal: to be sent under the next key."""
    REFUSED = "refused"
    """It was refused now."""


def expiry_of(hold_id: HoldId, *, number: int, principal: str, ids: IdSource) -> Attempt:
    """Makes the attempt to expire a hold under one of its keys.

    Args:
        hold_id: The hold.
        number: Which of its keys, from 1 to `KEYS_MAX`.
        principal: Who Chronos itself is.
        ids: Makes the id of the request.
    """
    key = f"expire:{hold_id}"
    return Attempt(
        command=ExpireHold(hold_id=hold_id),
        principal=principal,
        idempotency_key=key if number == 1 else f"{key}/{number}",
        request_hash=meaning_hash(
            method="POST", route=_ROUTE, params={"hold_id": hold_id}, if_match="", body=None
        ),
        request_id=ids.new_id("req_"),
        traceparent=new_traceparent(),
        instance=_ROUTE.format(hold_id=hold_id),
    )


def meaning_of(receipt: Receipt) -> Expired:
    """Tells what the receipt of an expiry says."""
    if receipt.status < 400:
        return Expired.REPLAYED if receipt.replayed else Expired.EXPIRED
    match code_in(receipt.body):
        case RejectionCode.HOLD_NOT_OPEN:
            return Expired.FORESTALLED
        case "idempotency_in_progress":
            return Expired.BUSY
        case "idempotency_key_reused":
            return Expired.SPENT
        case _:
            return Expired.SPENT if receipt.replayed else Expired.REFUSED
