"""Events to bytes and back.

The bytes are canonical JSON: UTF-8, sorted keys, no white space, integers only. They are stored
in the journal, hashed, and carried by Kafka unchanged; a byte once written stays. A new shape
gets a new `schema_version`, and a pure step here that reads the old one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import assert_never

import msgspec

from chronos.domain.account import AccountStatus
from chronos.domain.chart import AccountKind
from chronos.domain.events import (
    AccountOpened,
    Event,
    MoneyDeposited,
    MoneyMoved,
    MoneyWithdrawn,
)
from chronos.domain.ids import AccountId, EventId, TransferId

SCHEMA_VERSION = 1


class UnreadableEvent(ValueError):
    """Says why bytes are not an event that this version of Chronos can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event with what its recording added."""

    event: Event
    event_id: EventId
    position: int
    """Place in the whole journal; grows for each account, gaps are normal."""
    recorded_at: datetime
    """UTC."""
    principal: str
    correlation_id: str
    """The request that led to it."""
    causation_id: str
    """The idempotency key of the command that led to it."""


class _Common(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    account_id: str
    version: int
    event_id: str
    position: int
    recorded_at: datetime
    value_date: date
    principal: str
    correlation_id: str
    causation_id: str
    schema_version: int
    currency: str
    metadata: dict[str, str]


class _AccountOpened(_Common, frozen=True, kw_only=True, tag="AccountOpened"):
    kind: AccountKind
    overdraft_limit_after: int | None
    external_id: str | None


class _MoneyMoved(_Common, frozen=True, kw_only=True):
    transfer_id: str
    leg: int
    amount: int
    counterparty: str | None
    booked_after: int
    held_after: int
    available_after: int
    overdraft_limit_after: int | None
    status_after: AccountStatus
    description: str | None
    reverses_transfer_id: str | None


class _MoneyWithdrawn(_MoneyMoved, frozen=True, kw_only=True, tag="MoneyWithdrawn"):
    pass


class _MoneyDeposited(_MoneyMoved, frozen=True, kw_only=True, tag="MoneyDeposited"):
    pass


_Shape = _AccountOpened | _MoneyWithdrawn | _MoneyDeposited
_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(_Shape)


def encode_event(recorded: Recorded) -> bytes:
    """Writes an event as canonical JSON."""
    event = recorded.event
    body: dict[str, object] = {
        "account_id": event.account_id,
        "causation_id": recorded.causation_id,
        "correlation_id": recorded.correlation_id,
        "currency": event.currency,
        "event_id": recorded.event_id,
        "metadata": event.metadata,
        "position": recorded.position,
        "principal": recorded.principal,
        "recorded_at": format_instant(recorded.recorded_at),
        "schema_version": SCHEMA_VERSION,
        "type": type(event).__name__,
        "value_date": event.value_date,
        "version": event.version,
    }
    match event:
        case MoneyWithdrawn() | MoneyDeposited():
            _add_money(body, event)
        case AccountOpened():
            _add_opening(body, event)
        case _:
            assert_never(event)
    return _encoder.encode(body)


def decode_event(body: bytes) -> Recorded:
    """Reads an event.

    Raises:
        UnreadableEvent: The bytes are not JSON, not an event, or of an unknown schema version.
    """
    try:
        shape = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableEvent(str(error)) from error
    if shape.schema_version != SCHEMA_VERSION:
        raise UnreadableEvent(f"schema version {shape.schema_version} of {shape.event_id}")
    return Recorded(
        event=_opened(shape) if isinstance(shape, _AccountOpened) else _moved(shape),
        event_id=EventId(shape.event_id),
        position=shape.position,
        recorded_at=shape.recorded_at.astimezone(UTC),
        principal=shape.principal,
        correlation_id=shape.correlation_id,
        causation_id=shape.causation_id,
    )


def event_hash(previous: bytes | None, body: bytes) -> bytes:
    """Hashes an event into its account's chain: SHA-256 over the previous hash and the body.

    Args:
        previous: Hash of the account's event before, 32 bytes; None for its first event, which
            is hashed alone.
        body: The stored bytes of the event.
    """
    return hashlib.sha256(previous + body if previous else body).digest()


def with_hash(body: bytes, digest: bytes) -> bytes:
    """Gives the event's JSON object with one more member, `hash`, in lower-case hexadecimal."""
    return b'%b,"hash":"%b"}' % (body[:-1], digest.hex().encode())


@lru_cache(maxsize=256)
def format_instant(instant: datetime) -> str:
    """Writes a UTC instant as RFC 3339 with six digits of a second and a `Z`.

    Remembers the newest few: a whole batch shares one instant.
    """
    return instant.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _add_money(body: dict[str, object], event: MoneyMoved) -> None:
    body["amount"] = event.amount
    body["available_after"] = event.available_after
    body["booked_after"] = event.booked_after
    body["counterparty"] = event.counterparty
    body["description"] = event.description
    body["held_after"] = event.held_after
    body["leg"] = event.leg
    body["overdraft_limit_after"] = event.overdraft_limit_after
    body["reverses_transfer_id"] = event.reverses_transfer_id
    body["status_after"] = int(event.status_after)
    body["transfer_id"] = event.transfer_id


def _add_opening(body: dict[str, object], event: AccountOpened) -> None:
    body["available_after"] = event.overdraft_limit or 0
    body["booked_after"] = 0
    body["external_id"] = event.external_id
    body["held_after"] = 0
    body["kind"] = event.kind.value
    body["overdraft_limit_after"] = event.overdraft_limit
    body["status_after"] = int(AccountStatus.OPEN)


def _opened(shape: _AccountOpened) -> AccountOpened:
    return AccountOpened(
        account_id=AccountId(shape.account_id),
        version=shape.version,
        currency=shape.currency,
        kind=shape.kind,
        overdraft_limit=shape.overdraft_limit_after,
        external_id=shape.external_id,
        metadata=shape.metadata,
        value_date=shape.value_date,
    )


def _moved(shape: _MoneyWithdrawn | _MoneyDeposited) -> MoneyWithdrawn | MoneyDeposited:
    event_class = MoneyWithdrawn if isinstance(shape, _MoneyWithdrawn) else MoneyDeposited
    reversed_id = shape.reverses_transfer_id
    return event_class(
        account_id=AccountId(shape.account_id),
        version=shape.version,
        transfer_id=TransferId(shape.transfer_id),
        leg=shape.leg,
        amount=shape.amount,
        currency=shape.currency,
        counterparty=None if shape.counterparty is None else AccountId(shape.counterparty),
        booked_after=shape.booked_after,
        held_after=shape.held_after,
        available_after=shape.available_after,
        overdraft_limit_after=shape.overdraft_limit_after,
        status_after=shape.status_after,
        description=shape.description,
        metadata=shape.metadata,
        reverses_transfer_id=None if reversed_id is None else TransferId(reversed_id),
        value_date=shape.value_date,
    )
