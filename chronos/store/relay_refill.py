"""The journal as the relay would have published it from its start, and the relay after it.

Phases: take every shard's lock → say in each checkpoint that a refill is under way → fix one
snapshot, when the topics are empty → read events and refusals by position in it → save that
snapshot as each shard's checkpoint. What is committed after the snapshot is in the outbox, and
the relay goes on from there.

While a refill is under way, and when it was killed, each checkpoint names a cluster that does
not exist, and no relay publishes from it. One that is a part of more leaves it so, until
`release` says that the rest was made anew too. A relay that waits for a lock ends a holder
whose epoch does not move, so the epochs move.

Its place is saved with the epochs (`refill_place`). What was published after that comes twice
when a refill that was killed goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final

import asyncpg
import msgspec

from chronos.errors import InvariantBroken, MissingPart, Unavailable
from chronos.store import outbox_statements as statements
from chronos.store import refill_place
from chronos.store.faults import translated
from chronos.store.journal_scan import JournalScan
from chronos.store.outbox import LOCK_CLASS
from chronos.store.outbox_cursor import Row, Snapshot
from chronos.store.refill_place import Place
from chronos.store.republish import event_row, rejection_row
from chronos.wire.topics import Names, partition_of

PAGE_ROWS: Final = 2_000
_CONNECT_DEADLINE_S: Final = 10
_STATEMENT_DEADLINE_S: Final = 600
_EPOCH_EVERY_S: Final = 2.0
_LAST_SAVE_S: Final = 5.0
_NO_LIMITS: Final = {
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "jit": "off",
}

_LOCK_ALL = """
SELECT shard
FROM relay_checkpoints
WHERE NOT pg_try_advisory_lock($1::int, shard::int)
ORDER BY shard
LIMIT 1
"""

_NEXT_EPOCH = "UPDATE relay_checkpoints SET epoch = epoch + 1"

_END = """
UPDATE relay_checkpoints
SET
  epoch = epoch + 1,
  snapshot = $1::text,
  frozen_snapshot = NULL,
  window_last_position = NULL
"""

_RELEASE = """
UPDATE relay_checkpoints
SET epoch = epoch + 1, system_identifier = $1::bigint, timeline_id = $2::int
"""

_MARK = """
SELECT md5(
  string_agg(
    concat_ws(' ', shard, epoch, snapshot, system_identifier, timeline_id), ',' ORDER BY shard
  )
)
FROM relay_checkpoints
"""

# Receipts are read from end to end by every refill anyway.
_NEWEST = """
SELECT greatest((SELECT max(position) FROM events), (SELECT max(position) FROM receipts), 0)
"""

_COUNT = """
SELECT count(*)
FROM events
WHERE position <= $1::bigint AND position <> ALL ($2::bigint[])
"""

_EVENTS = """
SELECT position, account_id, hash, body
FROM events
WHERE position > $1::bigint AND position <= $2::bigint
ORDER BY position
"""


class Refill:
    """Every shard of the relay in the hands of one refill; made by `open_refill`."""

    def __init__(
        self, holder: Any, reader: Any, names: Names, *, partitions: int, command: int
    ) -> None:
        self._command = command
        self._holder = holder
        self._reader = reader
        self._names = names
        self._partitions = partitions
        self._one_at_a_time = asyncio.Lock()
        self._place: Place | None = None
        self._left_out: frozenset[int] = frozenset()

    async def begin(self) -> Place | None:
        """Stops every relay; gives the place of a refill that was killed.

        None means that there is none to go on with: start over.

        Raises:
            UnsafeSetting: The database was restored, or a rebuild of everything did not end:
                Kafka alone would be in order again, and its readers would not.
        """
        async with self._one_at_a_time:
            with translated():
                place = await refill_place.begin(self._holder, self._command)
                if place is not None:
                    self._left_out = await refill_place.under_way(self._reader, place)
        self._place = place
        return place

    async def start_over(self) -> None:
        """Forgets what was published: the topics are about to be emptied."""
        self._place = None
        async with self._one_at_a_time:
            with translated():
                await refill_place.put(self._holder, None)

    async def fix(self) -> None:
        """Fixes what is published, now that the topics are empty."""
        with translated():
            snapshot = Snapshot(*await self._reader.fetchval("SELECT pg_current_snapshot()"))
            until: int = await self._reader.fetchval(_NEWEST)
        place = Place(snapshot=snapshot.text(), until=until)
        async with self._one_at_a_time:
            with translated():
                await refill_place.put(self._holder, place)
        self._place, self._left_out = place, frozenset()

    async def count(self) -> int:
        """Counts the events that are to be in Kafka at the end."""
        with translated():
            counted: int = await self._reader.fetchval(
                _COUNT, self.place.until, list(self._left_out)
            )
        return counted

    async def pages(self) -> AsyncIterator[list[Row]]:
        """Yields the records that are not in Kafka yet by position, page by page."""
        page: list[Row] = []
        place = self.place
        with translated():
            waiting = self._refusals(place)
            refused = await anext(waiting, None)
            async for event in self._reader.cursor(
                _EVENTS, place.last, place.until, prefetch=PAGE_ROWS
            ):
                if event["position"] in self._left_out:
                    continue
                while refused is not None and refused.position < event["position"]:
                    page.append(refused)
                    refused = await anext(waiting, None)
                page.append(self._event(event))
                if len(page) >= PAGE_ROWS:
                    yield page
                    page = []
            while refused is not None:
                page.append(refused)
                refused = await anext(waiting, None)
        if page:
            yield page

    def took(self, page: Sequence[Row], offsets: Mapping[tuple[str, int], int]) -> None:
        """Takes note that Kafka has a page; it is written down by and by.

        Args:
            page: One of `pages`.
            offsets: The offset of the last record of each (topic, partition), where known.
        """
        place = self.place
        events = sum(row.topic == self._names.events for row in page)
        place.events += events
        place.refusals += len(page) - events
        for (topic, partition), offset in offsets.items():
            ends = place.ends.setdefault(topic, {})
            ends[partition] = max(ends.get(partition, 0), offset + 1)
        place.last = page[-1].position

    async def end(self) -> None:
        """Has the relay go on after the snapshot: at once, or when all is released."""
        snapshot = self.place.snapshot
        async with self._one_at_a_time:
            with translated():
                async with self._holder.transaction():
                    await self._holder.execute(_END, snapshot)
                    await refill_place.forget(self._holder)
                    if self._command == statements.BY_ITSELF:
                        await _release(self._holder)

    @property
    def place(self) -> Place:
        """What is published, and how far that is."""
        if self._place is None:
            raise RuntimeError("what is published was not fixed")
        return self._place

    async def move_epochs(self) -> None:
        """Moves every epoch now and then, and saves the place, for as long as it is let.

        Raises:
            Unavailable: The connection, and with it the locks, is lost.
        """
        while True:
            await asyncio.sleep(_EPOCH_EVERY_S)
            async with self._one_at_a_time:
                with translated():
                    await self._holder.execute(_NEXT_EPOCH)
            await self.save()

    async def save(self) -> None:
        """Writes down how far it is.

        Raises:
            Unavailable: The connection, and with it the locks, is lost.
        """
        async with self._one_at_a_time:
            if self._place is not None:
                with translated():
                    await refill_place.save(self._holder, self._place)

    def _event(self, found: Any) -> Row:
        return event_row(
            found,
            account_id=found["account_id"],
            topic=self._names.events,
            partition=self._partition(found["account_id"]),
        )

    async def _refusals(self, place: Place) -> AsyncIterator[Row]:
        first, until = place.last + 1, place.until
        async for receipt in JournalScan(self._reader).rejections():
            position = receipt.position
            if not first <= position <= until or position in self._left_out:
                continue
            try:
                yield rejection_row(
                    receipt, topic=self._names.rejections, partitions=self._partitions
                )
            except msgspec.MsgspecError as fault:
                raise InvariantBroken(
                    f"The receipt at position {receipt.position} is no refusal that can be "
                    f"read: {fault}.",
                    account_id=receipt.account_id,
                ) from fault

    def _partition(self, account_id: str) -> int:
        return partition_of(account_id.encode(), self._partitions)


async def checkpoints_mark(dsn: str) -> str:
    """Gives a text that changes when any relay, refill or restore changed a checkpoint.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    async with _connected(dsn, "mark") as connection:
        with translated():
            mark: str = await connection.fetchval(_MARK)
    return mark


