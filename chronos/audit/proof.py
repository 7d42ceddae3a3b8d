"""Proves one account after another from the rows of the journal: pure, one event at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from chronos.audit.report import Finding
from chronos.domain.account import AccountState, AccountStatus
from chronos.domain.events import (
    AccountChanged,
    AccountOpened,
    Event,
    HoldChanged,
    HoldPlaced,
    MoneyMoved,
)
from chronos.domain.evolve import evolve
from chronos.domain.ids import HoldId
from chronos.domain.invariants import violation
from chronos.wire.booking import EventRow
from chronos.wire.codec import Recorded, UnreadableEvent, decode_event, event_hash


class JournalProof:
    """Takes every event by account and version, and tells what is wrong with each.

    After a difference it goes on from what is stored, so that one wrong byte is one finding and
    not one per later event.
    """

    def __init__(self) -> None:
        self._account_id: str | None = None
        self._version = 0
        self._hash: bytes | None = None
        self._recorded_at: datetime | None = None
        self._position = 0
        self._state: AccountState | None = None
        self._open_holds: dict[HoldId, int] = {}
        self.accounts = 0
        self.totals: Counter[str] = Counter()

    def take(self, row: EventRow) -> Iterator[Finding]:
        """Yields what is wrong with the next event."""
        if row.account_id != self._account_id:
            self._begin(row.account_id)
        for check, detail in self._differences(row):
            yield Finding(
                check=check,
                account_id=row.account_id,
                version=row.version,
                position=row.position,
                detail=detail,
            )
        self._version, self._hash = row.version, row.hash
        self._recorded_at, self._position = row.recorded_at, row.position
        self.totals[row.currency] += row.amount or 0

    def _begin(self, account_id: str) -> None:
        self._account_id = account_id
        self._version, self._hash, self._state = 0, None, None
        self._recorded_at, self._position = None, 0
        self._open_holds = {}
        self.accounts += 1

    def _differences(self, row: EventRow) -> Iterator[tuple[str, str]]:
        if row.version != self._version + 1:
            yield "gapless", f"version {row.version} follows version {self._version}"
        if event_hash(self._hash, row.body) != row.hash:
            yield "hash_chain", "the stored hash is not that of the chain and the body"
        if self._recorded_at is not None and row.recorded_at < self._recorded_at:
            yield "order", f"recorded at {row.recorded_at}, before the event before it"
        if row.position <= self._position:
            yield "order", f"position {row.position} does not follow {self._position}"
        yield from self._content(row)

    def _content(self, row: EventRow) -> Iterator[tuple[str, str]]:
        try:
            recorded = decode_event(row.body)
        except UnreadableEvent as error:
            self._state = _stored_state(self._state, row)
            yield "body", f"the body cannot be read: {error}"
            return
        for name, said, stored in body_differences(recorded, row):
            yield "columns", f"{name} is {said!r} in the body and {stored!r} in its column"
        is_next = row.version == self._version + 1
        is_known = self._state is not None or row.version == 1
        if is_next and is_known and (said := self._violation(recorded.event)):
            yield "fold", said
        yield from self._hold_differences(recorded.event, row)
        self._state = self._next_state(recorded.event, row)

    def _hold_differences(self, event: Event, row: EventRow) -> Iterator[tuple[str, str]]:
        """Follows each hold by its name, where the sums alone may agree."""
        holds = self._open_holds
        if isinstance(event, HoldPlaced):
            if event.hold_id in holds:
                yield "holds", f"hold {event.hold_id} is placed while it is open"
            holds[event.hold_id] = event.hold_amount
        elif isinstance(event, HoldChanged):
            placed = holds.pop(event.hold_id, None)
            if placed != event.hold_amount:
                detail = f"hold {event.hold_id} of {placed} ends as one of {event.hold_amount}"
                yield "holds", detail
        if row.open_holds_after != len(holds):
            yield "holds", f"{row.open_holds_after} open holds stored, {len(holds)} counted"

    def _violation(self, event: Event) -> str | None:
        broken = violation(self._state, event)
        if broken or self._state is None:
            return broken
        if event.currency != self._state.currency:
            return f"currency {event.currency} on an account in {self._state.currency}"
        return None

    def _next_state(self, event: Event, row: EventRow) -> AccountState | None:
        """Folds the event, then takes the stored values, so that one difference stays one."""
        if self._state is None and not isinstance(event, AccountOpened):
            return None
        return _stored_state(evolve(self._state, event), row)


def body_differences(recorded: Recorded, row: EventRow) -> Iterator[tuple[str, object, object]]:
    """Yields (column, value in the body, value in the column) where the two disagree."""
    event = recorded.event
    pairs: list[tuple[str, object, object]] = [
        ("account_id", event.account_id, row.account_id),
        ("version", event.version, row.version),
        ("event_id", recorded.event_id, row.event_id),
        ("type", type(event).__name__, row.type),
        ("position", recorded.position, row.position),
        ("principal", recorded.principal, row.principal),
        ("recorded_at", recorded.recorded_at, row.recorded_at),
        ("value_date", event.value_date, row.value_date),
        ("currency", event.currency, row.currency),
    ]
    if isinstance(event, AccountOpened):
        pairs += _opening_pairs(event, row)
    else:
        pairs += _changed_pairs(event, row)
    yield from (pair for pair in pairs if pair[1] != pair[2])


_Pairs = list[tuple[str, object, object]]


def _opening_pairs(event: AccountOpened, row: EventRow) -> _Pairs:
    return [
        ("overdraft_limit_after", event.overdraft_limit, row.overdraft_limit_after),
        ("booked_after", 0, row.booked_after),
        ("held_after", 0, row.held_after),
        ("open_holds_after", 0, row.open_holds_after),
        ("status_after", int(AccountStatus.OPEN), row.status_after),
        ("amount", None, row.amount),
        ("transfer_id", None, row.transfer_id),
        ("hold_id", None, row.hold_id),
    ]


def _changed_pairs(event: AccountChanged, row: EventRow) -> _Pairs:
    money = event if isinstance(event, MoneyMoved) else None
    hold = event if isinstance(event, HoldChanged) else None
    pairs: _Pairs = [
        ("booked_after", event.booked_after, row.booked_after),
        ("held_after", event.held_after, row.held_after),
        ("overdraft_limit_after", event.overdraft_limit_after, row.overdraft_limit_after),
        ("status_after", int(event.status_after), row.status_after),
        ("transfer_id", None if money is None else money.transfer_id, row.transfer_id),
        ("leg", None if money is None else money.leg, row.leg),
        ("amount", None if money is None else money.amount, row.amount),
        (
            "reverses_transfer_id",
            None if money is None else money.reverses_transfer_id,
            row.reverses_transfer_id,
        ),
        ("hold_id", None if hold is None else hold.hold_id, row.hold_id),
        (
            "expires_at",
            event.expires_at if isinstance(event, HoldPlaced) else None,
            row.expires_at,
        ),
    ]
    if hold is not None:
        pairs.append(("open_holds_after", hold.open_holds_after, row.open_holds_after))
    return pairs


def _stored_state(folded: AccountState | None, row: EventRow) -> AccountState | None:
    if folded is None:
        return None
    return replace(
        folded,
        version=row.version,
        booked=row.booked_after,
        held=row.held_after,
        open_holds=row.open_holds_after,
        overdraft_limit=row.overdraft_limit_after,
        status=AccountStatus(row.status_after),
    )
