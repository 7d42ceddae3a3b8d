"""Events -> the table `balances` -> Redis.

Phases of one batch:

1. Each record is read: ours or not, which account and version, by its headers alone.
2. Against the account as the table and this batch know it: an older version is skipped, the
   next one is folded, a later one first has the missing events read from the journal, and bytes
   that cannot be read are read again from the journal. Nothing is written yet.
3. One table write per changed account. Waiting readers wake, Redis is handed the same values.
4. Kafka acknowledges every changelog record. Only then are the pages acknowledged.

A crash between any two awaits delivers the batch again, and versions make that harmless. A
value that is written but lost on its way to the changelog is written again when its event comes
again. What contradicts itself (a fold unlike the stored after-values, a broken hash chain, one
version with two contents) raises `InvariantBroken` with nothing written: the worker stops, exit
code 70.

Bounds: a batch is bounded by `batch_events_max`, a page of missing events by the journal. When
the journal does not answer the batch is begun again, for as long as it takes, and stays
unacknowledged meanwhile. Redis is never waited for.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import mode
import structlog

from chronos.clock import Clock
from chronos.crash_points import CrashPoint, pass_point
from chronos.errors import InvariantBroken, Unavailable
from chronos.stream.app import ChronosApp
from chronos.stream.consume import Consumption, Foreign, Taken, consume, until_answered
from chronos.stream.pages import Record
from chronos.stream.sleep_guard import SleepGuard
from chronos.telemetry.balances_metrics import (
    BALANCE_BATCH_SECONDS,
    BALANCE_CHANGELOG_RETRIES,
    BALANCE_EVENTS,
    BALANCE_TABLE_WRITES,
    COMMIT_TO_TABLE_SECONDS,
    GAPS_REPAIRED,
)
from chronos.telemetry.spans import current
from chronos.wire.balance import Balance
from chronos.wire.codec import UnreadableEvent, decode_shape
from chronos.wire.event_shapes import EventShape
from chronos.wire.headers import TRACEPARENT, encode_headers, sampled_in
from chronos.wire.record import RecordHead, read_head
from tables.balances import BalancesTable, Batch, ChangelogRecord

Patience = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]

NAME = "balances"
_SLEEP_SHARE_MAX = 0.8
"""Share of the session's time that a process may sleep before it stops writing."""

log = structlog.get_logger("agents.balances")

_applied = BALANCE_EVENTS.labels("applied")
_duplicates = BALANCE_EVENTS.labels("duplicate")
_repaired = BALANCE_EVENTS.labels("repaired")
_undecodable = BALANCE_EVENTS.labels("undecodable")
_table_age = COMMIT_TO_TABLE_SECONDS.labels("table")


class StoredEvent(Protocol):
    """One row of the journal."""

    @property
    def version(self) -> int:
        """The account's version after it."""
        ...

    @property
    def hash(self) -> bytes:
        """32 bytes."""
        ...

    @property
    def body(self) -> bytes:
        """The stored bytes."""
        ...


class Journal(Protocol):
    """Reads events where they were committed; `chronos.store` has the real one."""

    async def events_of(self, account_id: str, after_version: int) -> Sequence[StoredEvent]:
        """Reads an account's next events in order, a page of them; none after the last."""
        ...

    async def event_at(self, account_id: str, version: int) -> StoredEvent | None:
        """Reads one event, or None where there is none."""
        ...


class Copy(Protocol):
    """Takes balances to Redis without ever waiting; `RedisFollower` is the real one."""

    def put(self, balances: Iterable[Balance]) -> None:
        """Takes the newest balances."""
        ...

    def refill(self, cause: str) -> None:
        """Asks for everything kept here to be written again."""
        ...

    def raise_if_broken(self) -> None:
        """Raises what ended its task."""
        ...


@dataclass(slots=True)
class Tally:
    """Counts what became of the events of one batch; counted once, when the batch is done."""

    applied: int = 0
    duplicates: int = 0
    repaired: int = 0
    undecodable: int = 0
    gaps: int = 0

    def count(self) -> None:
        """Adds the counts to the metrics."""
        _applied.inc(self.applied)
        _duplicates.inc(self.duplicates)
        _repaired.inc(self.repaired)
        _undecodable.inc(self.undecodable)
        GAPS_REPAIRED.inc(self.gaps)


