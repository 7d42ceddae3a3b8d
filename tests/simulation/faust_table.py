"""What the product's table `balances` sees of Faust: databases, their disk, a changelog."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from chronos.stream.publisher import Publisher
from chronos.wire.balance import Balance
from tables.balances import BalancesTable, ChangelogRecord
from tables.store import VersionedStore
from tests.simulation.faust_app import SimApp


class Database(dict[bytes, bytes]):
    """One partition's database, with what is called of rocksdict's."""

    def items(self, *, from_key: bytes) -> Any:  # type: ignore[override]
        return [(key, self[key]) for key in sorted(self) if key >= from_key]

    def write(self, batch: WriteBatch) -> None:
        self.update(batch.values)


class WriteBatch:
    """Stands for rocksdict's."""

    def __init__(self, *, raw_mode: bool):
        del raw_mode
        self.values: dict[bytes, bytes] = {}

    def put(self, key: bytes, value: bytes) -> None:
        self.values[key] = value


class Disk:
    """The storage of the table in one slot's folder; it stays when the process is killed."""

    def __init__(self) -> None:
        self._all: dict[int, Database] = {}
        self._dbs: dict[int, Database] = {}
        self._offsets: dict[int, int] = {}

    def open(self, partitions: frozenset[int]) -> None:
        self._dbs = {n: self._all.setdefault(n, Database()) for n in sorted(partitions)}

    def _db_for_partition(self, partition: int) -> Database:
        return self._all.setdefault(partition, Database())

    def persisted_offset(self, place: TP) -> int:
        return self._offsets.get(place.partition, -1)

    def set_persisted_offset(self, place: TP, offset: int) -> None:
        self._offsets[place.partition] = offset


class SimTable(BalancesTable):
    """The product's table on such a disk, without Faust."""

    def __init__(self, app: SimApp, disk: Disk):
        self._app: Any = app
        self._changelog = app.names.balances_changelog
        self._publisher = Publisher("kafka", client_id="changelog")
        self._waiters = {}
        self._waiting = 0
        self.partitions = app.settings.partitions
        # A process that starts again opens nothing before it is assigned.
        disk.open(frozenset())
        self._disk = disk
        self.table: Any = SimpleNamespace(data=disk)
        app.table = self

    def write(self, changed: Sequence[tuple[int, Balance]]) -> list[ChangelogRecord]:
        for _, balance in changed:
            self._app.world.trace(f"table {balance.account_id} = {balance.version}")
        return super().write(changed)

    async def recover(self, assigned: frozenset[int]) -> None:
        """Opens what is assigned, filled from the changelog, and closes everything else."""
        self._app.owned = frozenset()
        self._disk.open(frozenset())
        disk: Any = self._disk
        for partition in sorted(assigned):
            await self._app.kafka.network.travel()
            await self._app.kafka.until_up()
            place = TP(self._changelog, partition)
            log = self._app.kafka.log(place)
            newest: dict[Any, int] = {}
            for record in log[self._disk.persisted_offset(place) + 1 :]:
                message = SimpleNamespace(
                    partition=partition, key=record.key, value=record.value
                )
                event: Any = SimpleNamespace(message=message)
                # The product's own rule of what a changelog may bring.
                if VersionedStore._is_news(disk, event, newest):
                    self._disk._db_for_partition(partition)[record.key] = record.value
            self._disk.set_persisted_offset(place, len(log) - 1)
        self._disk.open(assigned)
        self._app.owned = assigned
