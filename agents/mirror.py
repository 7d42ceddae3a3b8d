"""Events and balances -> Elasticsearch: two agents of the mirror worker, one index each.

`mirror-entries` takes the events topic and creates one document per event. `mirror-accounts`
takes the changelog of the table `balances` and writes the newest balance of each account, by
its version.

Phases of one batch: every record is read; the documents go out in bulk and each one's answer is
read; only then is the batch acknowledged. A batch that comes again finds its documents there.
While Elasticsearch is away the batch is sent again, for as long as it takes, and nothing else
waits for this worker. A document that Elasticsearch can never take stops the worker, exit code
70: going past it would leave a hole that nobody sees.

Bounds: a batch by `batch_events_max`, a request by `chronos.mirror.bulk`; one batch of each
agent is under way at a time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec
from mode import CrashingSupervisor

from chronos.clock import Clock
from chronos.errors import InvariantBroken
from chronos.mirror.bulk import BulkOutcome
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.entries import Entry
from chronos.stream.app import ChronosApp
from chronos.stream.consume import Consumption, Taken, consume
from chronos.telemetry.balances_metrics import COMMIT_TO_TABLE_SECONDS
from chronos.telemetry.mirror_metrics import MIRROR_BULK_SECONDS, MIRROR_DOCUMENTS
from chronos.wire.balance import Balance, decode_balance
from chronos.wire.record import RecordHead, read_head

ENTRIES_NAME = "mirror-entries"
ACCOUNTS_NAME = "mirror-accounts"


class StoredEvent(Protocol):
    """One row of the journal."""

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

    async def event_at(self, account_id: str, version: int) -> StoredEvent | None:
        """Reads one event, or None where there is none."""
        ...


def register(
    app: ChronosApp, mirror: ElasticsearchMirror, *, journal: Journal, clock: Clock
) -> None:
    """Adds both agents to the app of the mirror worker.

    Args:
        app: The Faust app; it must not run yet.
        mirror: Elasticsearch; whoever made it closes it.
        journal: Where an event whose bytes cannot be read is read again.
        clock: Tells the age of what is mirrored.
    """
    indices = Indices(mirror)
    entries = EntriesAgent(indices, journal=journal, clock=clock)
    accounts = AccountsAgent(indices, clock=clock)
    bounds: dict[str, Any] = {
        "batch_events_max": app.settings.batch_events_max,
        "batch_wait_s": app.settings.batch_wait_ms / 1000,
    }
    _add_agent(
        app,
        app.names.events,
        Consumption(
            agent=ENTRIES_NAME,
            is_ours=is_event,
            decode=entries.decode,
            repair=entries.repair,
            step=entries.step,
            **bounds,
        ),
    )
    _add_agent(
        app,
        app.names.balances_changelog,
        Consumption(
            agent=ACCOUNTS_NAME,
            is_ours=has_key,
            decode=accounts.decode,
            repair=accounts.repair,
            step=accounts.step,
            **bounds,
        ),
    )


class Indices:
    """Both indices, made before the first write if nobody has made them."""

    def __init__(self, mirror: ElasticsearchMirror):
        self._mirror = mirror
        self._are_there = False

    async def write_entries(self, entries: Sequence[Entry]) -> BulkOutcome:
        """Adds the entries that are not there yet."""
        await self._ensure()
        return await self._mirror.entries.write_many(entries)

    async def write_accounts(self, balances: Sequence[Balance]) -> BulkOutcome:
        """Writes the balances that are newer."""
        await self._ensure()
        return await self._mirror.accounts.write_many(balances)

    async def _ensure(self) -> None:
        if not self._are_there:
            await self._mirror.ensure_indices()
            self._are_there = True


class EntriesAgent:
    """Takes batches of event records into the index of entries."""

    def __init__(self, indices: Indices, *, journal: Journal, clock: Clock):
        self._indices = indices
        self._journal = journal
        self._out = _Outcomes("entries", clock)

    def decode(self, event: Any) -> Entry:
        """Reads a record.

        Raises:
            ValueError: Its bytes are not the event that its headers name.
        """
        head = _head(event)
        return _entry(head, event.message.value or b"", head.digest)

    async def repair(self, event: Any, fault: ValueError) -> Entry:
        """Reads the event from the journal.

        Raises:
            InvariantBroken: The journal does not have it, or cannot be read either.
        """
        head = _head(event)
        self._out.count("undecodable", 1)
        stored = await self._journal.event_at(head.account_id, head.version)
        if stored is None:
            raise _contradiction(head, "the journal does not have it") from fault
        try:
            return _entry(head, stored.body, stored.hash)
        except ValueError as error:
            raise _contradiction(head, f"the journal has something else: {error}") from error

    async def step(self, batch: Sequence[Taken[Entry]]) -> None:
        """Adds a batch to the index.

        Raises:
            Unavailable: Elasticsearch did not take it all.
            InvariantBroken: Elasticsearch can never take one of it.
        """
        entries = [taken.item for taken in batch]
        await self._out.send(
            lambda: self._indices.write_entries(entries), entries[-1].recorded_at
        )


class AccountsAgent:
    """Takes batches of the table's changelog into the index of accounts."""

    def __init__(self, indices: Indices, *, clock: Clock):
        self._indices = indices
        self._out = _Outcomes("accounts", clock)

    def decode(self, event: Any) -> Balance | None:
        """Reads a record; None for a tombstone, which says nothing: no account is deleted.

        Raises:
            ValueError: It is not a balance of the account that its key names.
        """
        key, value = event.message.key, event.message.value
        if value is None:
            self._out.count("tombstone", 1)
            return None
        try:
            balance = decode_balance(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(str(error)) from error
        if balance.account_id.encode() != key:
            raise ValueError(f"it is a balance of account {balance.account_id}")
        return balance

    async def repair(self, event: Any, fault: ValueError) -> Balance | None:
        """Stops the worker: the table itself is filled from this topic.

        Raises:
            InvariantBroken: Always.
        """
        account_id = event.message.key.decode(errors="replace")
        raise InvariantBroken(
            f"The changelog of the balances holds something else for account {account_id}: "
            f"{fault}. Run `chronos reconcile`.",
            account_id=account_id,
        ) from fault

    async def step(self, batch: Sequence[Taken[Balance | None]]) -> None:
        """Writes the newest balance of each account in a batch.

        Raises:
            Unavailable: Elasticsearch did not take it all.
            InvariantBroken: Elasticsearch can never take one of it.
        """
        balances = [taken.item for taken in batch if taken.item is not None]
        newest: dict[str, Balance] = {}
        for balance in balances:
            known = newest.get(balance.account_id)
            if known is None or known.version < balance.version:
                newest[balance.account_id] = balance
        if newest:
            await self._out.send(
                lambda: self._indices.write_accounts(list(newest.values())),
                datetime.fromisoformat(balances[-1].recorded_at),
            )
            self._out.count("superseded", len(balances) - len(newest))


def is_event(event: Any) -> bool:
    """Tells our events from foreign records by key and headers."""
    return read_head(event.message.key, event.message.headers) is not None


def has_key(event: Any) -> bool:
    """Tells a table's changelog record from a foreign one."""
    return bool(event.message.key)


class _Outcomes:
    """Counts and times what becomes of the records of one index."""

    def __init__(self, index: str, clock: Clock):
        self._index = index
        self._clock = clock
        self._seconds = MIRROR_BULK_SECONDS.labels(index)
        self._age = COMMIT_TO_TABLE_SECONDS.labels(index)

    async def send(
        self, write: Callable[[], Awaitable[BulkOutcome]], recorded_at: datetime
    ) -> None:
        """Writes once; `recorded_at` is of the newest record in the batch."""
        started_s = self._clock.monotonic_s()
        outcome = await write()
        self.count("applied", outcome.applied)
        self.count("already_applied", outcome.already_applied)
        self._seconds.observe(self._clock.monotonic_s() - started_s)
        age = self._clock.now() - recorded_at
        self._age.observe(max(0.0, age.total_seconds()))

    def count(self, outcome: str, records: int) -> None:
        """Counts records by what became of them."""
        MIRROR_DOCUMENTS.labels(self._index, outcome).inc(records)


def _add_agent(app: ChronosApp, topic: str, how: Consumption[Any]) -> None:
    async def run(stream: Any) -> None:
        await consume(app, stream, how)

    app.agent(
        app.topic(topic, key_type=bytes, value_type=bytes, value_serializer="raw"),
        name=how.agent,
        concurrency=1,
        supervisor_strategy=CrashingSupervisor,
    )(run)


def _head(event: Any) -> RecordHead:
    head = read_head(event.message.key, event.message.headers)
    assert head is not None  # noqa: S101  `is_event` let it through
    return head


class _Name(msgspec.Struct):
    """The part of an event that says which one it is; the index's mapping judges the rest."""

    account_id: str
    version: int
    event_id: str
    recorded_at: datetime


_name_decoder = msgspec.json.Decoder(_Name)


def _entry(head: RecordHead, body: bytes, digest: bytes) -> Entry:
    try:
        name = _name_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    found = (name.account_id, name.version, name.event_id)
    if found != (head.account_id, head.version, head.event_id):
        raise ValueError(f"it is version {name.version} of account {name.account_id}")
    return Entry(
        event_id=head.event_id,
        account_id=head.account_id,
        version=head.version,
        recorded_at=name.recorded_at,
        body=body,
        digest=digest,
    )


def _contradiction(head: RecordHead, why: str) -> InvariantBroken:
    return InvariantBroken(
        f"Account {head.account_id}, version {head.version}: Kafka's record of event "
        f"{head.event_id} holds something else, and {why}. Run `chronos reconcile`.",
        account_id=head.account_id,
        version=head.version,
    )
