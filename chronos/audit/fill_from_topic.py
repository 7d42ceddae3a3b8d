"""Fills a shadow from the events topic, so that PostgreSQL does not read every event again.

What is read is proved as it is read: an account's events are taken from version 1 on without a
gap, each folded onto the one before, its after-values and its link of the hash chain compared.
The chain makes the bytes the journal's own as soon as the last hash is the journal's, which the
proof of the whole shadow looks at, in PostgreSQL, as ever. An account of which the topic lacks
or spoils an event is left where it was until then, and brought up from the journal.

A topic is worth reading when each of its partitions begins at its first record, and when the
journal was not restored behind it. `chosen` cannot know more; a gap costs time, not truth.

Bounds: one page of records; `BALANCES_KEPT` balances, the longest unused of which is written
and forgotten first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from enum import Enum
from functools import partial
from typing import Final, NamedTuple

from chronos.audit.rebuild import Shadow, Tally, patiently
from chronos.errors import InvariantBroken, MissingPart, UnsafeSetting
from chronos.store.cluster_identity import check_all
from chronos.store.journal_pages import JournalEvent, Reached
from chronos.store.pool import Pool
from chronos.stream.topic_reader import TopicRecord, open_topic
from chronos.wire.balance import Balance, fold
from chronos.wire.codec import UnreadableEvent, decode_event
from chronos.wire.record import RecordHead, read_head
from chronos.wire.topics import Names

BALANCES_KEPT: Final = 20_000
WRITE_EVERY_PAGES: Final = 50
_STANDING_MAX: Final = 500
PHASE: Final = "reading Kafka"


class Source(Enum):
    """Where a rebuild reads events."""

    KAFKA = "kafka"
    POSTGRESQL = "postgresql"
    AUTO = "auto"
    """Kafka where it seems whole, else PostgreSQL; PostgreSQL too where Kafka was just made
    from it: whoever makes all anew waits for the end, and the journal is read in half the time.
    """


class Topic(NamedTuple):
    """The events topic of a namespace, to be filled from."""

    kafka: str
    names: Names


async def chosen(source: Source, dsn: str, topic: Topic, *, is_just_made: bool) -> Topic | None:
    """Gives the topic when it is to be read, None when the journal is.

    Args:
        source: What was asked for.
        dsn: PostgreSQL.
        topic: The topic.
        is_just_made: This very rebuild made it from the journal.

    Raises:
        MissingPart: Kafka was asked for, and the topic is not whole or not this journal's.
        Unavailable: A server does not answer.
    """
    if source is Source.POSTGRESQL or (is_just_made and source is Source.AUTO):
        return None
    reason = None if is_just_made else await _unfit(dsn, topic)
    if reason is None:
        return topic
    if source is Source.KAFKA:
        raise MissingPart(f"Kafka cannot be read for this: {reason}. Read PostgreSQL.")
    return None


async def fill_from_topic(topic: Topic, shadow: Shadow, tally: Tally) -> None:
    """Brings a shadow as far as the topic goes, account by account.

    Raises:
        Unavailable: Kafka or the copy's server does not answer; running again goes on.
    """
    async with open_topic(topic.kafka, topic.names.events) as reader:
        begins, ends = await reader.begin_offsets(), await reader.end_offsets()
        total, done, pages = sum(ends.values()) - sum(begins.values()), 0, 0
        filling = _Filling(shadow)
        tally.progress(PHASE, 0, total)
        async for records in reader.pages_until(ends):
            tally.events += await filling.take(records)
            done, pages = done + len(records), pages + 1
            if pages % WRITE_EVERY_PAGES == 0:
                await filling.write_balances()
            tally.progress(PHASE, min(done, total), total)
        await filling.write_balances()


class _Filling:
    """The balances of one fill: known, changed since they were written, given up."""

    def __init__(self, shadow: Shadow) -> None:
        self._shadow = shadow
        self._known: OrderedDict[str, Balance | None] = OrderedDict()
        self._changed: set[str] = set()
        self._given_up: set[str] = set()

    async def take(self, records: Sequence[TopicRecord]) -> int:
        """Folds a page and writes its events; gives how many of them were new."""
        heads = [read_head(record.key, record.headers) for record in records]
        await self._look_up({head.account_id for head in heads if head is not None})
        events: list[JournalEvent] = []
        for record, head in zip(records, heads, strict=True):
            if head is not None and head.account_id not in self._given_up:
                event = self._fold(head, record.value or b"")
                if event is not None:
                    events.append(event)
        if events:
            await patiently(partial(self._shadow.write, events, []))
        await self._forget()
        return len(events)

    async def write_balances(self) -> None:
        """Writes every balance that changed."""
        await self._write(self._changed)

    def _fold(self, head: RecordHead, body: bytes) -> JournalEvent | None:
        name = head.account_id
        before = self._known[name]
        if head.version <= (0 if before is None else before.version):
            return None
        try:
            recorded = decode_event(body)
            after = fold(before, recorded, body, head.digest)
        except (UnreadableEvent, InvariantBroken):
            # A gap, too: its version does not follow. The journal has the rest.
            self._given_up.add(name)
            return None
        self._known[name] = after
        self._changed.add(name)
        return JournalEvent(
            account_id=name,
            version=head.version,
            event_id=head.event_id,
            recorded_at=recorded.recorded_at,
            hash=head.digest,
            body=body,
        )

    async def _look_up(self, names: set[str]) -> None:
        missing = []
        for name in sorted(names):
            if name in self._known:
                self._known.move_to_end(name)
            else:
                missing.append(Reached(name, 0))
        for start in range(0, len(missing), _STANDING_MAX):
            part = missing[start : start + _STANDING_MAX]
            for one, found in zip(
                part, await patiently(partial(self._shadow.standing, part)), strict=True
            ):
                self._known[one.account_id] = found.balance

    async def _forget(self) -> None:
        surplus = len(self._known) - BALANCES_KEPT
        if surplus > 0:
            names = [name for name, _ in zip(self._known, range(surplus), strict=False)]
            await self._write({name for name in names if name in self._changed})
            for name in names:
                del self._known[name]

    async def _write(self, names: set[str]) -> None:
        balances = [one for name in sorted(names) if (one := self._known[name]) is not None]
        for start in range(0, len(balances), _STANDING_MAX):
            part = balances[start : start + _STANDING_MAX]
            await patiently(partial(self._shadow.write, [], part))
        self._changed = self._changed - names


async def _unfit(dsn: str, topic: Topic) -> str | None:
    try:
        async with open_topic(topic.kafka, topic.names.events) as reader:
            begins, ends = await reader.begin_offsets(), await reader.end_offsets()
    except MissingPart as fault:
        return str(fault).rstrip(".")
    if any(begins.values()):
        return "its first records are gone"
    if not any(ends.values()):
        return "it is empty"
    pool = await Pool.open(dsn, application_name="chronos rebuild", connections_max=1)
    try:
        await check_all(pool)
    except UnsafeSetting as fault:
        return str(fault)
    finally:
        await pool.close()
    return None
