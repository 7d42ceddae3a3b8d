"""The balance of an account as the read models keep it, and the fold that makes it from events.

One value, three places: the Faust table `balances`, its hash in Redis, its document in
Elasticsearch. The fold computes; the state that an event claims for itself is only compared.
"""

from __future__ import annotations

from datetime import date

import msgspec

from chronos.domain.account import AccountState, AccountStatus
from chronos.domain.chart import AccountKind
from chronos.domain.events import (
    AccountAnnotated,
    AccountOpened,
    Event,
    HoldChanged,
    HoldPlaced,
)
from chronos.domain.evolve import evolve
from chronos.domain.ids import AccountId
from chronos.domain.invariants import violation
from chronos.errors import InvariantBroken
from chronos.wire.codec import Recorded, event_hash, format_instant


class OpenHold(msgspec.Struct, frozen=True, kw_only=True):
    """One open hold on an account: amount in minor units, expiry in RFC 3339 or None."""

    id: str
    amount: int
    expires_at: str | None


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """An account after the event with this version. Amounts in minor units."""

    account_id: str
    currency: str
    kind: AccountKind
    version: int
    booked: int
    held: int
    overdraft_limit: int | None
    status: str
    """A label of `AccountStatus`."""
    holds: tuple[OpenHold, ...]
    hash: str
    """Hash of the account's newest event, 64 hexadecimal digits."""
    event_id: str
    """Id of the account's newest event."""
    position: int
    recorded_at: str
    """When the newest event was recorded, RFC 3339 in UTC."""
    opened_at: str
    opened_on: date
    external_id: str | None
    metadata: dict[str, str]

    @property
    def available(self) -> int:
        """Booked minus held plus the overdraft limit; without a limit, booked minus held."""
        return self.booked - self.held + (self.overdraft_limit or 0)


_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(Balance)


def encode_balance(balance: Balance) -> bytes:
    """Writes a balance as canonical JSON."""
    return _encoder.encode(balance)


def decode_balance(body: bytes) -> Balance:
    """Reads a balance.

    Raises:
        msgspec.MsgspecError: The bytes are not a balance.
    """
    return _decoder.decode(body)


def fold(before: Balance | None, recorded: Recorded, body: bytes, digest: bytes) -> Balance:
    """Applies an account's next event to its balance.

    Args:
        before: The balance at the version before; None before the first event.
        recorded: The event, decoded from `body`.
        body: Its stored bytes.
        digest: Its hash as the journal or the record's header tells it, 32 bytes.

    Raises:
        InvariantBroken: The version does not follow, the stored after-values differ from the
            computed ones, or the hash does not continue the account's chain.
    """
    event = recorded.event
    state_before = None if before is None else _state(before)
    broken = violation(state_before, event)
    previous = None if before is None else bytes.fromhex(before.hash)
    if broken is None and event_hash(previous, body) != digest:
        broken = f"hash {digest.hex()} does not continue the account's chain"
    if broken is None and before is not None and isinstance(event, HoldChanged):
        broken = _unlike_its_hold(before, event)
    if broken is not None:
        raise InvariantBroken(
            f"Account {event.account_id}, version {event.version}, event {recorded.event_id}: "
            f"{broken}. Run `chronos verify`.",
            account_id=event.account_id,
            version=event.version,
        )
    return _balance(evolve(state_before, event), before, recorded, digest)


def _unlike_its_hold(before: Balance, event: HoldChanged) -> str | None:
    """Tells what is wrong with the hold itself, where the sums alone may agree."""
    hold = next((hold for hold in before.holds if hold.id == event.hold_id), None)
    if isinstance(event, HoldPlaced):
        return None if hold is None else f"hold {event.hold_id} is open already"
    if hold is None:
        return f"hold {event.hold_id} ends without being open"
    if hold.amount != event.hold_amount:
        return f"hold {event.hold_id} of {hold.amount} ends as one of {event.hold_amount}"
    return None


def _holds(before: Balance, event: Event) -> tuple[OpenHold, ...]:
    if isinstance(event, HoldPlaced):
        expires_at = None if event.expires_at is None else format_instant(event.expires_at)
        placed = OpenHold(id=event.hold_id, amount=event.hold_amount, expires_at=expires_at)
        return (*before.holds, placed)
    if isinstance(event, HoldChanged):
        return tuple(hold for hold in before.holds if hold.id != event.hold_id)
    return before.holds


def _state(balance: Balance) -> AccountState:
    return AccountState(
        account_id=AccountId(balance.account_id),
        currency=balance.currency,
        kind=balance.kind,
        version=balance.version,
        booked=balance.booked,
        held=balance.held,
        open_holds=len(balance.holds),
        overdraft_limit=balance.overdraft_limit,
        status=AccountStatus[balance.status.upper()],
        opened_on=balance.opened_on,
    )


def _balance(
    state: AccountState, before: Balance | None, recorded: Recorded, digest: bytes
) -> Balance:
    event = recorded.event
    recorded_at = format_instant(recorded.recorded_at)
    if isinstance(event, AccountOpened):
        opened_at, external_id, metadata = recorded_at, event.external_id, dict(event.metadata)
    else:
        assert before is not None  # noqa: S101  `violation` saw an account's first event open it
        opened_at, external_id, metadata = before.opened_at, before.external_id, before.metadata
    if isinstance(event, AccountAnnotated):
        metadata = dict(event.metadata)
    return Balance(
        account_id=state.account_id,
        currency=state.currency,
        kind=state.kind,
        version=state.version,
        booked=state.booked,
        held=state.held,
        overdraft_limit=state.overdraft_limit,
        status=state.status.label,
        holds=() if before is None else _holds(before, event),
        hash=digest.hex(),
        event_id=recorded.event_id,
        position=recorded.position,
        recorded_at=recorded_at,
        opened_at=opened_at,
        opened_on=state.opened_on,
        external_id=external_id,
        metadata=metadata,
    )
