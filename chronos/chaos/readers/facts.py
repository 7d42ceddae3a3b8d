"""What the readers give: facts of each store, small enough to hold a long run in memory.

Bodies are kept as digests only. Structs without the cycle collector's header: a run of 300,000
events has two million of these values.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

Key = tuple[str, str]
"""A principal and its idempotency key."""


class Amounts(msgspec.Struct, frozen=True, gc=False):
    """An account's balances at a version, wherever they were seen. Minor units."""

    version: int
    booked: int
    held: int
    available: int


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event of the journal, its balances reckoned anew from the bodies before it."""

    account_id: str
    version: int
    position: int
    event_id: bytes
    """16 bytes."""
    type: str
    currency: str
    principal: str
    key: str
    """The idempotency key of the command that led to it."""
    digest: bytes
    """SHA-256 of the body."""
    hash: bytes
    """Of the account's chain up to it, reckoned anew."""
    booked: int
    held: int
    overdraft_limit: int | None
    kind: str
    """Of the account."""
    note: str = ""
    """What the sender wrote on it: description, metadata and external id; empty for none."""
    amount: int = 0
    """Signed effect on booked."""
    transfer_id: str = ""
    leg: int = 0
    legs: int = 0
    reverses: str = ""
    hold_id: str = ""
    hold_amount: int = 0
    captured_amount: int = 0
    destination: str = ""

    @property
    def available(self) -> int:
        """Booked minus held plus the overdraft limit; without a limit, booked minus held."""
        return self.booked - self.held + (self.overdraft_limit or 0)

    @property
    def amounts(self) -> Amounts:
        """Gives the account's balances after it."""
        return Amounts(self.version, self.booked, self.held, self.available)


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """A stored first answer."""

    status: int
    position: int
    digest: bytes
    """SHA-256 of the body."""


class Unsent(msgspec.Struct, frozen=True, gc=False):
    """A row that still lies in an outbox table, published or not."""

    topic: str
    position: int
    partition: int
    account_id: str
    digest: bytes


@dataclass(slots=True, kw_only=True)
class Journal:
    """What PostgreSQL has, from one snapshot."""

    accounts: dict[str, list[Event]] = field(default_factory=dict)
    """Each account's events in the order of their versions, whatever those are."""
    receipts: dict[Key, Receipt] = field(default_factory=dict)
    outbox: list[Unsent] = field(default_factory=list)
    opened: dict[str, str] = field(default_factory=dict)
    """Currency of each row of the accounts table."""
    flaws: list[str] = field(default_factory=list)
    """Where a row contradicts its body, a sum its fold, or a hash its chain."""
    flaws_count: int = 0
    """Of which `flaws` keeps the first."""

    @property
    def events_count(self) -> int:
        """Counts the events."""
        return sum(map(len, self.accounts.values()))

    def at(self, account_id: str, version: int) -> Event | None:
        """Gives an account's event by its version."""
        events = self.accounts.get(account_id, [])
        if 1 <= version <= len(events) and events[version - 1].version == version:
            return events[version - 1]
        return next((event for event in events if event.version == version), None)


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One record of the events topic; `digest` is the SHA-256 of its value."""

    partition: int
    offset: int
    key: str
    event_id: bytes
    """Of the header; empty when it has none that can be read."""
    version: int
    """Of the header; 0 when it has none that can be read."""
    hash: bytes
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """The events topic from its first record to its end at the time of reading."""

    partitions: int
    """How many it has."""
    records: list[Record]
    """In the order of offsets within each partition."""


OWN_SOURCE = "table"
"""From where a view answers that stands in for nobody."""


class Copy(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One account as a read model has it."""

    amounts: Amounts
    hash: bytes = b""
    """Empty where a read model does not show it."""
    event_id: bytes = b""
    source: str = ""
    """What a view says it answered from."""

    @property
    def is_stand_in(self) -> bool:
        """Tells whether a view answered from elsewhere than the table that it shows."""
        return self.source not in ("", OWN_SOURCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """One read model's accounts, or what is wrong with single ones of them."""

    name: str
    accounts: dict[str, Copy]
    flaws: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """The history in Elasticsearch: how many documents it counts, and their ids."""

    counted: int
    event_ids: frozenset[bytes]
