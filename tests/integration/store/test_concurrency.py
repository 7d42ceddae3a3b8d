"""Many writers at once: one decision per key, no lost update, no deadlock, no gap."""

from __future__ import annotations

import asyncio
import random

import pytest

from chronos.domain.chart import AccountKind
from tests.builders import attempt, open_account, transfer
from tests.integration.store.rivals import until_someone_waits
from tests.journals import code, document

GAPS = """
SELECT account_id
FROM events
GROUP BY account_id
HAVING min(version) <> 1 OR max(version) <> count(*)
"""
DISAGREEMENTS = """
SELECT account_id
FROM (
  SELECT
    account_id,
    booked_after,
    sum(coalesce(amount, 0)) OVER (PARTITION BY account_id ORDER BY version) AS summed
  FROM events
) AS running
WHERE booked_after <> summed
"""
BACKWARDS = """
SELECT account_id
FROM (
  SELECT
    account_id,
    position - lag(position) OVER versions AS step,
    recorded_at - lag(recorded_at) OVER versions AS time_step
  FROM events
  WINDOW versions AS (PARTITION BY account_id ORDER BY version)
) AS steps
WHERE step <= 0 OR time_step < interval '0'
"""


@pytest.mark.usefixtures("funded")
async def test_fifty_posts_of_one_key_over_two_processes_book_once(stores, owner):
    same = attempt(transfer("alice", "bob", 250))

    receipts = await asyncio.gather(
        *(stores[number % 2].journal.submit(same) for number in range(50))
    )

    booked = [r for r in receipts if r.status == 201]
    assert len({r.body for r in booked}) == 1
    assert sum(not r.replayed for r in booked) == 1
    assert {code(r) for r in receipts if r.status != 201} <= {"idempotency_in_progress"}
    assert await owner.fetchval("SELECT count(*) FROM events WHERE amount IS NOT NULL") == 2


async def test_one_transfer_id_on_disjoint_accounts_is_booked_once(stores, owner):
    names = ("a", "b", "c", "d")
    for name in names:
        await stores[0].journal.submit(
            attempt(open_account(name, kind=AccountKind.SETTLEMENT), f"open-{name}")
        )

    receipts = await asyncio.gather(
        stores[0].journal.submit(attempt(transfer("a", "b", transfer_id="same"), "k1")),
        stores[1].journal.submit(attempt(transfer("c", "d", transfer_id="same"), "k2")),
    )

    assert sorted(r.status for r in receipts) == [201, 409]
    assert [code(r) for r in receipts if r.status == 409] == ["transfer_exists"]
    assert await owner.fetchval("SELECT count(*) FROM events WHERE transfer_id = 'same'") == 2


async def test_one_account_id_opened_by_two_processes_is_opened_once(stores, owner):
    receipts = await asyncio.gather(
        *(
            stores[number % 2].journal.submit(
                attempt(open_account("new", external_id="e"), f"k{number}")
            )
            for number in range(8)
        )
    )

    assert sorted(r.status for r in receipts) == [201] + [409] * 7
    assert await owner.fetchval("SELECT count(*) FROM accounts") == 1


async def test_forty_hot_accounts_lose_no_update_and_never_deadlock(stores, owner):
    accounts = [f"hot-{number}" for number in range(40)]
    for name in accounts:
        await stores[0].journal.submit(
            attempt(open_account(name, kind=AccountKind.SETTLEMENT), f"open-{name}")
        )
    seeded = random.Random(20)

    async def client(number: int) -> list[int]:
        statuses = []
        for step in range(25):
            half = accounts[:20] if number % 2 else accounts[20:]
            source, destination = seeded.choice(half), seeded.choice(accounts)
            if source == destination:
                continue
            name = f"c{number}-{step}"
            receipt = await stores[number % 2].journal.submit(
                attempt(transfer(source, destination, 1, transfer_id=name), name)
            )
            statuses.append(receipt.status)
        return statuses

    answers = await asyncio.gather(*(client(number) for number in range(40)))

    booked = [status for statuses in answers for status in statuses]
    assert set(booked) == {201}
    transfers = await owner.fetchval("SELECT count(DISTINCT transfer_id) FROM events")
    assert transfers == len(booked)
    for wrong in (GAPS, DISAGREEMENTS, BACKWARDS):
        assert await owner.fetch(wrong) == []
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert await owner.fetchval(deadlocks) == 0


async def test_a_lost_race_is_decided_again_with_the_winner_in_sight(database, store, owner):
    """A writer without our locks takes the id; the unique key refuses, the core decides."""
    journal = store.journal
    for name in ("alice", "bob"):
        await journal.submit(
            attempt(open_account(name, kind=AccountKind.SETTLEMENT), f"open-{name}")
        )
    rival = await _uncommitted_account(owner)

    opening = asyncio.create_task(journal.submit(attempt(open_account("carol"), "k-carol")))
    neighbour = asyncio.create_task(journal.submit(attempt(transfer("alice", "bob"), "k-move")))
    await until_someone_waits(database.owner_dsn)
    await rival.commit()

    assert code(await opening) == "account_exists"
    assert (await neighbour).status == 201


async def test_what_a_command_answers_is_what_the_journal_keeps(funded, store):
    receipt = await funded.submit(attempt(transfer("alice", "bob", 250)))

    events = await store.reads.events_of("bob", 1)
    account = await store.reads.account("bob")

    assert account is not None
    assert [event.version for event in events] == [2]
    assert document(receipt)["position"] == events[-1].position
    assert (account.state.booked, account.state.version) == (250, 2)


async def _uncommitted_account(owner):
    rival = owner.transaction()
    await rival.start()
    await owner.execute(
        "INSERT INTO accounts (account_id, currency, kind, opened_at)"
        " VALUES ('carol', 'EUR', 'customer', now())"
    )
    await owner.execute(
        """
        INSERT INTO events (
          position, account_id, version, event_id, type, schema_version, currency, booked_after,
          held_after, overdraft_limit_after, status_after, principal, value_date, recorded_at,
          hash, body
        )
        VALUES (
          nextval('journal_position'), 'carol', 1, gen_random_uuid(), 'AccountOpened', 1, 'EUR',
          0, 0, 0, 0, 'rival', current_date, now(), decode(repeat('00', 32), 'hex'), '{}'
        )
        """
    )
    return rival