class BalancesAgent:
    """Takes batches of event records into the table.

    Args:
        table: Where balances are kept.
        patiently: Does what it is given again and again while Kafka does not answer.
        journal: Where missing and unreadable events are read again.
        copy: Takes the same values to Redis.
        clock: Tells the age of events.
        guard: Stops a write by a process that slept through its session.
    """

    def __init__(
        self,
        table: BalancesTable,
        *,
        patiently: Patience,
        journal: Journal,
        copy: Copy,
        clock: Clock,
        guard: SleepGuard,
    ):
        self._table = table
        self._patiently = patiently
        self._journal = journal
        self._copy = copy
        self._clock = clock
        self._guard = guard

    async def take(self, batch: Sequence[Taken[RecordHead]]) -> None:
        """Applies a batch; returns when it may be acknowledged.

        Raises:
            InvariantBroken: The records, the table and the journal contradict each other.
            Unavailable: The journal was needed and is away; the batch may be taken again.
            Slept: This process may have lost its partitions; nothing was written.
        """
        self._copy.raise_if_broken()
        started_s = self._clock.monotonic_s()
        folded = Batch(self._table)
        tally = Tally()
        for taken in batch:
            await self._take_one(folded, tally, taken.record, taken.item)
        await self._write(folded, batch)
        tally.count()
        BALANCE_BATCH_SECONDS.observe(self._clock.monotonic_s() - started_s)

    async def unreadable(self, record: Record, error: ValueError) -> RecordHead:
        """Never gets to work: whose head cannot be read counts as foreign."""
        raise InvariantBroken(f"A record of ours has no head: {record}.") from error

    async def _take_one(
        self, folded: Batch, tally: Tally, record: Record, head: RecordHead
    ) -> None:
        partition = record.partition
        known = folded.balance(head.account_id.encode(), partition)
        if head.version > _version(known) + 1:
            known = await self._repair(folded, tally, partition, head)
        if known is not None and head.version <= known.version:
            tally.duplicates += 1
            _skip(folded, partition, head, known)
            return
        body, digest = record.value or b"", head.digest
        shape = _decoded(body, head.account_id)
        if shape is None:
            stored = await self._stored(head)
            body, digest = stored.body, stored.hash
            shape = _readable(stored, head.account_id)
            tally.undecodable += 1
        folded.apply(partition, shape, body, digest)
        tally.applied += 1

    async def _repair(
        self, folded: Batch, tally: Tally, partition: int, head: RecordHead
    ) -> Balance | None:
        known = folded.balance(head.account_id.encode(), partition)
        log.warning(
            "gap_in_versions",
            known=_version(known),
            found=head.version,
            event_id=head.event_id,
            partition=partition,
        )
        tally.gaps += 1
        while _version(known) < head.version:
            page = await self._journal.events_of(head.account_id, _version(known))
            if not page:
                raise _absent(head)
            for stored in page:
                shape = _readable(stored, head.account_id)
                known = folded.apply(partition, shape, stored.body, stored.hash)
                tally.repaired += 1
        return known

    async def _stored(self, head: RecordHead) -> StoredEvent:
        log.warning("record_unreadable", version=head.version, event_id=head.event_id)
        stored = await self._journal.event_at(head.account_id, head.version)
        if stored is None:
            raise _absent(head)
        return stored

    async def _write(self, folded: Batch, batch: Sequence[Taken[RecordHead]]) -> None:
        self._guard.check()
        changed = folded.writes
        if not changed:
            return
        records = self._table.write(changed)
        if current():
            records = _traced(records, batch)
        balances = [balance for _, balance in changed]
        BALANCE_TABLE_WRITES.inc(len(balances))
        self._copy.put(balances)
        self._observe_ages(balances)
        pass_point(CrashPoint.AFTER_TABLE_WRITE)
        await self._patiently(lambda: self._keep(records))
        pass_point(CrashPoint.AFTER_CHANGELOG_ACK)

    async def _keep(self, records: Sequence[ChangelogRecord]) -> None:
        # Without it the table would be right here, and old after a move.
        try:
            await self._table.keep(records)
        except Unavailable:
            BALANCE_CHANGELOG_RETRIES.inc()
            raise

    def _observe_ages(self, balances: Sequence[Balance]) -> None:
        now = self._clock.now()
        for balance in balances:
            age = now - datetime.fromisoformat(balance.recorded_at)
            _table_age.observe(max(0.0, age.total_seconds()))


