"""Booking a batch: each attempt decided on the states that the ones before it left.

Pure but for the identifiers, which come from an `IdSource`. Runs between the reads and the
insert of one command transaction, while its locks are held: so no I/O, and no long work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from chronos.clock import IdSource
from chronos.domain.account import AccountState
from chronos.domain.decide import decide
from chronos.domain.events import AccountOpened, Event, MoneyMoved
from chronos.domain.evolve import evolve
from chronos.domain.ids import AccountId, EventId, TransferId
from chronos.domain.rejections import Rejected
from chronos.domain.states import States
from chronos.ledger.needs import needs_of
from chronos.wire.booking import (
    AccountRow,
    Attempt,
    Booked,
    EventRow,
    Found,
    KeyName,
    OutboxRow,
    ReceiptRow,
    StoredReceipt,
)
from chronos.wire.codec import SCHEMA_VERSION, Recorded, encode_event, event_hash
from chronos.wire.headers import encode_headers, event_headers
from chronos.wire.receipt import (
    Receipt,
    accepted_receipt,
    problem_receipt,
    rejected_receipt,
    replayed_receipt,
)
from chronos.wire.topics import Names, partition_of, shard_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookkeeper:
    """Turns attempts and what was found for them into rows and receipts."""

    ids: IdSource
    names: Names
    partitions: int
    shards: int
    zone: ZoneInfo
    """Its calendar gives the booking date."""

    def book(self, attempts: Sequence[Attempt], found: Found) -> Booked:
        """Decides each attempt in order and gives what the batch writes.

        A key that was used before, in the journal or earlier in the batch, is answered with its
        receipt if the request means the same, and refused otherwise; neither writes a row.

        Raises:
            IndexError: The store drew fewer positions than the attempts need.
        """
        page = _Page.of(self, found)
        receipts = tuple(page.receipt_for(attempt) for attempt in attempts)
        return Booked(
            receipts=receipts,
            event_rows=tuple(page.event_rows),
            outbox_rows=tuple(page.outbox_rows),
            receipt_rows=tuple(page.receipt_rows),
            account_rows=tuple(page.account_rows),
        )


@dataclass(slots=True, kw_only=True)
class _Page:
    """The states as they change while a batch is decided, and the rows written so far."""

    keeper: Bookkeeper
    found: Found
    recorded_at: datetime
    states: dict[AccountId, AccountState]
    hashes: dict[AccountId, bytes]
    transfers: set[TransferId]
    external_ids: dict[str, AccountId]
    receipts: dict[KeyName, StoredReceipt]
    world: States
    """What decisions see: the three mappings above, as they are at that moment."""
    positions_used: int = 0
    event_rows: list[EventRow] = field(default_factory=list)
    outbox_rows: list[OutboxRow] = field(default_factory=list)
    receipt_rows: list[ReceiptRow] = field(default_factory=list)
    account_rows: list[AccountRow] = field(default_factory=list)

    @classmethod
    def of(cls, keeper: Bookkeeper, found: Found) -> _Page:
        """Starts from what was found.

        One instant for the whole batch: PostgreSQL's clock, or the newest head's if that clock
        went back, so that time never goes back for an account and both postings agree.
        """
        newest = max((head.recorded_at for head in found.heads.values()), default=found.now)
        recorded_at = max(found.now, newest).astimezone(UTC)
        states = {account: head.state for account, head in found.heads.items()}
        transfers, external_ids = set(found.transfers), dict(found.external_ids)
        return cls(
            keeper=keeper,
            found=found,
            recorded_at=recorded_at,
            states=states,
            hashes={account: head.hash for account, head in found.heads.items()},
            transfers=transfers,
            external_ids=external_ids,
            receipts=dict(found.receipts),
            world=States(
                accounts=states,
                transfers=transfers,
                external_ids=external_ids,
                booking_date=recorded_at.astimezone(keeper.zone).date(),
            ),
        )

    def receipt_for(self, attempt: Attempt) -> Receipt:
        """Answers one attempt: replay, conflict of keys, or a decision."""
        stored = self.receipts.get(attempt.key)
        if stored is not None:
            return _replay_or_conflict(attempt, stored)
        if attempt.key in self.found.busy_keys:
            return problem_receipt(
                "idempotency_in_progress",
                "The first request with this Idempotency-Key is not finished; repeat this one.",
                instance=attempt.instance,
                request_id=attempt.request_id,
                retry_after_s=1,
            )
        return self._decided(attempt)

    def _decided(self, attempt: Attempt) -> Receipt:
        outcome = decide(self.world, attempt.command)
        if isinstance(outcome, Rejected):
            receipt = rejected_receipt(
                outcome, instance=attempt.instance, request_id=attempt.request_id
            )
            self._keep_receipt(attempt, receipt, self._next_position())
            return receipt
        recorded = [self._record(attempt, event) for event in outcome.events]
        receipt = accepted_receipt(attempt.command, recorded, self.states)
        self._keep_receipt(attempt, receipt, recorded[-1].position)
        return receipt

    def _record(self, attempt: Attempt, event: Event) -> Recorded:
        recorded = Recorded(
            event=event,
            event_id=EventId(self.keeper.ids.event_id()),
            position=self._next_position(),
            recorded_at=self.recorded_at,
            principal=attempt.principal,
            correlation_id=attempt.request_id,
            causation_id=attempt.idempotency_key,
        )
        account_id = event.account_id
        body = encode_event(recorded)
        digest = event_hash(self.hashes.get(account_id), body)
        state = evolve(self.states.get(account_id), event)
        self.states[account_id] = state
        self.hashes[account_id] = digest
        self.event_rows.append(_event_row(recorded, state, digest, body))
        self.outbox_rows.append(self._outbox_row(attempt, recorded, digest, body))
        if isinstance(event, AccountOpened):
            self._note_opening(event)
        else:
            self.transfers.add(event.transfer_id)
        return recorded

    def _note_opening(self, event: AccountOpened) -> None:
        if event.external_id is not None:
            self.external_ids[event.external_id] = event.account_id
        self.account_rows.append(
            AccountRow(
                event.account_id,
                event.currency,
                event.kind.value,
                event.external_id,
                self.recorded_at,
            )
        )

    def _outbox_row(
        self, attempt: Attempt, recorded: Recorded, digest: bytes, body: bytes
    ) -> OutboxRow:
        keeper = self.keeper
        key = recorded.event.account_id.encode()
        partition = partition_of(key, keeper.partitions)
        return OutboxRow(
            recorded.position,
            shard_of(partition, keeper.shards),
            partition,
            keeper.names.events,
            key,
            encode_headers(event_headers(recorded, digest, attempt.traceparent)),
            body,
        )

    def _keep_receipt(self, attempt: Attempt, receipt: Receipt, position: int) -> None:
        self.receipts[attempt.key] = StoredReceipt(
            request_hash=attempt.request_hash, status=receipt.status, body=receipt.body
        )
        self.receipt_rows.append(
            ReceiptRow(
                attempt.principal,
                attempt.idempotency_key,
                attempt.request_hash,
                receipt.status,
                receipt.body,
                position,
                needs_of(attempt.command).accounts[0],
                self.recorded_at,
            )
        )

    def _next_position(self) -> int:
        position = self.found.positions[self.positions_used]
        self.positions_used += 1
        return position


def _replay_or_conflict(attempt: Attempt, stored: StoredReceipt) -> Receipt:
    if stored.request_hash == attempt.request_hash:
        return replayed_receipt(stored.status, stored.body)
    return problem_receipt(
        "idempotency_key_reused",
        f"Idempotency-Key {attempt.idempotency_key} was used for another request; "
        "choose a new key for a new intention.",
        instance=attempt.instance,
        request_id=attempt.request_id,
    )


def _event_row(recorded: Recorded, state: AccountState, digest: bytes, body: bytes) -> EventRow:
    event = recorded.event
    money = event if isinstance(event, MoneyMoved) else None
    return EventRow(
        recorded.position,
        event.account_id,
        event.version,
        recorded.event_id,
        type(event).__name__,
        SCHEMA_VERSION,
        None if money is None else money.transfer_id,
        None if money is None else money.leg,
        None,
        None if money is None else money.reverses_transfer_id,
        None,
        event.currency,
        None if money is None else money.amount,
        state.booked,
        state.held,
        state.overdraft_limit,
        int(state.status),
        recorded.principal,
        event.value_date,
        recorded.recorded_at,
        digest,
        body,
    )
