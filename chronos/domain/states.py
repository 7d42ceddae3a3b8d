"""What a decision looks at, and what it grants."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from chronos.domain.account import AccountState
from chronos.domain.events import Event, HoldPlaced
from chronos.domain.ids import AccountId, HoldId, TransferId


class HoldStatus(StrEnum):
    """Where a hold is in its life; all but the first are its end."""

    OPEN = "open"
    CAPTURED = "captured"
    VOIDED = "voided"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldState:
    """One hold, from its own events alone."""

    hold_id: HoldId
    account_id: AccountId
    amount: int
    expires_at: datetime | None
    status: HoldStatus

    @classmethod
    def placed_by(cls, event: HoldPlaced) -> HoldState:
        """Gives the hold as its first event leaves it."""
        return cls(
            hold_id=event.hold_id,
            account_id=event.account_id,
            amount=event.hold_amount,
            expires_at=event.expires_at,
            status=HoldStatus.OPEN,
        )


@dataclass(frozen=True, slots=True)
class BookedPosting:
    """One posting of a journal entry as it was booked."""

    account_id: AccountId
    amount: int
    """Signed, minor units."""
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """A journal entry as it was booked."""

    transfer_id: TransferId
    postings: tuple[BookedPosting, ...]
    reverses: TransferId | None
    """The entry that this one reverses."""
    reversed_by: TransferId | None
    """The entry that reverses this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """All that a decision may look at: the world as far as its commands name it."""

    accounts: Mapping[AccountId, AccountState]
    transfers: AbstractSet[TransferId]
    """Those of the named transfer ids that are taken."""
    external_ids: Mapping[str, AccountId]
    """Those of the named external ids that are taken, and by whom."""
    holds: Mapping[HoldId, HoldState]
    """Those of the named holds that were ever placed."""
    entries: Mapping[TransferId, JournalEntry]
    """Those of the journal entries to be reversed that were booked."""
    booking_date: date
    """The bank's calendar day on which the events will be recorded."""
    recorded_at: datetime
    """The instant at which the events will be recorded, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What happens if the command is granted: its events, in the order of their postings."""

    events: tuple[Event, ...]