async def release(dsn: str) -> None:
    """Lets relays and workers begin on the cluster that this one is, after a rebuild of all.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    async with _connected(dsn, "release") as connection:
        with translated():
            await _release(connection)


async def _release(connection: Any) -> None:
    cluster = await connection.fetchrow(statements.IDENTITY)
    await connection.execute(_RELEASE, cluster["system_identifier"], cluster["timeline_id"])


@asynccontextmanager
async def open_refill(
    dsn: str, names: Names, *, partitions: int, command: int
) -> AsyncIterator[Refill]:
    """Takes every shard, opens one snapshot, and keeps both until the block ends.

    Args:
        dsn: PostgreSQL, as its owner or the relay.
        names: The names of the namespace.
        partitions: Of the topics by account.
        command: `BY_ITSELF`, or `WITH_ALL` when more is made anew before a relay may go on.

    Raises:
        MissingPart: A relay holds a shard.
        Unavailable: PostgreSQL does not answer.
    """
    async with AsyncExitStack() as stack:
        holder = await stack.enter_async_context(_connected(dsn, "holder"))
        with translated():
            shard = await holder.fetchval(_LOCK_ALL, LOCK_CLASS)
        if shard is not None:
            raise MissingPart(
                f"A relay, or another rebuild, holds shard {shard} of the outbox: stop "
                "`chronos up` or the relay workers, and run this again."
            )
        reader = await stack.enter_async_context(_connected(dsn, "reader"))
        with translated():
            await reader.transaction(isolation="repeatable_read", readonly=True).start()
        refill = Refill(holder, reader, names, partitions=partitions, command=command)
        moving = asyncio.create_task(refill.move_epochs())
        try:
            yield refill
        finally:
            moving.cancel()
            with suppress(asyncio.CancelledError, Unavailable):
                await moving
            with suppress(TimeoutError, Unavailable):
                async with asyncio.timeout(_LAST_SAVE_S):
                    await refill.save()


@asynccontextmanager
async def _connected(dsn: str, purpose: str) -> AsyncIterator[Any]:
    with translated():
        connection = await asyncpg.connect(
            dsn,
            timeout=_CONNECT_DEADLINE_S,
            command_timeout=_STATEMENT_DEADLINE_S,
            server_settings={
                "application_name": f"chronos rebuild {purpose}",
                "timezone": "UTC",
                **_NO_LIMITS,
            },
        )
    try:
        yield connection
    finally:
        await connection.close(timeout=5)
