"""A long transaction is inserted in parts, each while the next is decided; it stays one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from chronos.domain.chart import AccountKind
from chronos.errors import InvariantBroken
from chronos.ledger.needs import needs_of
from chronos.store import pool
from chronos.store.event_store import Conflict, EventStore
from chronos.store.found import Prepared
from tests import waiting
from tests.builders import attempt, open_account, transfer
from tests.journals import rules

TRANSACTIONS = "SELECT count(DISTINCT xid) FROM outbox_0"
EVENTS = "SELECT count(*) FROM events"
INSERTING = """
SELECT count(*)
FROM pg_locks
WHERE NOT granted
  AND relation = 'events'::regclass
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
LENGTH = 20


def prepared(*attempts):
    return [Prepared.of(one, needs_of) for one in attempts]


def moves(name, count=LENGTH, **changes):
    return prepared(
        *(
            attempt(transfer("a", "b", 1, transfer_id=f"{name}-{n}", **changes), f"{name} {n}")
            for n in range(count)
        )
    )


@pytest.fixture
async def lane(database):
    """A lane that inserts each command by itself, with the accounts a and b."""
    store = EventStore(database.writer_dsn, rules(part_events=1))
    opened = [attempt(open_account(n, kind=AccountKind.SETTLEMENT), f"open-{n}") for n in "ab"]
    await store.commit(prepared(*opened))
    yield store
    await store.close()


async def test_all_parts_are_one_transaction(lane, owner):
    booked = await lane.commit(moves("t"))

    assert [receipt.status for receipt in booked.receipts] == [201] * LENGTH
    assert len(booked.event_rows) == 2 * LENGTH
    assert await owner.fetchval(EVENTS) == 2 + 2 * LENGTH
    assert await owner.fetchval(TRANSACTIONS) == 2


async def test_a_part_that_loses_a_race_takes_the_others_with_it(lane, owner):
    await lane.commit(moves("t", 1))
    sent = [*moves("u", 3), *moves("t", 1), *moves("v", 3)]
    # The look-up misses what is there, as it would if it had been committed a moment later.
    own = lane._rules
    lane._rules = replace(
        own,
        book_in_parts=lambda attempts, found: own.book_in_parts(
            attempts, replace(found, transfers=frozenset(), receipts={})
        ),
    )

    with pytest.raises(Conflict):
        await lane.commit(sent)

    lane._rules = own
    assert await owner.fetchval(EVENTS) == 4
    booked = await lane.commit(moves("w"))
    assert {receipt.status for receipt in booked.receipts} == {201}


async def test_a_mistake_while_a_part_is_inserted_leaves_nothing_and_the_lane_goes_on(
    lane, owner
):
    own = lane._rules

    def broken(attempts, found):
        parts = own.book_in_parts(attempts, found)
        yield next(parts)
        yield next(parts)
        raise InvariantBroken("a mistake of ours")

    lane._rules = replace(own, book_in_parts=broken)
    with pytest.raises(InvariantBroken, match="a mistake of ours"):
        await lane.commit(moves("t"))
    lane._rules = own

    assert await owner.fetchval(EVENTS) == 2
    connection = lane._connection
    await lane.commit(moves("t"))
    assert lane._connection is connection
    assert await owner.fetchval(EVENTS) == 2 + 2 * LENGTH


async def test_who_gives_up_while_a_part_is_inserted_leaves_nothing(lane, owner, database):
    holder = await pool.connect(database.owner_dsn, application_name="holder", deadline_s=5)
    async with holder.transaction():
        await holder.execute("LOCK TABLE events IN SHARE MODE")
        giving_up = asyncio.create_task(lane.commit(moves("t")))
        await waiting.until(
            lambda: owner.fetchval(INSERTING), lambda: "nobody inserts", within_s=5
        )
        giving_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await giving_up
    await pool.close(holder)

    assert await owner.fetchval(EVENTS) == 2
    await lane.commit(moves("t"))
    assert await owner.fetchval(EVENTS) == 2 + 2 * LENGTH


async def test_parts_are_inserted_while_the_next_is_decided(lane):
    """Whoever decides the next part finds the one before on its way, and not yet there."""
    own, seen = lane._rules, []
    commit = lane._append_to

    async def append_to(connection, which):
        append = await commit(connection, which)
        return Watched(append, seen)

    def watched(attempts, found):
        for part in own.book_in_parts(attempts, found):
            seen.append("decided")
            yield part

    lane._rules = replace(own, book_in_parts=watched)
    lane._append_to = append_to

    await lane.commit(moves("t", 3))

    assert seen == [
        "decided", "sent", "decided", "there", "sent", "decided", "there", "sent", "there"
    ]  # fmt: skip


class Watched:
    """A prepared insert that tells when it is sent and when it is answered."""

    def __init__(self, append, seen):
        self._append = append
        self._seen = seen

    async def fetchrow(self, *rows):
        self._seen.append("sent")
        await self._append.fetchrow(*rows)
        self._seen.append("there")
