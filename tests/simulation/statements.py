"""What each statement of the store does on the fake server.

A statement is known by its very text, taken from the store's own constants: one that is
changed there is unknown here until its meaning is looked at again.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import Any

import asyncpg

from chronos.store import journal_scan, outbox_sizes, reads
from chronos.store import outbox_rotation as rotation
from chronos.store import outbox_statements as outbox
from chronos.store.outbox_cursor import Snapshot
from chronos.store.references import READ_REFERENCES
from chronos.store.statements import READ_FOUND, TRY_KEYS, append_to, begin_and_lock
from chronos.wire.booking import EventRow
from tests.simulation.ledger_tables import check_zero_sum, unique_keys
from tests.simulation.postgres import (
    SYSTEM_IDENTIFIER,
    TABLES,
    Checkpoint,
    FakePostgres,
    Session,
    Stored,
    Transaction,
    sees,
)

LOCK_WAIT_S = 3.0
TABLE_LOCK_WAIT_S = 0.05
TRANSACTION_S = 5.0
_FSYNC_S = 0.001
_LOOK_AGAIN_S = 0.002
_NUMBERS = re.compile(r"'\{([-0-9,]*)\}'::bigint\[\]")
_SHAPE = _NUMBERS.sub("#", begin_and_lock((), ()))
Handler = Callable[..., Any]


class Statements:
    """Runs statements for one connection."""

    def __init__(self, postgres: FakePostgres):
        self._postgres = postgres
        self._known = self._handlers()

    def run(self, session: Session, statement: str, arguments: tuple[Any, ...]) -> Any:
        """Answers at once, or by something to await.

        Raises:
            asyncpg.PostgresError: As the server would refuse it.
            NotImplementedError: The statement is not one of the store's.
        """
        handler = self._known.get(statement)
        if handler is None:
            numbers = _NUMBERS.findall(statement)
            if _NUMBERS.sub("#", statement) != _SHAPE:
                raise NotImplementedError(statement)
            return self._begin_and_lock(session, *map(_integers, numbers))
        transaction = session.transaction
        is_failed = transaction is not None and transaction.is_failed
        if is_failed and statement not in ("COMMIT", "ROLLBACK"):
            raise asyncpg.InFailedSQLTransactionError("current transaction is aborted")
        return handler(session, *arguments)

    def _handlers(self) -> dict[str, Handler]:
        known: dict[str, Handler] = {
            "BEGIN": self._begin,
            "COMMIT": self._commit,
            "ROLLBACK": self._rollback,
            "SELECT pg_current_snapshot()": lambda _: [(tuple(self._postgres.snapshot()),)],
            "SELECT pg_current_xact_id()": self._xact_id,
            READ_FOUND: self._read_found,
            READ_REFERENCES: lambda _, *wanted: [self._postgres.tables.referred(wanted)],
            TRY_KEYS: self._try_keys,
            journal_scan._AT_VERSIONS: self._at_versions,
            reads._EVENTS: self._events,
            reads._EVENT: lambda _, name, version: [
                _event(row) for row in [self._postgres.tables.event(name, version)] if row
            ],
            outbox.IDENTITY: self._identity,
            outbox.CHECKPOINT: self._checkpoint,
            outbox.TRY_LOCK: self._try_lock,
            outbox.NEXT_EPOCH: self._next_epoch,
            outbox.SAVE: self._save,
            outbox.END_HOLDER: self._end_holder,
            outbox.HEAD: self._head,
            outbox.BACKLOG: self._backlog,
            outbox.UNPUBLISHED: self._unpublished,
            outbox.SORT: lambda _: "SET",
            outbox.DO_NOT_SORT: lambda _: "SET",
            rotation._TRY_TURN: self._try_turn,
            rotation._CURRENT: lambda _: [(self._postgres.current_table,)],
            rotation._SWITCH: self._switch,
            rotation._LOCK_WAIT: lambda _: "SET",
            outbox_sizes._SIZES: self._sizes,
        }
        for number in range(TABLES):
            known.update(self._of_table(number))
        return known

    def _of_table(self, number: int) -> dict[str, Handler]:
        name = outbox.TABLES[number]
        rows = self._postgres.outbox[number]
        return {
            append_to(number): lambda s, *parts: self._append(s, number, *parts),
            rotation._IS_EMPTY.format(table=name): lambda _: [(not rows,)],
            rotation._HAS_ROWS.format(table=name): lambda _, count: [(len(rows) >= count,)],
            rotation._IS_PUBLISHED.format(table=name): lambda _, xid: self._published(
                rows, xid
            ),
            rotation._LOCK_TABLE.format(table=name): lambda s: self._lock_table(s, number),
            rotation._TRUNCATE.format(table=name): lambda s: self._truncate(s, number),
        }

    # Transactions.

    def _begin(self, session: Session) -> str:
        made = session.transaction = Transaction(is_durable=session.is_durable)
        postgres = self._postgres

        def look() -> None:
            if session.transaction is made:
                postgres.end_session(session)

        postgres.server.call_later(TRANSACTION_S, look)
        return "BEGIN"

    async def _commit(self, session: Session) -> str:
        transaction = session.transaction
        if transaction is None or transaction.is_failed:
            return self._rollback(session)
        if transaction.xid is not None and transaction.is_durable:
            await asyncio.sleep(_FSYNC_S)
            if session.is_ended:
                return ""
        session.transaction = None
        self._postgres.commit(transaction)
        self._let_go(session)
        return "COMMIT"

    def _rollback(self, session: Session) -> str:
        transaction, session.transaction = session.transaction, None
        if transaction is not None:
            self._postgres.abort(transaction)
            self._let_go(session)
        return "ROLLBACK"

    def _let_go(self, session: Session) -> None:
        self._postgres.locks.end_transaction(session)
        locked = self._postgres.table_locks
        for number in [n for n, owner in locked.items() if owner is session]:
            del locked[number]

    def _write(
        self, session: Session, effect: Callable[[int], None], undo: Callable[[], None]
    ) -> None:
        """Does one write, in the open transaction or in one of its own."""
        transaction = session.transaction
        own = transaction is None
        transaction = transaction or Transaction(is_durable=session.is_durable)
        self._postgres.xid_of(transaction)
        transaction.effects.append(effect)
        transaction.undo.append(undo)
        if own:
            self._postgres.commit(transaction)

    def _xact_id(self, session: Session) -> list[Any]:
        assert session.transaction is not None
        return [(self._postgres.xid_of(session.transaction, writes=False),)]

    # Commands.

    async def _begin_and_lock(
        self, session: Session, blocking: list[int], tried: list[int]
    ) -> str:
        self._begin(session)
        try:
            async with asyncio.timeout(LOCK_WAIT_S):
                for number in blocking:
                    await self._postgres.locks.take((number,), session)
        except TimeoutError:
            raise asyncpg.LockNotAvailableError("canceling statement: lock timeout") from None
        return f"SELECT {len(self._refused(session, tried))}"

    def _refused(self, session: Session, numbers: Iterable[int]) -> list[int]:
        return [n for n in numbers if not self._postgres.locks.try_take((n,), session)]

    def _try_keys(self, session: Session, numbers: list[int]) -> list[Any]:
        return [{"name": number} for number in self._refused(session, numbers)]

    def _read_found(self, _: Session, positions: int, *wanted: Any) -> list[Any]:
        postgres = self._postgres
        return [
            {
                "now": postgres.world.now(),
                "which": postgres.current_table,
                "positions": postgres.positions(positions),
                **postgres.tables.found(wanted),
            }
        ]

    async def _append(
        self, session: Session, table: int, accounts: Any, events: Any, rows: Any, receipts: Any
    ) -> list[Any]:
        postgres, transaction = self._postgres, session.transaction
        assert transaction is not None
        check_zero_sum(events)
        while postgres.table_locks.get(table, session) is not session:  # noqa: ASYNC110 - the condition is the fake's own state
            await asyncio.sleep(_LOOK_AGAIN_S)
        postgres.xid_of(transaction)
        transaction.tables.add(table)
        await postgres.claim(transaction, unique_keys(accounts, events, receipts))

        def effect(xid: int) -> None:
            postgres.tables.take(accounts, events, receipts)
            postgres.put_outbox(table, rows, xid)

        transaction.effects.append(effect)
        return [()]

    def _events(self, _: Session, name: str, after: int, most: int, bytes_max: int) -> Any:
        rows = self._postgres.tables.events.get(name, [])[after : after + most]
        found, read = [], 0
        for row in rows:
            if read >= bytes_max:
                break
            read += len(row.body)
            found.append(_event(row))
        return found

    def _at_versions(self, _: Session, names: list[str], versions: list[int]) -> Any:
        wanted = zip(names, versions, strict=True)
        rows = [row for one in wanted if (row := self._postgres.tables.event(*one))]
        return [
            Named(
                account_id=row.account_id,
                version=row.version,
                event_id=row.event_id,
                booked=row.booked_after,
                held=row.held_after,
                overdraft_limit=row.overdraft_limit_after,
                hash=row.hash.hex(),
                body=row.body,
            )
            for row in rows
        ]

    # The relay.

    def _identity(self, _: Session) -> list[Any]:
        timeline_id = self._postgres.timeline_id
        return [{"system_identifier": SYSTEM_IDENTIFIER, "timeline_id": timeline_id}]

    def _checkpoint(self, _: Session, shard: int) -> list[Any]:
        stored = self._postgres.checkpoints.get(shard)
        if stored is None:
            return []
        return [
            {
                "epoch": stored.epoch,
                "snapshot": stored.snapshot.text(),
                "frozen_snapshot": None if stored.frozen is None else stored.frozen.text(),
                "window_last_position": stored.last_position,
                "system_identifier": stored.system_identifier,
                "timeline_id": stored.timeline_id,
            }
        ]

    def _try_lock(self, session: Session, lock_class: int, shard: int) -> list[Any]:
        key = (lock_class, shard)
        return [(self._postgres.locks.try_take(key, session, for_session=True),)]

    def _next_epoch(
        self, session: Session, shard: int, system_identifier: int, timeline_id: int
    ) -> list[Any]:
        after = self._postgres.checkpoints[shard].copy()
        after.epoch += 1
        after.system_identifier, after.timeline_id = system_identifier, timeline_id
        self._put_checkpoint(session, shard, after)
        return [(after.epoch,)]

    def _save(
        self,
        session: Session,
        shard: int,
        epoch: int,
        snapshot: str,
        frozen: str | None,
        last_position: int | None,
    ) -> str:
        before = self._postgres.checkpoints[shard]
        if before.epoch != epoch:
            return "UPDATE 0"
        after = before.copy()
        after.snapshot = Snapshot.parse(snapshot)
        after.frozen = None if frozen is None else Snapshot.parse(frozen)
        if frozen is not None:
            self._postgres.world.saw("a window was frozen")
        after.last_position = last_position
        self._postgres.on_checkpoint(shard, session, after)
        self._put_checkpoint(session, shard, after)
        return "UPDATE 1"

    def _put_checkpoint(self, session: Session, shard: int, after: Checkpoint) -> None:
        checkpoints = self._postgres.checkpoints
        before = checkpoints[shard]
        self._write(
            session,
            lambda _: checkpoints.__setitem__(shard, after),
            lambda: checkpoints.__setitem__(shard, before),
        )

    def _end_holder(self, session: Session, lock_class: int, shard: int) -> list[Any]:
        holder = self._postgres.locks.holder((lock_class, shard))
        if not isinstance(holder, Session) or holder is session:
            return [(0,)]
        self._postgres.end_session(holder)
        self._postgres.world.saw("a holder of a shard was ended")
        return [(1,)]

    def _rows(self, shard: int, wanted: Callable[[Stored], bool], limit: int) -> list[Any]:
        found = [
            stored.row
            for table in self._postgres.outbox
            for stored in table
            if stored.shard == shard and wanted(stored)
        ]
        return sorted(found)[:limit]

    async def _head(
        self, _: Session, shard: int, xmax1: int, xmax2: int, s2: Any, ended: Any, limit: int
    ) -> list[Any]:
        await self._tables_free()
        newer, late = Snapshot(*s2), set(ended)

        def wanted(stored: Stored) -> bool:
            xid = stored.xid
            return xid in late or (xmax1 <= xid < xmax2 and sees(newer, xid))

        return self._rows(shard, wanted, limit)

    async def _backlog(
        self, _: Session, shard: int, position: int, s2: Any, s1: Any, limit: int
    ) -> list[Any]:
        await self._tables_free()
        newer, older = Snapshot(*s2), Snapshot(*s1)
        return self._rows(
            shard,
            lambda stored: (
                stored.row.position > position
                and sees(newer, stored.xid)
                and not sees(older, stored.xid)
            ),
            limit,
        )

    async def _tables_free(self) -> None:
        while self._postgres.table_locks:  # noqa: ASYNC110 - the condition is the fake's own state
            await asyncio.sleep(_LOOK_AGAIN_S)

    def _unpublished(
        self, _: Session, shard: int, xmin: int, snapshot: Any, limit: int
    ) -> list[Any]:
        known = Snapshot(*snapshot)
        found = self._rows(
            shard, lambda stored: stored.xid >= xmin and not sees(known, stored.xid), limit
        )
        return [(len(found),)]

    # Rotation.

    def _try_turn(self, session: Session, lock_class: int, number: int) -> list[Any]:
        return [(self._postgres.locks.try_take((lock_class, number), session),)]

    def _switch(self, session: Session, before: int, after: int) -> str:
        postgres = self._postgres
        if postgres.current_table != before:
            return "UPDATE 0"

        def put(table: int) -> None:
            postgres.current_table = table

        self._write(session, lambda _: put(after), lambda: put(before))
        return "UPDATE 1"

    def _sizes(self, _session: Session, shards: int) -> list[Any]:
        found = []
        for number, name in enumerate(outbox.TABLES):
            rows = self._postgres.outbox[number]
            oldest = [
                next((one.row.value for one in rows if one.shard == shard), None)
                for shard in range(shards)
            ]
            found.append((name, 8192, len(rows), [value for value in oldest if value]))
        return found

    def _published(self, rows: list[Stored], from_xid: str) -> list[Any]:
        checkpoints = self._postgres.checkpoints
        asked = [one for one in rows if one.xid >= int(from_xid)]
        is_published = all(sees(checkpoints[one.shard].snapshot, one.xid) for one in asked)
        return [{"is_published": is_published, "seen_below": str(self._postgres.snapshot()[0])}]

    async def _lock_table(self, session: Session, number: int) -> str:
        try:
            async with asyncio.timeout(TABLE_LOCK_WAIT_S):
                while self._postgres.writers_of(number, session):  # noqa: ASYNC110 - the condition is the fake's own state
                    await asyncio.sleep(_LOOK_AGAIN_S)
        except TimeoutError:
            raise asyncpg.LockNotAvailableError("canceling statement: lock timeout") from None
        self._postgres.table_locks[number] = session
        return "LOCK TABLE"

    def _truncate(self, session: Session, number: int) -> str:
        rows = self._postgres.outbox[number]
        transaction = session.transaction
        assert transaction is not None
        # A transaction that gives a table a new file waits for the disk, whatever it is told.
        transaction.is_durable = True
        self._write(session, lambda _: rows.clear(), lambda: None)
        self._postgres.world.saw("an outbox table was emptied")
        return "TRUNCATE TABLE"


class Named(dict[str, Any]):
    """A row as asyncpg gives it: by name, and as a sequence of its values."""

    def __iter__(self) -> Any:
        return iter(self.values())


def _event(row: EventRow) -> tuple[Any, ...]:
    at = (row.account_id, row.version, row.position)
    return (*at, row.type, row.recorded_at, row.hash, row.body)


def _integers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]
