"""The small bank of the audits, of which a part is booked while a rebuild is under way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from chronos.settings import Settings
from chronos.stream.topic_admin import open_admin
from chronos.stream.topics import ensure_topics, topic_plans
from chronos.wire.booking import OutboxRow
from chronos.wire.topics import Names, shard_of
from tests.integration.audit.conftest import (
    PARTITIONS,
    Books,
    Estate,
    estate,
    fill_elasticsearch,
    insert_books,
    journal,
    make_books,
)

__all__ = ["estate", "journal"]

EARLY_EVENTS = 44
SHARDS = 2
OUTBOX = ("position", "shard", "partition", "topic", "key", "headers", "value")


@pytest.fixture
def whole_books() -> Books:
    return make_books()


@pytest.fixture
def books(whole_books) -> Books:
    """What is booked, and in every copy, before a test begins."""
    return Books(
        accounts=whole_books.accounts,
        events=whole_books.events[:EARLY_EVENTS],
        outbox=whole_books.outbox[:EARLY_EVENTS],
    )


@dataclass
class Later:
    """What is booked later: in the journal, and in the copies as the workers write them."""

    estate: Estate
    books: Books
    whole: Books
    is_booked: bool = False

    async def book(self) -> None:
        if self.is_booked:
            return
        self.is_booked = True
        await insert_books(self.estate.targets.postgres_dsn, self.books)
        for row in self.books.outbox:
            await self.estate.publish(row)
        for name, balance in self.whole.balances().items():
            self.estate.views[name]["version"] = balance.version
            for amount in ("booked", "held", "available"):
                self.estate.views[name][amount] = getattr(balance, amount)
        await self.estate.redis.write_many(self.whole.balances().values())
        await fill_elasticsearch(self.estate.elasticsearch, self.whole)


@pytest.fixture
def later(estate, whole_books) -> Later:
    rest = Books(
        events=whole_books.events[EARLY_EVENTS:], outbox=whole_books.outbox[EARLY_EVENTS:]
    )
    return Later(estate=estate, books=rest, whole=whole_books)


class Killed(Exception):
    """Ends a rebuild where a test wants it to end."""


@dataclass
class Watched:
    """Follows a rebuild's progress, and ends it when told to."""

    kill_at: str | None = None
    phases: list[str] = field(default_factory=list)

    def __call__(self, phase: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        if phase not in self.phases:
            self.phases.append(phase)
        if phase == self.kill_at and done > 0:
            raise Killed


@pytest.fixture
async def settings(estate, tmp_path: Path) -> AsyncIterator[Settings]:
    targets = estate.targets
    made = Settings(
        namespace=targets.names.namespace,
        postgres_dsn=targets.postgres_dsn,
        kafka=targets.kafka,
        partitions=PARTITIONS,
        relay_shards=SHARDS,
        state_dir=tmp_path / "state",
    )
    await ensure_topics(made)
    yield made
    others = [plan.name for plan in topic_plans(made) if plan.name != targets.names.events]
    async with open_admin(made.kafka) as admin:
        await admin.delete(others)


def placed(rows: list[OutboxRow], names: Names) -> list[OutboxRow]:
    return [
        row._replace(shard=shard_of(row.partition, SHARDS), topic=names.events) for row in rows
    ]


async def into_outbox(dsn, names, rows: list[OutboxRow]):
    connection = await asyncpg.connect(dsn)
    table = f"outbox_{await connection.fetchval('SELECT which FROM outbox_current')}"
    await connection.copy_records_to_table(table, records=placed(rows, names), columns=OUTBOX)
    await connection.close()
