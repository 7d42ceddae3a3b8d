"""Booking: each attempt decided on the states that the ones before it left.

Pure but for the identifiers, which come from an `IdSource`. Runs between the reads and the
insert of one command transaction, while its locks are held: so no I/O, and no long work.

A batch is several attempts under one key. Its items are decided in turn like any others; an
atomic batch with one refusal leaves nothing but its own receipt.

What a long transaction writes comes in parts, so that PostgreSQL inserts one while the next is
decided: half of the time between its locks and its commit is ours, half PostgreSQL's.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from chronos.clock import IdSource
from chronos.domain.account import AccountState
from chronos.domain.commands import CaptureHold, ReverseTransfer, TransferFunds
from chronos.domain.decide import decide
from chronos.domain.events import AccountOpened, Event
from chronos.domain.evolve import evolve
from chronos.domain.ids import AccountId, EventId
from chronos.domain.rejections import Rejected
from chronos.domain.states import States
from chronos.ledger.needs import needs_of
from chronos.ledger.page import Page
from chronos.ledger.rows import account_row, event_row
from chronos.wire.booking import (
    AnyAttempt,
    Attempt,
    BatchAttempt,
    Booked,
    EventRow,
    Found,
    OutboxRow,
    ReceiptRow,
    StoredReceipt,
)
from chronos.wire.codec import Recorded, encode_event, event_hash
from chronos.wire.headers import Headers, encode_headers, event_headers
from chronos.wire.receipt import (
    Receipt,
    accepted_receipt,
    batch_receipt,
    batch_rejected_receipt,
    problem_receipt,
    rejected_receipt,
    replayed_receipt,
)
from chronos.wire.rejection import rejection_record
from chronos.wire.topics import Names, partition_of, shard_of

REFUSED = 400
"""Receipts from this status on are refusals."""
BATCH = "Batch"
PART_EVENTS = 100
"""Events of a part at least, but for the last; smaller ones cost PostgreSQL more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookkeeper:
    """Turns attempts and what was found for them into rows and receipts."""

    ids: IdSource
    names: Names
    partitions: int
    shards: int
    zone: ZoneInfo
    """Its calendar gives the booking date."""
    part_events: int = PART_EVENTS

    def book(self, attempts: Sequence[AnyAttempt], found: Found) -> Booked:
        """Decides each attempt in order and gives what the transaction writes.

        A key that was used before, in the journal or earlier in the transaction, is answered
        with its receipt if the request means the same, and refused otherwise; neither writes a
        row.

        Raises:
            IndexError: The store drew fewer positions than the attempts need.
        """
        return Booked.whole([*self.book_in_parts(attempts, found)])

    def book_in_parts(self, attempts: Sequence[AnyAttempt], found: Found) -> Iterator[Booked]:
        """Does as `book` does, piece by piece: each part is decided when it is asked for.

        A part holds whole commands: all postings of an entry are in one. A batch that may be
        undone is in one too. Only the last part is marked as such, and there always is one.
        """
        booking = _Booking(self, Page.of(found, self.zone), _reverses(attempts))
        page = booking.page
        receipts: list[Receipt] = []
        for left, attempt in zip(range(len(attempts) - 1, -1, -1), attempts, strict=True):
            if isinstance(attempt, Attempt):
                receipts.append(booking.receipt_for(attempt))
            else:
                receipts.append((yield from booking.batch(attempt)))
            if left and len(page.written.events) >= self.part_events:
                yield page.cut(receipts)
                receipts = []
        yield page.cut(receipts, is_last=True)


