"""One command transaction: the only place where the journal grows.

Phases, each one round trip, on one connection, READ COMMITTED:

1. `BEGIN` and every lock: accounts, and the ids that commands would take, in ascending order of
   lock number; then each idempotency key, tried and not waited for.
2. A new snapshot, so younger than the locks, reads everything and draws the positions. Read in
   the locking statement itself, the snapshot would be older than the lock.
3. The ledger decides with values; no round trip, nothing awaited.
4. One statement inserts all events, outbox rows, receipts and accounts. Of a long batch it
   inserts a part, while the ledger decides the next one: the two take about as long, on two
   processors, and the locks are held for the longer of them instead of both.
5. `COMMIT`, and with it the locks go.

Bounds: `LOCKS_MAX` locks; the role's time-outs on the server's side; `TRANSACTION_DEADLINE_S`
on ours, for a server that is silent. A transaction that did not come to its `COMMIT` left
nothing. One whose `COMMIT` was not answered is unknown, and whoever repeats it with the same
keys is told the truth by their receipts.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

import asyncpg

from chronos.crash_points import CrashPoint, pass_point
from chronos.errors import ChronosError, InvariantBroken
from chronos.store import pool
from chronos.store.faults import DRIVER_ERRORS, translated
from chronos.store.found import NeedsOf, Prepared, Wanted, found_in
from chronos.store.identities import Identities
from chronos.store.statements import (
    READ_FOUND,
    TRY_KEYS,
    append_to,
    begin_and_lock,
)
from chronos.telemetry import metrics
from chronos.wire.booking import AnyAttempt, Booked, Found, KeyName

TRANSACTION_DEADLINE_S: Final = 6.0
"""Above the role's `transaction_timeout`: the server is to end a slow transaction, not we."""

BookInParts = Callable[[Sequence[AnyAttempt], Found], Iterator[Booked]]
"""Decides a batch on what was found for it; the ledger's `Bookkeeper.book_in_parts`. Pure."""

_CONFLICTS: Final = (
    asyncpg.UniqueViolationError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
)
# Command tags. COMMIT of a failed transaction raises nothing: only its tag says ROLLBACK.
_ALL_LOCKED: Final = "SELECT 0"
_COMMITTED: Final = "COMMIT"


class Conflict(ChronosError):
    """Says that another transaction was faster; nothing was written, and trying again is safe.

    Args:
        constraint: Name of the unique key that refused, empty for a deadlock.
        sqlstate: PostgreSQL's code: 23505, 40001 or 40P01.
    """

    def __init__(self, constraint: str, sqlstate: str):
        super().__init__(f"a concurrent transaction was faster ({constraint or sqlstate})")
        self.constraint = constraint
        self.sqlstate = sqlstate


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the ledger tells the store: needs, decisions, and the calendar of both."""

    needs_of: NeedsOf
    book_in_parts: BookInParts
    zone: ZoneInfo


class EventStore:
    """Commits batches one after the other, on one connection that it opens again when lost."""

    def __init__(self, dsn: str, rules: Rules, *, name: str = "chronos-writer"):
        self._dsn = dsn
        self._rules = rules
        self._name = name
        self._connection: asyncpg.Connection | None = None
        self._read: Any = None
        self._appends: dict[int, Any] = {}
        self.phases: dict[str, float] = {}
        """Seconds of each phase of the newest transaction."""
        self._identities = Identities(rules.zone)

    async def commit(self, batch: Sequence[Prepared]) -> Booked:
        """Decides and writes a batch in one transaction.

        Raises:
            Conflict: Another transaction wrote what this one was to write; nothing was written.
            Unavailable: PostgreSQL did not answer. Unless it was lost during `COMMIT`, nothing
                was written.
            InvariantBroken: The database refused rows that contradict each other.
        """
        with translated(), _refusals_named():
            async with asyncio.timeout(TRANSACTION_DEADLINE_S):
                connection = await self._connected()
                async with self._clean_end(connection):
                    return await self._transact(connection, batch)

    async def close(self) -> None:
        """Closes the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await pool.close(connection)

    async def _transact(
        self, connection: asyncpg.Connection, batch: Sequence[Prepared]
    ) -> Booked:
        with _Stopwatch() as stopwatch:
            self.phases = stopwatch.phases
            return await self._timed(connection, batch, stopwatch)

    async def _timed(
        self, connection: asyncpg.Connection, batch: Sequence[Prepared], stopwatch: _Stopwatch
    ) -> Booked:
        wanted = Wanted.of(batch)
        busy = await _begin(connection, wanted)
        pass_point(CrashPoint.AFTER_LOCK)
        stopwatch.lap("lock")
        row = await self._read.fetchrow(*wanted.parameters(self._identities))
        stopwatch.lap("read")
        attempts = [prepared.attempt for prepared in batch]
        parts: list[Booked] = []
        async with _Inserting(partial(self._append_to, connection, row["which"])) as inserting:
            for part in self._rules.book_in_parts(
                attempts, found_in(row, busy, self._identities)
            ):
                stopwatch.lap("decide")
                parts.append(part)
                await inserting.put(part)
                stopwatch.lap("insert")
        stopwatch.lap("insert")
        booked = Booked.whole(parts)
        if await connection.execute("COMMIT") != _COMMITTED:
            raise InvariantBroken("PostgreSQL rolled back a transaction that it was to commit")
        if booked.receipt_rows:
            pass_point(CrashPoint.AFTER_COMMIT)
        stopwatch.lap("commit")
        stopwatch.finish(booked)
        return booked

    async def _connected(self) -> asyncpg.Connection:
        connection = self._connection
        if connection is None or connection.is_closed():
            self._connection = None
            connection = await pool.connect(
                self._dsn,
                application_name=self._name,
                deadline_s=TRANSACTION_DEADLINE_S,
                server_settings=pool.LOOKUPS_ONLY,
            )
            try:
                self._read = await connection.prepare(READ_FOUND)
            except BaseException:
                connection.terminate()
                raise
            self._appends.clear()
            self._identities.forget()
            self._connection = connection
        return connection

    async def _append_to(self, connection: asyncpg.Connection, which: int) -> Any:
        """Gives the prepared insert into the outbox table of the day; each is prepared once."""
        if which not in self._appends:
            self._appends[which] = await connection.prepare(append_to(which))
        return self._appends[which]

    @asynccontextmanager
    async def _clean_end(self, connection: asyncpg.Connection) -> AsyncIterator[None]:
        """Rolls back what did not commit; a connection that cannot is given up."""
        try:
            yield
        except BaseException:
            if not await _rolled_back(connection):
                connection.terminate()
                self._connection = None
            raise


