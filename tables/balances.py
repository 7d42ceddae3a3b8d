"""The table `balances`: account id -> the account after its newest event.

The agent is its only writer: one write per key and batch, each sent to the changelog, whose
acknowledgement the writer awaits before it acknowledges the events. RocksDB holds the table,
one database per partition, in this process's own folder. Faust makes the changelog's topic and
fills the table from it; the writes are our own, a batch at a time (`write`, `keep`): Faust's
own way, a message and four tasks for each value, costs five times the work on the event.
A partition's database is never kept in a variable across an await: RocksDB frees its lock file
only with the last reference, and a rebalance waits for that.

A view may wait until an account reaches a version. A waiter is a future in a list of its key;
the writer resolves it right after the table write. Nothing polls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import rocksdict
from faust.types import TP

from chronos.errors import InvariantBroken, Overloaded, SettingFault
from chronos.stream.app import ChronosApp, table_options
from chronos.stream.publisher import Publisher
from chronos.wire.balance import Balance, decode_balance, encode_balance
from chronos.wire.event_shapes import EventShape
from chronos.wire.lean_fold import fold_shape
from chronos.wire.topics import Names
from tables.store import VersionedTable

NAME = "balances"
PAGE_BALANCES_MAX = 500
WAITERS_MAX = 20_000
# Faust keeps its own row in each database: the changelog offset up to which it is filled.
_OFFSET_KEY = b"__faust\0offset__"


_NO_HEADERS = b"\x90"
"""An empty list of headers, as the outbox packs them."""


class ChangelogRecord(NamedTuple):
    """One value on its way to the changelog."""

    topic: str
    partition: int
    position: int
    key: bytes
    value: bytes
    headers: bytes = _NO_HEADERS


class BalancesTable:
    """Reads and writes the Faust table, partition by partition.

    Args:
        app: The Faust app of the balances worker.
        names: Derives the name of the changelog topic.
        partitions: Equal to the partitions of the events topic.
    """

    def __init__(self, app: ChronosApp, names: Names, *, partitions: int):
        self._app = app
        settings = app.settings
        self._publisher = Publisher(
            settings.kafka, client_id=f"{app.role}-{settings.slot}-changelog"
        )
        self._changelog = names.balances_changelog
        self._waiters: dict[bytes, list[tuple[int, asyncio.Future[None]]]] = {}
        self._waiting = 0
        self.partitions = partitions
        table: Any = VersionedTable(
            app,
            name=NAME,
            beacon=app.tables.beacon,
            key_type=bytes,
            value_type=bytes,
            partitions=partitions,
            options=table_options(),
            help="account id -> balance after its newest event",
        )
        app.tables.add(table)
        self.table = table
        if table.changelog_topic_name != self._changelog:
            raise SettingFault(
                "namespace", f"the changelog would be {table.changelog_topic_name}"
            )

    @property
    def is_ready(self) -> bool:
        """Tells whether the table is filled and no rebalance is under way."""
        return bool(self._app.tables.actives_ready) and not self._app.rebalancing

    def owns(self, partition: int) -> bool:
        """Tells whether this worker keeps a partition of the table."""
        is_active = self._app.assignor.is_active(TP(self._changelog, partition))
        return is_active and partition in self._databases

    def owned(self) -> list[int]:
        """Lists the partitions that this worker keeps."""
        return [partition for partition in range(self.partitions) if self.owns(partition)]

    def owner_url(self, partition: int) -> str | None:
        """Gives the address of the worker that keeps a partition, as the group last agreed."""
        place = TP(self._changelog, partition)
        for url, topics in self._app.assignor.tables_metadata().items():
            if partition in topics.get(place.topic, ()):
                return str(url)
        return None

    def read(self, key: bytes, partition: int) -> Balance | None:
        """Reads the newest value of a key of an owned partition.

        Raises:
            KeyError: The partition is not open here.
            InvariantBroken: The stored bytes are not a balance.
        """
        value = self._databases[partition].get(key)
        return None if value is None else _decoded(key, value)

    async def open(self) -> None:
        """Opens nothing: the producer starts with the first write."""

    async def close(self) -> None:
        """Closes the producer of the changelog."""
        await self._publisher.close()

    def write(self, changed: Sequence[tuple[int, Balance]]) -> list[ChangelogRecord]:
        """Writes values, each with its partition, and wakes who waits for them.

        Returns:
            What is to be kept in the changelog before the events are acknowledged.
        """
        batches: dict[int, Any] = {}
        records: list[ChangelogRecord] = []
        topic = self._changelog
        for partition, balance in changed:
            key, value = balance.account_id.encode(), encode_balance(balance)
            batch = batches.get(partition)
            if batch is None:
                batch = batches[partition] = rocksdict.WriteBatch(raw_mode=True)
            batch.put(key, value)
            records.append(ChangelogRecord(topic, partition, balance.position, key, value))
        for partition, batch in batches.items():
            self._databases[partition].write(batch)
        if self._waiters:
            for _, balance in changed:
                self._wake(balance.account_id.encode(), balance.version)
        return records

    async def keep(self, records: Sequence[ChangelogRecord]) -> None:
        """Has Kafka keep what was written, and notes how far the databases go.

        Raises:
            Unavailable: Kafka did not take it all; it may be given again.
        """
        ends = await self._publisher.publish(records)
        for (topic, partition), offset in ends.items():
            # A partition may have left while Kafka was asked; its next keeper reads on.
            if partition in self._databases:
                self.table.data.set_persisted_offset(TP(topic, partition), offset)

    def page(self, partition: int, after: bytes) -> list[Balance]:
        """Reads the next balances of an owned partition in the order of their keys.

        Args:
            partition: The partition; one that is not open here has no balances.
            after: The last key of the page before; empty for the first page.
        """
        database = self._databases.get(partition)
        if database is None:
            return []
        balances: list[Balance] = []
        for key, value in database.items(from_key=after + b"\0" if after else b"\0"):
            if key != _OFFSET_KEY:
                balances.append(_decoded(key, value))
                if len(balances) >= PAGE_BALANCES_MAX:
                    break
        return balances

    async def wait_for(self, key: bytes, version: int, *, timeout_s: float) -> None:
        """Returns when a value of at least this version was written here, or time is over.

        Raises:
            Overloaded: Too many readers wait already.
        """
        if self._waiting >= WAITERS_MAX:
            raise Overloaded("balances", f"{WAITERS_MAX} readers wait for a version already")
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(key, []).append((version, reached))
        self._waiting += 1
        try:
            await asyncio.wait((reached,), timeout=timeout_s)
        finally:
            self._waiting -= 1
            left = [waiter for waiter in self._waiters.get(key, ()) if waiter[1] is not reached]
            if left:
                self._waiters[key] = left
            else:
                self._waiters.pop(key, None)

    def _wake(self, key: bytes, version: int) -> None:
        for wanted, reached in self._waiters.get(key, ()):
            if wanted <= version and not reached.done():
                reached.set_result(None)

    @property
    def _databases(self) -> dict[int, Any]:
        # Faust's own look-up opens a database that is absent and asks all partitions in turn.
        # There is no public look-up by partition.
        databases: dict[int, Any] = self.table.data._dbs  # noqa: SLF001 - see above
        return databases


class Batch:
    """Folds the events of one batch; the table stays as it is until the writes are taken.

    Reads its own writes: the second event of an account sees the first one's balance.
    """

    def __init__(self, table: BalancesTable):
        self._table = table
        self._known: dict[bytes, Balance | None] = {}
        self._writes: dict[bytes, tuple[int, Balance]] = {}

    @property
    def writes(self) -> Sequence[tuple[int, Balance]]:
        """Gives the newest balance of each changed account, with its partition."""
        return list(self._writes.values())

    def balance(self, key: bytes, partition: int) -> Balance | None:
        """Reads an account as this batch has left it so far."""
        if key not in self._known:
            self._known[key] = self._table.read(key, partition)
        return self._known[key]

    def apply(self, partition: int, shape: EventShape, body: bytes, digest: bytes) -> Balance:
        """Folds an account's next event.

        Args:
            partition: The account's partition.
            shape: The event, read from its bytes.
            body: Its stored bytes.
            digest: Its hash, 32 bytes.

        Raises:
            InvariantBroken: The event does not continue the account's history.
        """
        key = shape.account_id.encode()
        before = self.balance(key, partition)
        after = fold_shape(before, shape, body, digest)
        self._known[key] = after
        self._writes[key] = (partition, after)
        return after

    def write_again(self, partition: int, balance: Balance) -> None:
        """Plans the write of an unchanged value, for a changelog that may lack it."""
        self._writes.setdefault(balance.account_id.encode(), (partition, balance))


def _decoded(key: bytes, value: bytes) -> Balance:
    try:
        return decode_balance(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        account_id = key.decode(errors="replace")
        raise InvariantBroken(
            f"The table holds something else than a balance for account {account_id}: {error}. "
            "Stop the worker, delete its state folder and start it again.",
            account_id=account_id,
        ) from error
