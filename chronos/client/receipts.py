"""What a running Chronos answers to a command, as typed values.

`replayed` says that the same key was answered before and nothing was done again. Amounts are
minor units.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Protocol

import msgspec

from chronos.client.answers import Hold, JournalEntry, Problem, Touched


class Receipt(Protocol):
    """The answer to any command."""

    @property
    def position(self) -> int:
        """Where its last event stands in the journal; 0 of a dry run."""
        ...

    @property
    def accounts(self) -> Mapping[str, Touched]:
        """Every account that it changed, as it left it."""
        ...

    @property
    def replayed(self) -> bool:
        """Whether this is the stored answer to an earlier request with the same key."""
        ...


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of an opened account."""

    id: str
    currency: str
    kind: str
    status: str
    overdraft_limit: int | None
    external_id: str | None
    metadata: dict[str, str]
    opened_at: str
    opened_on: date
    version: int
    booked: int
    held: int
    available: int
    position: int
    accounts: dict[str, Touched]
    replayed: bool = False


class Transferred(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of a booked transfer."""

    id: str
    status: str
    position: int
    recorded_at: str
    value_date: date
    source: str = msgspec.field(name="from")
    destination: str = msgspec.field(name="to")
    amount: int
    currency: str
    external_id: str | None
    description: str | None
    metadata: dict[str, str]
    reverses: str | None
    accounts: dict[str, Touched]
    replayed: bool = False


class Booked(JournalEntry, frozen=True, kw_only=True):
    """The receipt of any journal entry, and what a read of one shows."""

    accounts: dict[str, Touched]
    replayed: bool = False


class Placed(Hold, frozen=True, kw_only=True):
    """The receipt of a new hold."""

    position: int
    accounts: dict[str, Touched]
    replayed: bool = False


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of a capture or a void."""

    id: str
    status: str
    account: str
    amount: int
    currency: str
    recorded_at: str
    captured_amount: int | None
    destination: str | None = msgspec.field(name="to")
    transfer_id: str | None
    ended_at: str
    position: int
    accounts: dict[str, Touched]
    replayed: bool = False


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of a verb on an account; `metadata` is there when it was to annotate."""

    id: str
    currency: str
    kind: str
    status: str
    overdraft_limit: int | None
    recorded_at: str
    version: int
    booked: int
    held: int
    available: int
    position: int
    accounts: dict[str, Touched]
    metadata: dict[str, str] | None = None
    replayed: bool = False


Granted = Opened | Transferred | Booked | Placed | Ended | Changed
"""The receipt of one command that was granted."""


class BatchResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one command of a batch came to: a receipt, or a refusal."""

    status: int
    replayed: bool
    """Whether its own key had been used before."""
    location: str | None
    receipt: Granted | None
    refusal: Problem | None


class Executed(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt of a batch: one result for each command, in their order."""

    atomic: bool
    results: tuple[BatchResult, ...]
    position: int
    accounts: dict[str, Touched]
    replayed: bool = False
