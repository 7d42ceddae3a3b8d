"""A PostgreSQL in memory, as deep as the store's statements look: transactions and snapshots.

It keeps what the product's correctness rests on, and is held to it beside a real server by
`tests/contract`:

- a transaction gets its number when it first writes, and is seen by others when it commits;
  a snapshot knows the highest number that is over and those that are still open below it;
- the numbers of a sequence are drawn at once and for good; unique keys wait for whoever holds
  them; advisory locks are granted in turn;
- the end of a connection is the end of its transaction and of its locks. The other end of it
  learns of that when it next gets to run;
- a crash loses what was committed without waiting for the disk since the last flush (all that
  the relay writes), and gives transaction numbers out again that were on no disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import asyncpg

from chronos.store.outbox_cursor import Row, Snapshot
from chronos.wire.booking import OutboxRow
from tests.simulation.ledger_tables import LedgerTables, UniqueKey
from tests.simulation.locks import Locks
from tests.simulation.loop import Process, current
from tests.simulation.world import Network, World

SHARDS = 64
TABLES = 3
WAL_WRITER_S = 0.2
SYSTEM_IDENTIFIER = 7_000_000_000_000_000_001
_SEQUENCE_STRIDE = 32


class Stored(NamedTuple):
    """One row of an outbox table."""

    xid: int
    shard: int
    row: Row


@dataclass(slots=True)
class Checkpoint:
    """One row of `relay_checkpoints`."""

    epoch: int
    snapshot: Snapshot
    frozen: Snapshot | None = None
    last_position: int | None = None
    system_identifier: int | None = None
    timeline_id: int | None = None

    def copy(self) -> Checkpoint:
        return Checkpoint(
            self.epoch,
            self.snapshot,
            self.frozen,
            self.last_position,
            self.system_identifier,
            self.timeline_id,
        )

    def covers(self, stored: Stored) -> bool:
        """Tells whether it says of a row that Kafka has it."""
        if sees(self.snapshot, stored.xid):
            return True
        if self.frozen is None or self.last_position is None:
            return False
        return sees(self.frozen, stored.xid) and stored.row.position <= self.last_position


@dataclass(eq=False)
class Transaction:
    """What one transaction has done so far."""

    is_durable: bool
    xid: int | None = None
    is_failed: bool = False
    keys: set[UniqueKey] = field(default_factory=set)
    tables: set[int] = field(default_factory=set)
    effects: list[Callable[[int], None]] = field(default_factory=list)
    undo: list[Callable[[], None]] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False)
class Session:
    """The server's end of one connection."""

    purpose: str
    owner: Process | None
    is_durable: bool
    tell_lost: Callable[[], None]
    is_ended: bool = False
    transaction: Transaction | None = None
    queue: deque[Any] = field(default_factory=deque)
    waiting: asyncio.Task[Any] | None = None
    requests: int = 0


