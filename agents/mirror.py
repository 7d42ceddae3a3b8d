"""Events and balances -> Elasticsearch: two agents of the mirror worker, one index each.

`mirror-entries` takes the events topic and creates one document per event. `mirror-accounts`
takes the changelog of the table `balances` and writes the newest balance of each account, by
its version.

Phases of one batch: every record is read; the documents go out in bulk and each one's answer is
read; only then is the batch acknowledged. A batch that comes again finds its documents there.
While Elasticsearch is away the batch is sent again, for as long as it takes, and nothing else
waits for this worker. A document that Elasticsearch can never take stops the worker, exit code
70: going past it would leave a hole that nobody sees.

A new index is filled before anything is added to it (`agents.index_source`).

Bounds: a batch by `Batching`, a request by `chronos.mirror.bulk`.
Of entries two batches of different partitions are under way at once, so that Elasticsearch has
work while the next is decoded; of accounts, of which there is less to write, one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec
from mode import CrashingSupervisor

from agents.index_source import Agent, Source
from chronos.clock import Clock
from chronos.errors import InvariantBroken
from chronos.mirror.accounts import AccountIndex
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.entries import Entry, EntryIndex
from chronos.mirror.entry_gaps import EntryGaps
from chronos.mirror.entry_records import entry_of_account, entry_of_record
from chronos.mirror.outcomes import Outcomes
from chronos.stream.app import ChronosApp
from chronos.stream.consume import Consumption, Foreign, GivenUp, consume, until_answered
from chronos.stream.pages import Readable
from chronos.wire.balance import Balance, decode_balance
from chronos.wire.record import RecordHead, read_head

ENTRIES_NAME = "mirror-entries"
ACCOUNTS_NAME = "mirror-accounts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """How the batches of an agent are cut."""

    wait_s: float
    """Shortest time between two of them that are not half full."""
    factor: int
    """Times `batch_events_max`: as many records at most."""
    at_once: int


# A search shows a document half a second after it was written, and one request for 700
# documents costs little more than one for 150. After two full pages of a partition no more of
# it is fetched before they are written.
ENTRIES_BATCHING = Batching(wait_s=0.25, factor=2, at_once=2)
# Of the changes of a balance in one batch only the newest is written: at 1,200 transfers a
# second among 1,000 accounts that spares Elasticsearch two of five in half a second.
ACCOUNTS_BATCHING = Batching(wait_s=0.5, factor=4, at_once=1)


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

    async def events_of(self, account_id: str, after_version: int) -> Sequence[StoredEvent]:
        """Reads an account's next events in order, a page of them; none after the last."""
        ...


def register(
    app: ChronosApp, mirror: ElasticsearchMirror, *, journal: Journal, clock: Clock
) -> None:
    """Adds both agents to the app of the mirror worker.

    Args:
        app: The Faust app; it must not run yet.
        mirror: Elasticsearch; whoever made it closes it.
        journal: Where events are read that the topic left out or whose bytes cannot be read.
        clock: Tells the age of what is mirrored.
    """
    entries = EntriesAgent(
        mirror.entries,
        journal=journal,
        clock=clock,
        tell=lambda: app.liveness.did_something(ENTRIES_NAME),
    )
    accounts = AccountsAgent(mirror.accounts, clock=clock)
    names = app.names
    events = Source(app, mirror, names.entries_alias, names.events)
    balances = Source(app, mirror, names.accounts_alias, names.balances_changelog)
    _add_agent(app, entries, events, ENTRIES_BATCHING)
    _add_agent(app, accounts, balances, ACCOUNTS_BATCHING)


