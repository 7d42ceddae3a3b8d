"""The world as it changes while a batch is decided: what each command leaves to the next.

Everything that a decision may look at is here, and every event is noted here. An atomic batch
that is refused goes back to the mark that was set before it, as if it had never been decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from chronos.domain.account import AccountState
from chronos.domain.events import (
    AccountOpened,
    Event,
    HoldChanged,
    HoldPlaced,
    MoneyMoved,
)
from chronos.domain.ids import AccountId, HoldId, TransferId
from chronos.domain.states import (
    BookedPosting,
    HoldState,
    JournalEntry,
    States,
)
from chronos.wire.booking import (
    AccountRow,
    Booked,
    EventRow,
    Found,
    KeyName,
    OutboxRow,
    ReceiptRow,
    StoredReceipt,
)
from chronos.wire.codec import Recorded
from chronos.wire.documents import HOLD_ENDS
from chronos.wire.receipt import Receipt

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(slots=True)
class Written:
    """The rows so far."""

    events: list[EventRow] = field(default_factory=list)
    outbox: list[OutboxRow] = field(default_factory=list)
    receipts: list[ReceiptRow] = field(default_factory=list)
    accounts: list[AccountRow] = field(default_factory=list)


@dataclass(slots=True)
class World:
    """What is known, in the form in which decisions see it."""

    states: dict[AccountId, AccountState]
    hashes: dict[AccountId, bytes]
    transfers: set[TransferId]
    external_ids: dict[str, AccountId]
    holds: dict[HoldId, HoldState]
    entries: dict[TransferId, JournalEntry]
    receipts: dict[KeyName, StoredReceipt]


@dataclass(frozen=True, slots=True)
class Mark:
    """How everything was at a moment."""

    world: World
    rows: tuple[int, int, int, int]


@dataclass(slots=True, kw_only=True)
class Page:
    """The world of one command transaction, and the rows that it writes."""

    found: Found
    recorded_at: datetime
    """One instant for the whole transaction."""
    known: World
    seen: States
    """The same collections, for decisions."""
    written: Written = field(default_factory=Written)
    positions_used: int = 0

    @classmethod
    def of(cls, found: Found, zone: ZoneInfo) -> Page:
        """Starts from what was found.

        The instant is PostgreSQL's clock, or the newest head's if that clock went back: so time
        never goes back for an account, and all postings of an entry agree.
        """
        newest = max((head.recorded_at for head in found.heads.values()), default=found.now)
        recorded_at = max(found.now, newest).astimezone(UTC)
        known = World(
            states={account: head.state for account, head in found.heads.items()},
            hashes={account: head.hash for account, head in found.heads.items()},
            transfers=set(found.transfers),
            external_ids=dict(found.external_ids),
            holds=dict(found.holds),
            entries=dict(found.entries),
            receipts=dict(found.receipts),
        )
        return cls(
            found=found,
            recorded_at=recorded_at,
            known=known,
            seen=States(
                accounts=known.states,
                transfers=known.transfers,
                external_ids=known.external_ids,
                holds=known.holds,
                entries=known.entries,
                booking_date=recorded_at.astimezone(zone).date(),
                recorded_at=recorded_at,
            ),
        )

    def next_position(self) -> int:
        """Draws a position; what a batch that was undone had drawn becomes a gap.

        Raises:
            IndexError: The store drew fewer positions than the attempts need.
        """
        position = self.found.positions[self.positions_used]
        self.positions_used += 1
        return position

    def note(self, event: Event, state: AccountState, digest: bytes) -> None:
        """Makes an event part of the world that the next decision sees."""
        known = self.known
        known.states[event.account_id] = state
        known.hashes[event.account_id] = digest
        if isinstance(event, MoneyMoved):
            known.transfers.add(event.transfer_id)
        elif isinstance(event, HoldChanged):
            self._note_hold(event)
        elif isinstance(event, AccountOpened) and event.external_id is not None:
            known.external_ids[event.external_id] = event.account_id

    def note_entry(self, recorded: Sequence[Recorded]) -> None:
        """Makes a journal entry part of the world of later reversals."""
        money = [one.event for one in recorded if isinstance(one.event, MoneyMoved)]
        if not money:
            return
        last, entries = money[-1], self.known.entries
        postings = (BookedPosting(one.account_id, one.amount, one.currency) for one in money)
        entries[last.transfer_id] = JournalEntry(
            transfer_id=last.transfer_id,
            postings=tuple(postings),
            reverses=last.reverses_transfer_id,
            reversed_by=None,
        )
        reversed_id = last.reverses_transfer_id
        if reversed_id is not None and reversed_id in entries:
            original = entries[reversed_id]
            entries[reversed_id] = replace(original, reversed_by=last.transfer_id)

    def cut(self, receipts: Sequence[Receipt] = (), *, is_last: bool = False) -> Booked:
        """Gives the rows since the last cut, which nothing goes back behind any more.

        Args:
            receipts: Of the attempts that were answered since.
            is_last: Whether no row will follow.
        """
        rows, self.written = self.written, Written()
        return Booked(
            receipts=tuple(receipts),
            event_rows=tuple(rows.events),
            outbox_rows=tuple(rows.outbox),
            receipt_rows=tuple(rows.receipts),
            account_rows=tuple(rows.accounts),
            is_last=is_last,
        )

    def mark(self) -> Mark:
        """Remembers how everything is now."""
        known, rows = self.known, self.written
        return Mark(
            World(
                states=dict(known.states),
                hashes=dict(known.hashes),
                transfers=set(known.transfers),
                external_ids=dict(known.external_ids),
                holds=dict(known.holds),
                entries=dict(known.entries),
                receipts=dict(known.receipts),
            ),
            (len(rows.events), len(rows.outbox), len(rows.receipts), len(rows.accounts)),
        )

    def go_back(self, mark: Mark) -> None:
        """Makes everything as it was at a mark, in the collections that decisions look at."""
        known, then = self.known, mark.world
        _restore(known.states, then.states)
        _restore(known.hashes, then.hashes)
        _restore(known.external_ids, then.external_ids)
        _restore(known.holds, then.holds)
        _restore(known.entries, then.entries)
        _restore(known.receipts, then.receipts)
        known.transfers.clear()
        known.transfers.update(then.transfers)
        events, outbox, receipts, accounts = mark.rows
        del self.written.events[events:]
        del self.written.outbox[outbox:]
        del self.written.receipts[receipts:]
        del self.written.accounts[accounts:]

    def _note_hold(self, event: HoldChanged) -> None:
        holds = self.known.holds
        if isinstance(event, HoldPlaced):
            holds[event.hold_id] = HoldState.placed_by(event)
        else:
            status = HOLD_ENDS[type(event).__name__]
            holds[event.hold_id] = replace(holds[event.hold_id], status=status)


def _restore(mapping: dict[_K, _V], old: Mapping[_K, _V]) -> None:
    mapping.clear()
    mapping.update(old)
