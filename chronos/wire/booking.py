"""What the ledger and the store hand each other around one command transaction.

The ledger says what an attempt needs (`Needs`); the store locks it, reads it in a new snapshot
(`Found`), asks the ledger for the rows (`Booked`), writes them, commits, and gives each attempt
its receipt. These are the values; neither room knows the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from chronos.domain.account import AccountState
from chronos.domain.commands import Command
from chronos.domain.ids import AccountId, HoldId, TransferId
from chronos.domain.states import HoldState, JournalEntry
from chronos.wire.bounds import EVENT_BYTES
from chronos.wire.receipt import Receipt

KeyName = tuple[str, str]
"""Principal and idempotency key: the name of one attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at a command, as it came in."""

    command: Command
    principal: str
    idempotency_key: str
    request_hash: bytes
    """SHA-256 of the request's meaning; equal for a retry, whatever its white space."""
    request_id: str
    traceparent: str
    instance: str
    """Path of the request."""
    also: tuple[AccountId, ...] = ()
    """Accounts that the command touches without naming them, looked up before: the account of
    a hold, those of a transfer to be reversed. Such facts never change."""
    has_own_key: bool = True
    """False: an item of a batch that the client did not name. It is replayed with its batch, so
    a receipt of its own is kept only for a refusal, which is published from it."""

    @property
    def key(self) -> KeyName:
        """The name of the attempt."""
        return (self.principal, self.idempotency_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAttempt:
    """Several attempts under one key, decided in order in one transaction."""

    items: tuple[Attempt, ...]
    is_atomic: bool
    """True: all are granted, or nothing happens."""
    principal: str
    idempotency_key: str
    request_hash: bytes
    request_id: str
    traceparent: str
    instance: str

    @property
    def key(self) -> KeyName:
        """The name of the attempt."""
        return (self.principal, self.idempotency_key)


AnyAttempt = Attempt | BatchAttempt


# A tuple, not a data class: two are made for every command.
class Needs(NamedTuple):
    """What must be locked and read before an attempt can be decided."""

    accounts: tuple[AccountId, ...]
    events_max: int
    """How many events the command writes at most; as many positions are drawn."""
    event_bytes: int = EVENT_BYTES
    """Bytes of the body of each of them at most, about."""
    transfers: tuple[TransferId, ...] = ()
    """Transfer ids that the command would take."""
    external_ids: tuple[str, ...] = ()
    """External ids that the command would take."""
    holds: tuple[HoldId, ...] = ()
    """Holds that the command would place or end."""
    entries: tuple[TransferId, ...] = ()
    """Journal entries that the command would reverse."""

    def with_accounts(self, also: tuple[AccountId, ...]) -> Needs:
        """Adds the accounts that the command refers to without naming them."""
        if self.entries:
            # A reversal has as many postings as what it reverses; unknown, it is refused.
            return self._replace(accounts=also, events_max=max(1, len(also)))
        return self._replace(accounts=(*also, *self.accounts)) if also else self


# A tuple as well: one for every account of a batch.
class Head(NamedTuple):
    """The newest event of an account, as far as the next one depends on it."""

    state: AccountState
    hash: bytes
    """32 bytes."""
    recorded_at: datetime


# A tuple as well: one for every command.
class StoredReceipt(NamedTuple):
    """A receipt from an earlier transaction."""

    request_hash: bytes
    status: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one snapshot, younger than the locks, showed for a batch of attempts."""

    heads: Mapping[AccountId, Head]
    transfers: frozenset[TransferId]
    external_ids: Mapping[str, AccountId]
    holds: Mapping[HoldId, HoldState]
    entries: Mapping[TransferId, JournalEntry]
    receipts: Mapping[KeyName, StoredReceipt]
    busy_keys: frozenset[KeyName]
    """Keys that another process is working on now."""
    now: datetime
    """PostgreSQL's clock, UTC."""
    positions: tuple[int, ...]
    """Ascending, at least the sum of the attempts' `events_max`; those unused become gaps."""


class EventRow(NamedTuple):
    """One row of `events`, its members in the order of the type `new_event`."""

    position: int
    account_id: str
    version: int
    event_id: str
    type: str
    schema_version: int
    transfer_id: str | None
    leg: int | None
    hold_id: str | None
    reverses_transfer_id: str | None
    expires_at: datetime | None
    currency: str
    amount: int | None
    booked_after: int
    held_after: int
    overdraft_limit_after: int | None
    status_after: int
    principal: str
    value_date: date
    recorded_at: datetime
    hash: bytes
    body: bytes
    open_holds_after: int


class OutboxRow(NamedTuple):
    """One row of the outbox: where a Kafka record goes, and its final bytes."""

    position: int
    shard: int
    partition: int
    topic: str
    key: bytes
    headers: bytes
    value: bytes


class ReceiptRow(NamedTuple):
    """One row of `receipts`."""

    principal: str
    idempotency_key: str
    request_hash: bytes
    status: int
    body: bytes
    position: int
    account_id: str | None
    recorded_at: datetime
    command: str
    """Name of the command's class; "Batch" for a batch."""


class AccountRow(NamedTuple):
    """One row of `accounts`: the identity of an account, inserted once."""

    account_id: str
    currency: str
    kind: str
    external_id: str | None
    opened_at: datetime
    opened_on: date | None
    """None: the booking date of `opened_at`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """What a batch or a part of one writes, and the receipts of its attempts in order."""

    receipts: tuple[Receipt, ...]
    event_rows: tuple[EventRow, ...]
    outbox_rows: tuple[OutboxRow, ...]
    receipt_rows: tuple[ReceiptRow, ...]
    account_rows: tuple[AccountRow, ...]
    is_last: bool = True
    """False for a part that others follow."""

    @classmethod
    def whole(cls, parts: Sequence[Booked]) -> Booked:
        """Puts the parts of a batch together again."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            receipts=tuple(one for part in parts for one in part.receipts),
            event_rows=tuple(row for part in parts for row in part.event_rows),
            outbox_rows=tuple(row for part in parts for row in part.outbox_rows),
            receipt_rows=tuple(row for part in parts for row in part.receipt_rows),
            account_rows=tuple(row for part in parts for row in part.account_rows),
        )
