"""What a decision looks at, and what it grants."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date

from chronos.domain.account import AccountState
from chronos.domain.events import Event
from chronos.domain.ids import AccountId, TransferId


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """All that a decision may look at: the world as far as its commands name it."""

    accounts: Mapping[AccountId, AccountState]
    transfers: AbstractSet[TransferId]
    """Those of the named transfer ids that are taken."""
    external_ids: Mapping[str, AccountId]
    """Those of the named external ids that are taken, and by whom."""
    booking_date: date
    """The bank's calendar day on which the events will be recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What happens if the command is granted: its events, in the order of their postings."""

    events: tuple[Event, ...]
