"""The fold of a money event straight from its shape: what nearly every event of a bank is.

The general fold makes an event of the core, the state before it and the state after it, each
an object of many members. This one compares the same values and makes the balance alone. It
decides nothing by itself: whatever is not plainly in order it leaves to the general fold, which
tells what is wrong. A property test holds that both say the same.

Measured on one busy core, bytes to balance: 6.5 us an event instead of 16.4.
"""

from __future__ import annotations

from datetime import UTC

from chronos.domain.account import AccountStatus
from chronos.domain.money import within_bounds
from chronos.wire.balance import Balance, fold
from chronos.wire.codec import event_hash, format_instant, recorded_of
from chronos.wire.event_shapes import (
    EventShape,
    MoneyDepositedShape,
    MoneyShape,
    MoneyWithdrawnShape,
)

_MONEY = (MoneyWithdrawnShape, MoneyDepositedShape)
_LABELS = {status: status.label for status in AccountStatus}


def fold_shape(
    before: Balance | None, shape: EventShape, body: bytes, digest: bytes
) -> Balance:
    """Applies an account's next event to its balance; like `chronos.wire.balance.fold`.

    Args:
        before: The balance at the version before; None before the first event.
        shape: The event, read from `body`.
        body: Its stored bytes.
        digest: Its hash as the journal or the record's header tells it, 32 bytes.

    Raises:
        InvariantBroken: The event does not continue the account's history.
    """
    if before is not None and isinstance(shape, _MONEY):
        after = fold_money(before, shape, body, digest)
        if after is not None:
            return after
    return fold(before, recorded_of(shape), body, digest)


def fold_money(
    before: Balance, shape: MoneyShape, body: bytes, digest: bytes
) -> Balance | None:
    """Applies a money event that is plainly in order; None where it may not be."""
    booked = before.booked + shape.amount
    limit = before.overdraft_limit
    available = booked - before.held + (limit or 0)
    is_told = (
        shape.version == before.version + 1
        and shape.booked_after == booked
        and shape.held_after == before.held
        and shape.available_after == available
        and shape.overdraft_limit_after == limit
        and _LABELS[shape.status_after] == before.status
    )
    is_covered = limit is None or available >= 0 or shape.amount > 0
    if not (is_told and is_covered and within_bounds(booked)):
        return None
    if event_hash(bytes.fromhex(before.hash), body) != digest:
        return None
    return Balance(
        account_id=before.account_id,
        currency=before.currency,
        kind=before.kind,
        version=shape.version,
        booked=booked,
        held=before.held,
        overdraft_limit=limit,
        status=before.status,
        holds=before.holds,
        hash=digest.hex(),
        event_id=shape.event_id,
        position=shape.position,
        recorded_at=format_instant(shape.recorded_at.astimezone(UTC)),
        opened_at=before.opened_at,
        opened_on=before.opened_on,
        external_id=before.external_id,
        metadata=before.metadata,
    )
