"""Events and balances -> Elasticsearch: two agents of the mirror worker, one index each.

`mirror-entries` takes the events topic and creates one document per event. `mirror-accounts`
takes the changelog of the table `balances` and writes the newest balance of each account, by
its version.

Phases of one batch: every record is read; the documents go out in bulk and each one's answer is
read; only then is the batch acknowledged. A batch that comes again finds its documents there.
While Elasticsearch is away the batch is sent again, for as long as it takes, and nothing else
waits for this worker. A document that Elasticsearch can never take stops the worker, exit code
70: going past it would leave a hole that nobody sees.

A new index is empty, and so is one that was lost and made again, while the group's offsets say
that everything was read. So before an agent consumes, and after each failure, it asks whether
its index was ever filled; if not, it reads its topic from the beginning, on the side, and notes
in the index that it did.

Bounds: a batch by `BATCH_FACTOR` times `batch_events_max`, a request by `chronos.mirror.bulk`;
one batch of each agent is under way at a time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec
import structlog
from mode import CrashingSupervisor

from chronos.clock import Clock
from chronos.errors import InvariantBroken, Unavailable
from chronos.mirror.accounts import AccountIndex
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.entries import Entry, EntryIndex
from chronos.mirror.entry_gaps import EntryGaps
from chronos.mirror.entry_records import entry_of_account, entry_of_record
from chronos.mirror.indices import is_filled, mark_filled
from chronos.mirror.outcomes import Outcomes
from chronos.stream.app import ChronosApp
from chronos.stream.consume import Consumption, Foreign, GivenUp, consume, until_answered
from chronos.stream.pages import Readable
from chronos.stream.topic_reader import TopicRecord, open_topic
from chronos.wire.balance import Balance, decode_balance
from chronos.wire.record import RecordHead, read_head

ENTRIES_NAME = "mirror-entries"
ACCOUNTS_NAME = "mirror-accounts"
# A search shows a document half a second after it was written, and one request for 700
# documents costs little more than one for 150.
ENTRIES_WAIT_S = 0.25
# Of the changes of a balance in one batch only the newest is written: at 1,200 transfers a
# second among 1,000 accounts that spares Elasticsearch two of five in half a second.
ACCOUNTS_WAIT_S = 0.5
# Two lanes of two requests: the longer a batch, the smaller the share of the time in which one
# lane has ended and the next batch is not read yet. And of more balances fewer are written.
BATCH_FACTOR = 4

log = structlog.get_logger("agents.mirror")


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
    _add_agent(
        app, entries, Source(app, mirror, names.entries_alias, names.events), ENTRIES_WAIT_S
    )
    _add_agent(
        app,
        accounts,
        Source(app, mirror, names.accounts_alias, names.balances_changelog),
        ACCOUNTS_WAIT_S,
    )


class Agent(Protocol):
    """What is particular to one index: how a record is read and how a batch is written."""

    name: str

    def decode(self, record: Readable) -> Any:
        """Reads a record; raises `Foreign`, or ValueError when it is ours and unreadable."""
        ...

    async def repair(self, record: Readable, fault: ValueError) -> Any:
        """Gets what the record should have said."""
        ...

    async def write(self, items: Sequence[Any]) -> None:
        """Writes what was decoded; raises `Unavailable` when not all of it was taken."""
        ...

    def forget(self) -> None:
        """Remembers nothing of the index: it is a new one."""
        ...


class Source:
    """The topic that an index is filled from, read from its beginning for a new index.

    Args:
        app: The worker's app.
        mirror: Elasticsearch.
        alias: The index.
        topic: Its topic.
    """

    def __init__(self, app: ChronosApp, mirror: ElasticsearchMirror, alias: str, topic: str):
        self._app = app
        self._mirror = mirror
        self._alias = alias
        self._is_filled = False
        self.topic = topic

    async def make_whole(self, agent: Agent) -> None:
        """Has the index made and filled, if it is not or may be lost.

        Raises:
            Unavailable: Elasticsearch or Kafka do not answer; the next call begins again.
        """
        if self._is_filled:
            return
        await self._mirror.ensure_indices()
        if not await is_filled(self._mirror.client, self._alias):
            await self._fill(agent)
            await mark_filled(self._mirror.client, self._alias)
        self._is_filled = True

    async def step(self, agent: Agent, items: Sequence[Any]) -> None:
        """Has a batch added to the whole index.

        Raises:
            Unavailable: Elasticsearch or Kafka do not answer; the next call begins again.
            InvariantBroken: A record can never be taken.
        """
        await self.make_whole(agent)
        try:
            await agent.write(items)
        except Unavailable:
            # The index itself may have been lost: the next call looks.
            self._is_filled = False
            raise

    async def _fill(self, agent: Agent) -> None:
        log.info("index_is_filled", index=self._alias, topic=self.topic)
        agent.forget()
        async with open_topic(self._app.settings.kafka, self.topic) as reader:
            async for records in reader.pages_until(await reader.end_offsets()):
                items = []
                for record in records:
                    # Foreign records were moved when they first came by.
                    with contextlib.suppress(Foreign):
                        items.append(await _read(agent, record))
                if items:
                    await agent.write(items)
                self._app.liveness.did_something(agent.name)


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


async def _read(agent: Agent, record: TopicRecord) -> Any:
    try:
        return agent.decode(record)
    except ValueError as fault:
        return await agent.repair(record, fault)


def _add_agent(app: ChronosApp, agent: Agent, source: Source, wait_s: float) -> None:
    how = Consumption(
        agent=agent.name,
        decode=agent.decode,
        repair=agent.repair,
        step=lambda batch: source.step(agent, [taken.item for taken in batch]),
        batch_events_max=app.settings.batch_events_max * BATCH_FACTOR,
        batch_wait_s=max(app.settings.batch_wait_ms / 1000, wait_s),
    )

    async def run(stream: Any) -> None:
        with contextlib.suppress(GivenUp):
            await until_answered(app, agent.name, lambda: source.make_whole(agent))
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