async def _begin(connection: asyncpg.Connection, wanted: Wanted) -> frozenset[KeyName]:
    """Begins and locks; gives the keys that another process holds."""
    tag = await connection.execute(begin_and_lock(sorted(wanted.blocking), wanted.keys))
    if tag == _ALL_LOCKED:
        return frozenset()
    busy = await connection.fetch(TRY_KEYS, list(wanted.keys))
    return frozenset(wanted.keys[row["name"]] for row in busy)


async def _rolled_back(connection: asyncpg.Connection) -> bool:
    if connection.is_closed():
        return False
    try:
        async with asyncio.timeout(1):
            await connection.execute("ROLLBACK")
    except DRIVER_ERRORS:
        return False
    return True


@contextmanager
def _refusals_named() -> Iterator[None]:
    """Tells a lost race, which may be run again, from rows that must never be."""
    try:
        yield
    except _CONFLICTS as error:
        raise Conflict(error.constraint_name or "", error.sqlstate) from error
    except asyncpg.IntegrityConstraintViolationError as error:
        raise InvariantBroken(f"PostgreSQL refused a batch: {error}") from error


class _Inserting:
    """Inserts the parts of a batch one after the other, each while the next is decided."""

    def __init__(self, append_to: Callable[[], Awaitable[Any]]) -> None:
        self._append_to = append_to
        self._under_way: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, fault: type[BaseException] | None, *_: object) -> None:
        """Waits for the last insert, or breaks it off after a fault."""
        if fault is None:
            await self._end()
        elif self._under_way is not None:
            self._under_way.cancel()
            await asyncio.gather(self._under_way, return_exceptions=True)

    async def put(self, part: Booked) -> None:
        """Begins to insert a part, when the one before is there; the last one to its end."""
        await self._end()
        rows = (part.account_rows, part.event_rows, part.outbox_rows, part.receipt_rows)
        if not any(rows):
            return
        if part.is_last:
            await self._insert(rows)
            return
        self._under_way = asyncio.create_task(self._insert(rows))
        # In the first turn of the loop the driver encodes the rows, in the second uvloop sends
        # what the socket takes: all of a part on this machine, so that PostgreSQL has it before
        # the next one is decided. What the socket does not take goes after that.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _end(self) -> None:
        if self._under_way is not None:
            await self._under_way
            self._under_way = None

    async def _insert(self, rows: tuple[Sequence[Any], ...]) -> None:
        append = await self._append_to()
        await append.fetchrow(*rows)
        pass_point(CrashPoint.AFTER_APPEND)


class _Stopwatch:
    """Measures the phases of one transaction; of one in parts, all parts together."""

    def __init__(self) -> None:
        self._start = self._lap = perf_counter()
        self.phases: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Tells the phases that ended, also of a transaction that did not."""
        for phase, seconds in self.phases.items():
            metrics.APPEND_PHASE_SECONDS.labels(phase).observe(seconds)

    def lap(self, phase: str) -> None:
        now = perf_counter()
        self.phases[phase] = self.phases.get(phase, 0.0) + now - self._lap
        self._lap = now

    def finish(self, booked: Booked) -> None:
        metrics.APPEND_SECONDS.observe(self._lap - self._start)
        metrics.APPEND_BATCH_COMMANDS.observe(len(booked.receipts))
        for event_type, count in Counter(row.type for row in booked.event_rows).items():
            metrics.APPEND_EVENTS.labels(event_type).inc(count)
