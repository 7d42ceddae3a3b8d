"""What the ledger asks the store before a command whose accounts it does not name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chronos.domain.ids import AccountId, HoldId, TransferId


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be looked up."""

    entries: tuple[TransferId, ...] = ()
    holds: tuple[HoldId, ...] = ()
    accounts: tuple[AccountId, ...] = ()
    """Whose currency is wanted, and the bank's position account in it."""
    currencies: tuple[str, ...] = ()
    """Of accounts that are yet to be opened: the position account is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Referred:
    """What was found; what is missing does not exist."""

    entries: Mapping[TransferId, tuple[AccountId, ...]] = field(default_factory=dict)
    """The accounts of each journal entry, in the order of its postings."""
    holds: Mapping[HoldId, AccountId] = field(default_factory=dict)
    currencies: Mapping[AccountId, str] = field(default_factory=dict)
    positions: Mapping[str, AccountId] = field(default_factory=dict)
    """The bank's oldest position account of each currency, an open one if there is one."""