def register(
    app: ChronosApp, table: BalancesTable, *, journal: Journal, copy: Copy, clock: Clock
) -> Any:
    """Registers the agent, and the filling of Redis after each assignment, with the app."""
    longest_s = app.conf.broker_session_timeout * _SLEEP_SHARE_MAX
    guard = SleepGuard(clock, longest_s=longest_s, end=app.crash)
    app.add_resource(guard)
    app.add_resource(table)
    agent = BalancesAgent(
        table,
        patiently=lambda work: until_answered(app, NAME, work),
        journal=journal,
        copy=copy,
        clock=clock,
        guard=guard,
    )
    settings = app.settings
    how = Consumption(
        agent=NAME,
        decode=head_of,
        repair=agent.unreadable,
        step=agent.take,
        batch_events_max=settings.batch_events_max,
        batch_wait_s=settings.batch_wait_ms / 1000,
    )
    topic = app.source_topic(
        app.names.events, batch_wait_s=how.batch_wait_s, partitions=settings.partitions
    )

    async def balances(stream: AsyncIterable[bytes]) -> None:
        await consume(app, stream, how)

    async def fill_redis(*_: Any, **__: Any) -> None:
        copy.refill("assignment")

    app.on_rebalance_complete.connect(fill_redis)
    return app.agent(
        topic, name=NAME, concurrency=1, supervisor_strategy=mode.CrashingSupervisor
    )(balances)


def _traced(
    records: Sequence[ChangelogRecord], batch: Sequence[Taken[RecordHead]]
) -> list[ChangelogRecord]:
    """Has the changelog carry the traces on, to whoever mirrors the accounts."""
    traces = {
        taken.record.key: found
        for taken in batch
        if (found := sampled_in(taken.record.headers))
    }
    return [
        record._replace(headers=encode_headers([(TRACEPARENT, traces[record.key].encode())]))
        if record.key in traces
        else record
        for record in records
    ]


def _skip(folded: Batch, partition: int, head: RecordHead, known: Balance) -> None:
    if head.version < known.version:
        return
    if head.digest.hex() != known.hash or head.event_id != known.event_id:
        raise InvariantBroken(
            f"Account {head.account_id}, version {head.version}: Kafka has event "
            f"{head.event_id}, the table has {known.event_id} at the same version. Was "
            "PostgreSQL restored behind Kafka? Then run `chronos rebuild all`; else look with "
            "`chronos reconcile`.",
            account_id=head.account_id,
            version=head.version,
        )
    # Delivered again: it was not acknowledged, so the changelog may lack this value.
    folded.write_again(partition, known)


def head_of(record: Record) -> RecordHead:
    """Reads the head of an event's record.

    Raises:
        Foreign: It has no key, or no readable CloudEvents headers.
    """
    head = read_head(record.key, record.headers)
    if head is None:
        raise Foreign
    return head


def _version(balance: Balance | None) -> int:
    return 0 if balance is None else balance.version


def _decoded(body: bytes, account_id: str) -> EventShape | None:
    try:
        shape = decode_shape(body)
    except UnreadableEvent:
        return None
    return shape if shape.account_id == account_id else None


def _readable(stored: StoredEvent, account_id: str) -> EventShape:
    shape = _decoded(stored.body, account_id)
    if shape is None:
        raise InvariantBroken(
            f"Account {account_id}, version {stored.version}: the journal's own bytes cannot "
            "be read. Run `chronos verify`.",
            account_id=account_id,
            version=stored.version,
        )
    return shape


def _absent(head: RecordHead) -> InvariantBroken:
    return InvariantBroken(
        f"Account {head.account_id}, version {head.version}: Kafka has event {head.event_id}, "
        "the journal has none. Was PostgreSQL restored behind Kafka? Then run "
        "`chronos rebuild all`; else look with `chronos reconcile`.",
        account_id=head.account_id,
        version=head.version,
    )
