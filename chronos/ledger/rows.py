"""Rows of the journal and the outbox, from what was decided."""

from __future__ import annotations

from datetime import datetime

from chronos.domain.account import AccountState
from chronos.domain.events import AccountOpened, HoldChanged, HoldPlaced, MoneyMoved
from chronos.wire.booking import AccountRow, EventRow
from chronos.wire.codec import Recorded
from chronos.wire.event_shapes import SCHEMA_VERSIONS


def event_row(recorded: Recorded, state: AccountState, digest: bytes, body: bytes) -> EventRow:
    """Gives the row of an event.

    Args:
        recorded: The event.
        state: The account after it.
        digest: Its hash in the account's chain.
        body: Its canonical JSON.
    """
    event = recorded.event
    kind = type(event).__name__
    money = event if isinstance(event, MoneyMoved) else None
    return EventRow(
        recorded.position,
        event.account_id,
        event.version,
        recorded.event_id,
        kind,
        SCHEMA_VERSIONS[kind],
        None if money is None else money.transfer_id,
        None if money is None else money.leg,
        event.hold_id if isinstance(event, HoldChanged) else None,
        None if money is None else money.reverses_transfer_id,
        event.expires_at if isinstance(event, HoldPlaced) else None,
        event.currency,
        None if money is None else money.amount,
        state.booked,
        state.held,
        state.overdraft_limit,
        int(state.status),
        recorded.principal,
        event.value_date,
        recorded.recorded_at,
        digest,
        body,
        state.open_holds,
    )


def account_row(event: AccountOpened, recorded_at: datetime) -> AccountRow:
    """Gives the row of a new account's identity."""
    return AccountRow(
        event.account_id,
        event.currency,
        event.kind.value,
        event.external_id,
        recorded_at,
        event.value_date,
    )
