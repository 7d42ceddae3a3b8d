"""The balance of an account as the read models keep it, and the fold that makes it from events.

One value, three places: the Faust table `balances`, its hash in Redis, its document in
Elasticsearch. The fold computes; the state that an event claims for itself is only compared.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

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
from chronos.wire.members import (
    BALANCE,
    CURRENCY,
    FROM_ZERO,
    ID,
    MOMENT,
    POSITIVE,
    UUID,
    says,
)


class OpenHold(msgspec.Struct, frozen=True, kw_only=True):
    """One open hold on an account."""

    id: Annotated[str, says("The hold.", **ID)]
    amount: Annotated[int, says("Minor units; above zero.", **POSITIVE)]
    expires_at: Annotated[
        str | None, says("When it ends by itself, UTC; null: never.", **MOMENT)
    ]


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """An account after the event with this version."""

    account_id: Annotated[str, says("The account; the record's key.", **ID)]
    currency: Annotated[str, says("Currency of all amounts here, ISO 4217.", **CURRENCY)]
    kind: Annotated[AccountKind, says("A customer's account, or one of the bank's own.")]
    version: Annotated[int, says("Number of the account's newest event.", minimum=1)]
    booked: Annotated[int, says("Sum of all postings, minor units.", **BALANCE)]
    held: Annotated[int, says("Sum of the open holds, minor units.", **FROM_ZERO)]
    overdraft_limit: Annotated[
        int | None,
        says("How far below zero it may go, minor units; null: without bound.", **FROM_ZERO),
    ]
    status: Annotated[
        str, says("What it may do.", enum=[status.label for status in AccountStatus])
    ]
    holds: Annotated[tuple[OpenHold, ...], says("The open holds, oldest first.")]
    hash: Annotated[str, says("Hash of the account's newest event.", pattern="^[0-9a-f]{64}$")]
    event_id: Annotated[str, says("Id of the account's newest event.", **UUID)]
    position: Annotated[
        int, says("Place of the account's newest event in the journal.", minimum=1)
    ]
    recorded_at: Annotated[
        str, says("When the account's newest event was stored, UTC.", **MOMENT)
    ]
    opened_at: Annotated[str, says("When the account's first event was stored, UTC.", **MOMENT)]
    opened_on: Annotated[date, says("The day from which it counts as open.")]
    external_id: Annotated[str | None, says("What another system calls the account.")]
    metadata: Annotated[dict[str, str], says("What its owner or the bank noted on it.")]

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