@dataclass(frozen=True, slots=True)
class _Booking:
    """One command transaction while it is decided."""

    keeper: Bookkeeper
    page: Page
    reverses: bool
    """Whether any of its commands is a reversal, which looks at entries."""

    def receipt_for(self, attempt: Attempt) -> Receipt:
        """Answers one attempt: replay, conflict of keys, or a decision."""
        stored = self.page.known.receipts.get(attempt.key)
        if stored is not None:
            return _replay_or_conflict(attempt, stored)
        if attempt.key in self.page.found.busy_keys:
            return _in_progress(attempt)
        return self._decided(attempt)

    def batch(self, batch: BatchAttempt) -> Generator[Booked, None, Receipt]:
        """Answers a batch, and gives its parts meanwhile."""
        stored = self.page.known.receipts.get(batch.key)
        if stored is not None:
            return _replay_or_conflict(batch, stored)
        busy = self.page.found.busy_keys
        if busy and not busy.isdisjoint((batch.key, *(item.key for item in batch.items))):
            return _in_progress(batch)
        mark = self.page.mark() if batch.is_atomic else None
        first_row = len(self.page.written.events)
        receipts: list[Receipt] = []
        changed: list[EventRow] = []
        for index, item in enumerate(batch.items):
            receipt = self.receipt_for(item)
            receipts.append(receipt)
            rows = self.page.written.events
            if mark is not None:
                if receipt.status >= REFUSED:
                    self.page.go_back(mark)
                    return self._rejected_batch(batch, receipt, index)
            elif len(rows) >= self.keeper.part_events and item is not batch.items[-1]:
                changed += rows[first_row:]
                first_row = 0
                yield self.page.cut()
        changed += self.page.written.events[first_row:]
        return self._accepted_batch(batch, receipts, changed)

    def _accepted_batch(
        self, batch: BatchAttempt, receipts: Sequence[Receipt], changed: Sequence[EventRow]
    ) -> Receipt:
        states = self.page.known.states
        position = self.page.next_position()
        receipt = batch_receipt(
            receipts,
            is_atomic=batch.is_atomic,
            position=changed[-1].position if changed else position,
            accounts={
                AccountId(row.account_id): states[AccountId(row.account_id)] for row in changed
            },
        )
        self._keep_receipt(batch, receipt, position=position, account_id=None, command=BATCH)
        return receipt

    def _rejected_batch(self, batch: BatchAttempt, refused: Receipt, index: int) -> Receipt:
        receipt = batch_rejected_receipt(
            refused, index, instance=batch.instance, request_id=batch.request_id
        )
        account_id = _first_account(batch.items[index])
        position = self.page.next_position()
        self._keep_receipt(
            batch, receipt, position=position, account_id=account_id, command=BATCH
        )
        return receipt

    def _decided(self, attempt: Attempt) -> Receipt:
        command = attempt.command
        seen = self.page.seen
        if self.reverses and isinstance(command, ReverseTransfer):
            seen = _as_looked_up(seen, command, attempt.also)
        outcome = decide(seen, command)
        if isinstance(outcome, Rejected):
            receipt = rejected_receipt(
                outcome, instance=attempt.instance, request_id=attempt.request_id
            )
            position = self.page.next_position()
        else:
            recorded = [self._record(attempt, event) for event in outcome.events]
            if self.reverses:
                self.page.note_entry(recorded)
            receipt = accepted_receipt(command, recorded, self.page.known.states)
            if not attempt.has_own_key:
                return receipt
            position = recorded[-1].position
        self._keep_receipt(
            attempt,
            receipt,
            position=position,
            account_id=_first_account(attempt),
            command=type(command).__name__,
        )
        return receipt

    def _record(self, attempt: Attempt, event: Event) -> Recorded:
        page = self.page
        recorded = Recorded(
            event=event,
            event_id=EventId(self.keeper.ids.event_id()),
            position=page.next_position(),
            recorded_at=page.recorded_at,
            principal=attempt.principal,
            correlation_id=attempt.request_id,
            causation_id=attempt.idempotency_key,
        )
        account_id = event.account_id
        body = encode_event(recorded)
        digest = event_hash(page.known.hashes.get(account_id), body)
        state: AccountState = evolve(page.known.states.get(account_id), event)
        page.note(event, state, digest)
        page.written.events.append(event_row(recorded, state, digest, body))
        headers = event_headers(recorded, digest, attempt.traceparent)
        self._publish(self.keeper.names.events, account_id, recorded.position, headers, body)
        if isinstance(event, AccountOpened):
            page.written.accounts.append(account_row(event, page.recorded_at))
        return recorded

    def _publish(
        self, topic: str, account_id: str, position: int, headers: Headers, value: bytes
    ) -> None:
        keeper = self.keeper
        key = account_id.encode()
        partition = partition_of(key, keeper.partitions)
        self.page.written.outbox.append(
            OutboxRow(
                position,
                shard_of(partition, keeper.shards),
                partition,
                topic,
                key,
                encode_headers(headers),
                value,
            )
        )

    def _keep_receipt(
        self,
        attempt: AnyAttempt,
        receipt: Receipt,
        *,
        position: int,
        account_id: AccountId | None,
        command: str,
    ) -> None:
        page = self.page
        page.known.receipts[attempt.key] = StoredReceipt(
            request_hash=attempt.request_hash, status=receipt.status, body=receipt.body
        )
        row = ReceiptRow(
            attempt.principal,
            attempt.idempotency_key,
            attempt.request_hash,
            receipt.status,
            receipt.body,
            position,
            account_id,
            page.recorded_at,
            command,
        )
        page.written.receipts.append(row)
        if receipt.status >= REFUSED and account_id in page.known.states:
            headers, value = rejection_record(row, account_id)
            headers.append(("traceparent", attempt.traceparent.encode()))
            topic = self.keeper.names.rejections
            self._publish(topic, account_id, position, headers, value)


def _as_looked_up(seen: States, command: ReverseTransfer, also: Sequence[AccountId]) -> States:
    """Hides an entry that was booked after the look-up: no positions were drawn for it."""
    original = seen.entries.get(command.reverses)
    if original is None or {one.account_id for one in original.postings}.issubset(also):
        return seen
    return replace(seen, entries={})


def _first_account(attempt: Attempt) -> AccountId | None:
    """Gives the account that a command is about: a refusal is published under it."""
    if isinstance(attempt.command, TransferFunds):  # the most frequent by far, so told at once
        return attempt.command.source
    if attempt.also:
        return attempt.also[0]
    if isinstance(attempt.command, CaptureHold):
        return None  # of an unknown hold: it is not the destination's to refuse
    accounts = needs_of(attempt.command).accounts
    return accounts[0] if accounts else None


def _reverses(attempts: Sequence[AnyAttempt]) -> bool:
    for attempt in attempts:
        items = (attempt,) if isinstance(attempt, Attempt) else attempt.items
        if any(isinstance(item.command, ReverseTransfer) for item in items):
            return True
    return False


def _in_progress(attempt: AnyAttempt) -> Receipt:
    return problem_receipt(
        "idempotency_in_progress",
        "The first request with this Idempotency-Key is not finished; repeat this one.",
        instance=attempt.instance,
        request_id=attempt.request_id,
        retry_after_s=1,
    )


def _replay_or_conflict(attempt: AnyAttempt, stored: StoredReceipt) -> Receipt:
    if stored.request_hash == attempt.request_hash:
        return replayed_receipt(stored.status, stored.body)
    return problem_receipt(
        "idempotency_key_reused",
        f"Idempotency-Key {attempt.idempotency_key} was used for another request; "
        "choose a new key for a new intention.",
        instance=attempt.instance,
        request_id=attempt.request_id,
    )