class FakePostgres:
    """One server with one database."""

    def __init__(self, world: World, *, shards: int = SHARDS):
        self.world = world
        self.server = world.process("postgres")
        self.network = Network(world, "postgres")
        self.tables = LedgerTables()
        self.locks = Locks()
        self.sessions: list[Session] = []
        self.is_down = False
        self.outbox: list[list[Stored]] = [[] for _ in range(TABLES)]
        self.current_table = 0
        self.table_locks: dict[int, Session] = {}
        self.checkpoints = {n: Checkpoint(0, Snapshot(1, 1, ())) for n in range(shards)}
        self.timeline_id = 1
        self.every_row: list[Stored] = []
        """All rows that were ever committed to the outbox, for those who check."""
        self.on_checkpoint: Callable[[int, Session, Checkpoint], None] = lambda *_: None
        self._next_xid = 1
        self._latest_completed = 0
        self._running: dict[int, Transaction] = {}
        self._wal_xid = self._flushed_xid = 0
        self._unflushed: list[Callable[[], None]] = []
        self._next_position = 1
        self._chance = world.chance("postgres")

    # Transactions and what they see.

    def snapshot(self) -> Snapshot:
        xmax = self._latest_completed + 1
        open_ones = tuple(sorted(xid for xid in self._running if xid < xmax))
        return Snapshot(open_ones[0] if open_ones else xmax, xmax, open_ones)

    def xid_of(self, transaction: Transaction, *, writes: bool = True) -> int:
        """Gives a transaction its number, if it has none yet."""
        if transaction.xid is None:
            transaction.xid = self._next_xid
            self._next_xid += 1
            self._running[transaction.xid] = transaction
        if writes:
            self._wal_xid = max(self._wal_xid, transaction.xid)
        return transaction.xid

    def commit(self, transaction: Transaction) -> None:
        if transaction.xid is not None:
            for effect in transaction.effects:
                effect(transaction.xid)
            if transaction.is_durable:
                self.flush()
            else:
                self._unflushed.extend(transaction.undo)
                self.server.call_later(WAL_WRITER_S, self.flush)
        self._end(transaction)

    def abort(self, transaction: Transaction) -> None:
        self._end(transaction)

    def flush(self) -> None:
        """Everything that was written so far is on disk."""
        self._flushed_xid = self._wal_xid
        self._unflushed.clear()

    def positions(self, count: int) -> list[int]:
        first = self._next_position
        self._next_position += count
        return list(range(first, self._next_position))

    def put_outbox(self, table: int, rows: list[OutboxRow], xid: int) -> None:
        for row in rows:
            position, shard, partition, topic, key, headers, value = row
            stored = Stored(xid, shard, Row(position, partition, topic, key, headers, value))
            self.outbox[table].append(stored)
            self.every_row.append(stored)

    async def claim(self, transaction: Transaction, keys: list[UniqueKey]) -> None:
        """Takes unique keys, waiting for those who write them and may not commit."""
        for key in keys:
            while key not in self.tables.keys:
                other = self._writer_of(key)
                if other is None or other is transaction:
                    break
                await other.ended.wait()
            if key in self.tables.keys or key in transaction.keys:
                self.world.saw("a race for a unique key was lost")
                error = asyncpg.UniqueViolationError(f"duplicate key {key}")
                error.constraint_name = key[0]
                raise error
            transaction.keys.add(key)

    def _writer_of(self, key: UniqueKey) -> Transaction | None:
        return next((one for one in self._running.values() if key in one.keys), None)

    def _end(self, transaction: Transaction) -> None:
        if transaction.xid is not None:
            del self._running[transaction.xid]
            self._latest_completed = max(self._latest_completed, transaction.xid)
        transaction.ended.set()

    # Sessions and their end.

    def open_session(
        self, purpose: str, *, is_durable: bool, tell_lost: Callable[[], None]
    ) -> Session:
        session = Session(purpose, current(), is_durable, tell_lost)
        self.sessions.append(session)
        if session.owner is not None:
            session.owner.at_death.append(lambda: self._hear_of_death(session))
        return session

    def end_session(self, session: Session) -> None:
        """Ends a connection: its transaction, its locks, and at last its other end."""
        if session.is_ended:
            return
        session.is_ended = True
        self.sessions.remove(session)
        if session.transaction is not None:
            self.abort(session.transaction)
            session.transaction = None
        if session.waiting is not None:
            session.waiting.cancel()
        self.locks.end_session(session)
        for table in [n for n, owner in self.table_locks.items() if owner is session]:
            del self.table_locks[table]
        owner = session.owner
        if owner is None:
            asyncio.get_running_loop().call_soon(session.tell_lost)
        elif not owner.is_dead:
            owner.call_later(0.0, session.tell_lost)

    def writers_of(self, table: int, session: Session) -> list[Transaction]:
        """Open transactions of others that wrote an outbox table."""
        return [
            one
            for one in self._running.values()
            if table in one.tables and one is not session.transaction
        ]

    def crash(self) -> None:
        """Loses everything that was not on disk; `start` lets connections in again."""
        self.is_down = True
        for session in list(self.sessions):
            self.end_session(session)
        for undo in reversed(self._unflushed):
            undo()
            self.world.saw("a commit of the relay was lost in a crash")
        if self._next_xid > self._flushed_xid + 1:
            self.world.saw("a transaction number was given again")
        self._unflushed.clear()
        self._next_xid = self._flushed_xid + 1
        self._wal_xid = self._flushed_xid
        self._latest_completed = self._flushed_xid
        self._next_position += int(self._chance.random() * _SEQUENCE_STRIDE)

    def start(self) -> None:
        self.is_down = False

    def _hear_of_death(self, session: Session) -> None:
        delay_s = self._chance.random() * 0.02
        self.server.call_later(delay_s, self.end_session, session)


def sees(snapshot: Snapshot, xid: int) -> bool:
    """Does what pg_visible_in_snapshot does."""
    return xid < snapshot.xmax and xid not in snapshot.xip
