"""Events to bytes and back.

The bytes are canonical JSON: UTF-8, sorted keys, no white space, integers only. They are stored
in the journal, hashed, and carried by Kafka unchanged; a byte once written stays. A new shape
gets a new `schema_version`, and a pure step here that reads the old one.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple, get_args

import msgspec

from chronos.domain.account import AccountStatus
from chronos.domain.events import (
    AccountAnnotated,
    AccountChanged,
    AccountClosed,
    AccountFrozen,
    AccountOpened,
    AccountUnfrozen,
    Event,
    HoldCaptured,
    HoldExpired,
    HoldPlaced,
    HoldVoided,
    MoneyDeposited,
    MoneyMoved,
    MoneyWithdrawn,
    OverdraftLimitSet,
)
from chronos.domain.ids import AccountId, EventId, TransferId
from chronos.wire.event_shapes import (
    SCHEMA_VERSIONS,
    AccountOpenedShape,
    EventShape,
    MoneyDepositedShape,
    MoneyShape,
    MoneyWithdrawnShape,
)


class UnreadableEvent(ValueError):
    """Says why bytes are not an event that this version of Chronos can read."""


# A tuple, not a data class: two are made for every transfer.
class Recorded(NamedTuple):
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


_RareEvent = (
    HoldPlaced
    | HoldCaptured
    | HoldVoided
    | HoldExpired
    | OverdraftLimitSet
    | AccountFrozen
    | AccountUnfrozen
    | AccountClosed
    | AccountAnnotated
)
_RARE: dict[str, type[_RareEvent]] = {kind.__name__: kind for kind in get_args(_RareEvent)}
# What an event of each rare type says beside what every body says.
_OWN_MEMBERS: dict[type[AccountChanged], tuple[str, ...]] = {
    kind: tuple(
        field.name
        for field in fields(kind)
        if field.name not in ("account_id", "version", "currency", "metadata", "value_date")
    )
    for kind in get_args(_RareEvent)
}
_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(EventShape)


def encode_event(recorded: Recorded) -> bytes:
    """Writes an event as canonical JSON."""
    event = recorded.event
    kind = type(event).__name__
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
        "schema_version": SCHEMA_VERSIONS[kind],
        "type": kind,
        "value_date": event.value_date,
        "version": event.version,
    }
    match event:
        case MoneyWithdrawn() | MoneyDeposited():
            _add_money(body, event)
        case AccountOpened():
            _add_opening(body, event)
        case _:
            _add_own(body, event)
    return _encoder.encode(body)


def decode_event(body: bytes) -> Recorded:
    """Reads an event.

    Raises:
        UnreadableEvent: The bytes are not JSON, not an event, or of an unknown schema version.
    """
    return recorded_of(decode_shape(body))


def decode_shape(body: bytes) -> EventShape:
    """Reads the shape of an event, of which `recorded_of` makes the event.

    Raises:
        UnreadableEvent: The bytes are not JSON, not an event, or of an unknown schema version.
    """
    try:
        shape: EventShape = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableEvent(str(error)) from error
    kind = type(shape).__struct_config__.tag
    if not 1 <= shape.schema_version <= SCHEMA_VERSIONS[str(kind)]:
        raise UnreadableEvent(f"schema version {shape.schema_version} of {shape.event_id}")
    return shape


def recorded_of(shape: EventShape) -> Recorded:
    """Makes the event that a shape says."""
    return Recorded(
        event=_event(shape),
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
    body["external_id"] = event.external_id
    body["held_after"] = event.held_after
    body["leg"] = event.leg
    body["legs"] = event.legs
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


def _add_own(body: dict[str, object], event: _RareEvent) -> None:
    for name in _OWN_MEMBERS[type(event)]:
        body[name] = getattr(event, name)
    if isinstance(event, HoldPlaced) and event.expires_at is not None:
        body["expires_at"] = format_instant(event.expires_at)


def _event(shape: EventShape) -> Event:
    # Not by `A | B`: that makes an object for each event.
    if isinstance(shape, (MoneyWithdrawnShape, MoneyDepositedShape)):
        return _moved(shape)
    if isinstance(shape, AccountOpenedShape):
        return _opened(shape)
    # The members of the shape have the names of the event's.
    rare = _RARE[str(type(shape).__struct_config__.tag)]
    return msgspec.convert(shape, rare, from_attributes=True)


def _opened(shape: AccountOpenedShape) -> AccountOpened:
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


def _moved(shape: MoneyShape) -> MoneyWithdrawn | MoneyDeposited:
    event_class = MoneyWithdrawn if isinstance(shape, MoneyWithdrawnShape) else MoneyDeposited
    reversed_id = shape.reverses_transfer_id
    return event_class(
        account_id=AccountId(shape.account_id),
        version=shape.version,
        transfer_id=TransferId(shape.transfer_id),
        leg=shape.leg,
        legs=shape.legs,
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
        external_id=shape.external_id,
        reverses_transfer_id=None if reversed_id is None else TransferId(reversed_id),
        value_date=shape.value_date,
    )
