"""The JSON documents of what commands make: receipts and reads show the same members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from chronos.domain.account import AccountState
from chronos.domain.events import (
    AccountOpened,
    HoldCaptured,
    HoldChanged,
    HoldPlaced,
    MoneyMoved,
)
from chronos.domain.states import HoldStatus
from chronos.wire.codec import Recorded, format_instant


def balances_document(state: AccountState) -> dict[str, int]:
    """Gives an account's balances after a command."""
    return {
        "version": state.version,
        "booked": state.booked,
        "held": state.held,
        "available": state.available,
    }


def opening_document(
    event: AccountOpened, state: AccountState, opened_at: datetime
) -> dict[str, Any]:
    """Gives the members of a new account's document."""
    return {
        "id": state.account_id,
        "currency": state.currency,
        "kind": state.kind.value,
        "status": state.status.label,
        "overdraft_limit": state.overdraft_limit,
        "external_id": event.external_id,
        "metadata": event.metadata,
        "opened_at": format_instant(opened_at),
        "opened_on": event.value_date,
        **balances_document(state),
    }


def account_document(state: AccountState, recorded: Recorded) -> dict[str, Any]:
    """Gives the members of an account after a verb, with what the verb said."""
    event = recorded.event
    return {
        "id": state.account_id,
        "currency": state.currency,
        "kind": state.kind.value,
        "status": state.status.label,
        "overdraft_limit": state.overdraft_limit,
        "recorded_at": format_instant(recorded.recorded_at),
        **balances_document(state),
        **({"metadata": event.metadata} if type(event).__name__ == "AccountAnnotated" else {}),
    }


def transfer_document(money: Sequence[MoneyMoved], recorded: Recorded) -> dict[str, Any]:
    """Gives the members of a transfer: one withdrawal and one deposit in one currency.

    Args:
        money: Both postings.
        recorded: The last of them.
    """
    withdrawn, deposited = money
    return {
        "id": deposited.transfer_id,
        "status": "booked",
        "recorded_at": format_instant(recorded.recorded_at),
        "value_date": deposited.value_date,
        "from": withdrawn.account_id,
        "to": deposited.account_id,
        "amount": deposited.amount,
        "currency": deposited.currency,
        "external_id": deposited.external_id,
        "description": deposited.description,
        "metadata": deposited.metadata,
        "reverses": deposited.reverses_transfer_id,
    }


def entry_document(money: Sequence[MoneyMoved], recorded: Recorded) -> dict[str, Any]:
    """Gives the members of any journal entry, its postings among them.

    `from`, `to`, `amount` and `currency` are null where there is more than one withdrawal and
    one deposit in one currency.
    """
    last = money[-1]
    pair = _pair(money)
    return {
        "id": last.transfer_id,
        "status": "booked",
        "recorded_at": format_instant(recorded.recorded_at),
        "value_date": last.value_date,
        "from": None if pair is None else pair[0].account_id,
        "to": None if pair is None else pair[1].account_id,
        "amount": None if pair is None else pair[1].amount,
        "currency": None if pair is None else last.currency,
        "external_id": last.external_id,
        "description": last.description,
        "metadata": last.metadata,
        "reverses": last.reverses_transfer_id,
        "postings": [posting_document(posting) for posting in money],
    }


def posting_document(posting: MoneyMoved) -> dict[str, Any]:
    """Gives the members of one posting."""
    return {
        "account": posting.account_id,
        "amount": posting.amount,
        "currency": posting.currency,
    }


def hold_document(placed: HoldPlaced, placed_at: datetime) -> dict[str, Any]:
    """Gives the members of an open hold."""
    return {
        "id": placed.hold_id,
        "status": HoldStatus.OPEN.value,
        "account": placed.account_id,
        "amount": placed.hold_amount,
        "currency": placed.currency,
        "expires_at": None if placed.expires_at is None else format_instant(placed.expires_at),
        "description": placed.description,
        "metadata": placed.metadata,
        "placed_at": format_instant(placed_at),
        "recorded_at": format_instant(placed_at),
        **_UNENDED,
    }


def ended_hold_document(ended: HoldChanged, recorded: Recorded) -> dict[str, Any]:
    """Gives what the end of a hold says of it; a read adds it to the open hold's document."""
    status = HOLD_ENDS[type(ended).__name__]
    document: dict[str, Any] = {
        "id": ended.hold_id,
        "status": status.value,
        "account": ended.account_id,
        "amount": ended.hold_amount,
        "currency": ended.currency,
        "recorded_at": format_instant(recorded.recorded_at),
        **_UNENDED,
        "ended_at": format_instant(recorded.recorded_at),
    }
    if isinstance(ended, HoldCaptured):
        document["captured_amount"] = ended.captured_amount
        document["to"] = ended.destination
        document["transfer_id"] = ended.transfer_id
    return document


HOLD_ENDS: Mapping[str, HoldStatus] = {
    "HoldCaptured": HoldStatus.CAPTURED,
    "HoldVoided": HoldStatus.VOIDED,
    "HoldExpired": HoldStatus.EXPIRED,
}
"""The events that end a hold, and what it is afterwards."""

_UNENDED: Mapping[str, Any] = {
    "captured_amount": None,
    "to": None,
    "transfer_id": None,
    "ended_at": None,
}


def _pair(money: Sequence[MoneyMoved]) -> tuple[MoneyMoved, MoneyMoved] | None:
    if len(money) != 2 or money[0].currency != money[1].currency:
        return None
    first, second = money
    return (first, second) if first.amount < 0 else (second, first)
