"""What must be true at every step: at each checkpoint, record and copy that is written."""

from __future__ import annotations

from collections import Counter

from chronos.mirror.redis import from_fields
from chronos.store.outbox import LOCK_CLASS
from chronos.wire.balance import Balance, decode_balance
from chronos.wire.headers import decode_headers
from tests.simulation.cluster import SHARDS, Cluster
from tests.simulation.kafka import Place, Record
from tests.simulation.postgres import Checkpoint, Session, Stored

Sent = tuple[Place, bytes, bytes]
"""Where a record goes, its key and its bytes: no two rows of the outbox have all in common."""


class Watch:
    """Sees everything that is written, and compares it with what PostgreSQL committed."""

    def __init__(self, cluster: Cluster):
        self._cluster = cluster
        self._violate = cluster.world.violate
        self._newest: Counter[bytes] = Counter()
        self._committed: dict[Sent, bytes] = {}
        self._looked_at = 0
        self._open: dict[int, list[Stored]] = {shard: [] for shard in range(SHARDS)}
        self.published: set[Sent] = set()
        cluster.postgres.on_checkpoint = self._checkpoint
        cluster.kafka.on_append = self._append
        cluster.redis.on_write = self._redis
        cluster.search.on_write = self._search

    @property
    def committed(self) -> set[Sent]:
        """Everything that the outbox has ever held."""
        self._catch_up()
        return set(self._committed)

    def _catch_up(self) -> None:
        rows = self._cluster.postgres.every_row
        for stored in rows[self._looked_at :]:
            self._committed[_sent(stored)] = stored.row.headers
            self._open[stored.shard].append(stored)
        self._looked_at = len(rows)

    def _checkpoint(self, shard: int, session: Session, after: Checkpoint) -> None:
        self._catch_up()
        if self._cluster.postgres.locks.holder((LOCK_CLASS, shard)) is not session:
            self._violate(f"the checkpoint of shard {shard} was moved without its lock")
        covered = [stored for stored in self._open[shard] if after.covers(stored)]
        lost = [one.row.position for one in covered if _sent(one) not in self.published]
        if lost:
            self._violate(f"the checkpoint of shard {shard} covers {lost}: not in Kafka")
        self._open[shard] = [one for one in self._open[shard] if one not in covered]
        self._cluster.world.trace(f"checkpoint {shard} {after.snapshot.text()}")

    def _append(self, place: Place, record: Record) -> None:
        topic, partition = place
        names = self._cluster.names
        if topic == names.balances_changelog:
            self._copy("the changelog", decode_balance(record.value))
            return
        if topic not in (names.events, names.rejections) or not record.headers:
            return
        self._catch_up()
        sent = (place, record.key, record.value)
        headers = self._committed.get(sent)
        if headers is None or decode_headers(headers) != list(record.headers):
            self._violate(f"{topic}/{partition} holds what was never committed")
        if sent in self.published:
            self._cluster.world.saw("a record was published again")
            return
        self.published.add(sent)
        if topic == names.events:
            version = int(dict(record.headers)["ce_version"])
            self._cluster.world.trace(f"{record.key.decode()} {version} is in {partition}")
            if version != self._newest[record.key] + 1:
                self._violate(
                    f"{record.key.decode()}: version {version} is published after "
                    f"{self._newest[record.key]}"
                )
            self._newest[record.key] = max(version, self._newest[record.key])

    def _redis(self, key: str, before: int, version: int) -> None:
        if version < before:
            self._violate(f"{key} went from version {before} to {version}")
        self._copy("Redis", from_fields(self._cluster.redis.hashes[key]))

    def _search(self, account_id: str, before: int, version: int) -> None:
        if version < before:
            self._violate(f"Elasticsearch went from {account_id} {before} to {version}")

    def _copy(self, where: str, balance: Balance) -> None:
        """Compares one value with the event that made it."""
        row = self._cluster.postgres.tables.event(balance.account_id, balance.version)
        told = (balance.booked, balance.held, balance.hash)
        if row is None or told != (row.booked_after, row.held_after, row.hash.hex()):
            self._violate(f"{where} has {balance.account_id} {balance.version} as {told}")


def _sent(stored: Stored) -> Sent:
    row = stored.row
    return (row.topic, row.partition), row.key, row.value
