"""Answers as messages: from receipts, stored accounts and stored events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chronos.domain.account import AccountStatus
from chronos.rpc.pb import ledger_pb2 as pb
from chronos.store.reads import StoredBalance, StoredEvent

_decode = msgspec.json.Decoder(dict[str, Any]).decode

DETAILS: Final[Mapping[str, tuple[str, type[Message]]]] = {
    "AccountOpened": ("account_opened", pb.AccountOpened),
    "MoneyWithdrawn": ("money_withdrawn", pb.MoneyMoved),
    "MoneyDeposited": ("money_deposited", pb.MoneyMoved),
    "HoldPlaced": ("hold_placed", pb.HoldPlaced),
    "HoldCaptured": ("hold_captured", pb.HoldCaptured),
    "HoldVoided": ("hold_voided", pb.HoldEnded),
    "HoldExpired": ("hold_expired", pb.HoldEnded),
    "OverdraftLimitSet": ("overdraft_limit_set", pb.OverdraftLimitSet),
    "AccountFrozen": ("account_frozen", pb.AccountFrozen),
    "AccountUnfrozen": ("account_unfrozen", pb.AccountUnfrozen),
    "AccountClosed": ("account_closed", pb.AccountClosed),
    "AccountAnnotated": ("account_annotated", pb.AccountAnnotated),
}
"""For each type of event, its member of `Event.detail` and that member's message."""

LATER_MEMBERS: Final[Mapping[str, Any]] = {"legs": 2}
"""What the absence of a member means in an event from before it; None needs no saying."""


def opened_account(receipt: bytes) -> pb.OpenAccountResponse:
    """Gives the receipt of an opening."""
    document = _decode(receipt)
    return pb.OpenAccountResponse(
        **_members(document, pb.OpenAccountResponse),
        accounts=_accounts(document),
    )


def booked_transfer(receipt: bytes) -> pb.TransferFundsResponse:
    """Gives the receipt of a transfer."""
    document = _decode(receipt)
    return pb.TransferFundsResponse(
        **_members(document, pb.TransferFundsResponse),
        accounts=_accounts(document),
    )


def balance(stored: StoredBalance) -> pb.GetBalanceResponse:
    """Gives the balance of an account as the journal has it."""
    state = stored.state
    return pb.GetBalanceResponse(
        account_id=state.account_id,
        currency=state.currency,
        booked=state.booked,
        held=state.held,
        available=state.available,
        version=state.version,
        as_of=_instant(stored.recorded_at),
        status=_status(state.status),
    )


def event(stored: StoredEvent) -> pb.Event:
    """Gives a stored event: its members, and the bytes and the hash that prove them."""
    document = _decode(stored.body)
    members = _members(document, pb.Event)
    if stored.type in DETAILS:
        name, kind = DETAILS[stored.type]
        members[name] = kind(**_members({**LATER_MEMBERS, **document}, kind))
    return pb.Event(**members, body=stored.body, hash=stored.hash)


def _members(document: Mapping[str, Any], message: type[Message]) -> dict[str, Any]:
    """Picks what a message knows of a document; its fields have the document's names."""
    return {
        field.name: _CONVERTED.get(field.name, _as_is)(value)
        for field in message.DESCRIPTOR.fields
        if (value := document.get(field.name)) is not None and field.name != "accounts"
    }


def _accounts(document: Mapping[str, Any]) -> dict[str, pb.Balances]:
    return {name: pb.Balances(**after) for name, after in document["accounts"].items()}


def _as_is(value: Any) -> Any:
    return value


def _instant(value: datetime | str) -> Timestamp:
    timestamp = Timestamp()
    if isinstance(value, str):
        timestamp.FromJsonString(value)
    else:
        timestamp.FromDatetime(value)
    return timestamp


def _status(status: AccountStatus) -> str:
    return f"ACCOUNT_STATUS_{status.name}"


# A value of an enum is set by its name.
_CONVERTED: Final[Mapping[str, Callable[[Any], Any]]] = {
    "opened_at": _instant,
    "recorded_at": _instant,
    "expires_at": _instant,
    "kind": lambda label: f"ACCOUNT_KIND_{label.upper()}",
    "scope": lambda label: f"FREEZE_SCOPE_{label.upper()}",
    "status": lambda label: f"ACCOUNT_STATUS_{label.upper()}",
    "status_after": lambda number: _status(AccountStatus(number)),
}