class EntriesAgent:
    """Takes batches of event records into the index of entries; `tell`s of other progress."""

    name = ENTRIES_NAME

    def __init__(
        self, index: EntryIndex, *, journal: Journal, clock: Clock, tell: Callable[[], None]
    ):
        self._index = index
        self._journal = journal
        self._gaps = EntryGaps(index, self._events_of, tell=tell)
        self._out = Outcomes("entries", clock)

    def decode(self, record: Readable) -> Entry:
        """Reads a record.

        Raises:
            Foreign: Key and headers are not those of an event.
            ValueError: Its bytes are not the event that its headers name.
        """
        head = _head(record)
        return entry_of_record(head, record.value or b"", head.digest)

    async def repair(self, record: Readable, fault: ValueError) -> Entry:
        """Reads the event from the journal.

        Raises:
            InvariantBroken: The journal does not have it, or cannot be read either.
        """
        head = _head(record)
        self._out.count("undecodable", 1)
        stored = await self._journal.event_at(head.account_id, head.version)
        if stored is None:
            raise _contradiction(head, "the journal does not have it") from fault
        try:
            return entry_of_record(head, stored.body, stored.hash)
        except ValueError as error:
            raise _contradiction(head, f"the journal has something else: {error}") from error

    async def write(self, items: Sequence[Entry]) -> None:
        """Adds a batch to the index.

        Raises:
            Unavailable: Elasticsearch did not take it all.
            InvariantBroken: Elasticsearch can never take one of it.
        """
        whole = await self._gaps.fill(items)
        await self._out.send(lambda: self._index.write_many(items), items[-1].recorded_at)
        self._gaps.note(whole)

    def forget(self) -> None:
        """Remembers nothing of the index: it is a new one."""
        self._gaps.forget()

    async def _events_of(self, account_id: str, after_version: int) -> Sequence[Entry]:
        stored = await self._journal.events_of(account_id, after_version)
        try:
            return [entry_of_account(account_id, event.body, event.hash) for event in stored]
        except ValueError as error:
            raise InvariantBroken(
                f"Account {account_id}: the journal's own bytes after version {after_version} "
                f"cannot be read: {error}. Run `chronos verify`.",
                account_id=account_id,
            ) from error


class AccountsAgent:
    """Takes batches of the table's changelog into the index of accounts."""

    name = ACCOUNTS_NAME

    def __init__(self, index: AccountIndex, *, clock: Clock):
        self._index = index
        self._out = Outcomes("accounts", clock)

    def decode(self, record: Readable) -> Balance | None:
        """Reads a record; None for a tombstone, which says nothing: no account is deleted.

        Raises:
            Foreign: It has no key.
            ValueError: It is not a balance of the account that its key names.
        """
        key, value = record.key, record.value
        if not key:
            raise Foreign("an empty key: a table's changelog has the account's id")
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

    async def repair(self, record: Readable, fault: ValueError) -> Balance | None:
        """Stops the worker: the table itself is filled from this topic.

        Raises:
            InvariantBroken: Always.
        """
        account_id = (record.key or b"").decode(errors="replace")
        raise InvariantBroken(
            f"The changelog of the balances holds something else for account {account_id}: "
            f"{fault}. Stop the workers and run `chronos rebuild table`.",
            account_id=account_id,
        ) from fault

    async def write(self, items: Sequence[Balance | None]) -> None:
        """Writes the newest balance of each account in a batch.

        Raises:
            Unavailable: Elasticsearch did not take it all.
            InvariantBroken: Elasticsearch can never take one of it.
        """
        balances = [item for item in items if item is not None]
        newest: dict[str, Balance] = {}
        for balance in balances:
            known = newest.get(balance.account_id)
            if known is None or known.version < balance.version:
                newest[balance.account_id] = balance
        if newest:
            await self._out.send(
                lambda: self._index.write_many(list(newest.values())),
                datetime.fromisoformat(balances[-1].recorded_at),
            )
            self._out.count("superseded", len(balances) - len(newest))

    def forget(self) -> None:
        """Has nothing to forget: a newer version is taken whatever came before."""


def _add_agent(app: ChronosApp, agent: Agent, source: Source, cut: Batching) -> None:
    how = Consumption(
        agent=agent.name,
        decode=agent.decode,
        repair=agent.repair,
        step=lambda batch: source.step(agent, [taken.item for taken in batch]),
        batch_events_max=app.settings.batch_events_max * cut.factor,
        batch_wait_s=max(app.settings.batch_wait_ms / 1000, cut.wait_s),
        batches_at_once=cut.at_once,
    )

    async def run(stream: Any) -> None:
        with contextlib.suppress(GivenUp):
            await until_answered(app, agent.name, lambda: source.make_whole(agent))
            source.watch(agent)
            await consume(app, stream, how)

    async def forget(*_: Any, **__: Any) -> None:
        agent.forget()  # another worker may have gone on meanwhile: the index knows

    app.on_rebalance_complete.connect(forget)
    app.agent(
        app.source_topic(source.topic, batch_wait_s=how.batch_wait_s),
        name=agent.name,
        concurrency=1,
        supervisor_strategy=CrashingSupervisor,
    )(run)


def _head(record: Readable) -> RecordHead:
    head = read_head(record.key, record.headers)
    if head is None:
        raise Foreign
    return head


def _contradiction(head: RecordHead, why: str) -> InvariantBroken:
    return InvariantBroken(
        f"Account {head.account_id}, version {head.version}: Kafka's record of event "
        f"{head.event_id} holds something else, and {why}. Run `chronos reconcile`.",
        account_id=head.account_id,
        version=head.version,
    )
