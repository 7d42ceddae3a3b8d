"""Due holds on a real index: what is found, by which clock, and at what cost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from chronos.domain.commands import CaptureHold, PlaceHold, VoidHold
from chronos.domain.ids import AccountId, HoldId, TransferId
from chronos.store import due_holds
from chronos.store.due_holds import DueHold, DueHoldReads, DueHolds
from chronos.store.pool import LOOKUPS_ONLY
from tests.builders import attempt
from tests.journals import document

OLD_HOLDS = """
INSERT INTO events (
  position, account_id, version, event_id, type, schema_version, hold_id, expires_at, currency,
  booked_after, held_after, status_after, principal, value_date, recorded_at, hash, body
)
SELECT
  nextval('journal_position'), 'old_' || n, version, gen_random_uuid(), type, 1, 'hold_' || n,
  CASE WHEN version = 1 THEN $1::timestamptz + n * interval '1 second' END, 'EUR',
  0, 0, 0, 'test', current_date, $1::timestamptz, sha256('x'), 'x'
FROM
  generate_series(1, $2::integer) AS n,
  (VALUES (1, 'HoldPlaced'), (2, 'HoldExpired')) AS life (version, type)
"""


def place(hold_id: str, expires_at: datetime | None) -> PlaceHold:
    return PlaceHold(
        hold_id=HoldId(hold_id),
        account_id=AccountId("alice"),
        amount=5,
        currency="EUR",
        expires_at=expires_at,
        description=None,
        metadata={},
        expected_versions={},
    )


def capture(hold_id: str) -> CaptureHold:
    return CaptureHold(
        hold_id=HoldId(hold_id),
        transfer_id=TransferId(f"trf_{hold_id}"),
        destination=AccountId("bob"),
        amount=None,
        description=None,
        value_date=None,
        metadata={},
        expected_versions={},
    )


@pytest.fixture
def reads(store):
    return DueHoldReads(store.pool, rows_max=500)


async def all_due(due: DueHolds) -> list[str]:
    return [hold.hold_id async for page in due.due() for hold in page]


async def submit(store, command, key: str):
    account = (AccountId("alice"),)
    receipt = await store.journal.submit(attempt(command, key, also=account))
    assert receipt.status < 400, document(receipt)


async def test_open_holds_are_due_by_the_clock_of_postgresql(store, funded, owner, reads):
    assert funded is store.journal
    soon = await owner.fetchval("SELECT clock_timestamp() + interval '0.5 second'")
    for name, expires_at in {
        "due": soon,
        "captured": soon,
        "voided": soon,
        "later": soon + timedelta(hours=1),
        "never": None,
    }.items():
        await submit(store, place(name, expires_at), f"place-{name}")
    await submit(store, capture("captured"), "capture")
    await submit(
        store,
        VoidHold(hold_id=HoldId("voided"), description=None, expected_versions={}),
        "void",
    )
    due = DueHolds(reads)

    assert await all_due(due) == []
    pause_s = await due.pause_s(60)
    assert 0 < pause_s <= 0.5
    await asyncio.sleep(pause_s)
    assert await all_due(due) == ["due"]
    assert due.began_at >= soon
    assert await due.pause_s(60) == 60


async def test_a_pass_after_the_first_looks_at_no_old_hold(owner, reads, monkeypatch):
    await owner.execute(OLD_HOLDS, datetime(2020, 1, 1, tzinfo=UTC), 2_600)
    pages = []
    page = reads.page

    async def noted(after, until):
        pages.append(after)
        return await page(after, until)

    monkeypatch.setattr(reads, "page", noted)
    due = DueHolds(reads)

    assert await all_due(due) == []
    assert len(pages) == 6
    assert await all_due(due) == []
    assert len(pages) == 7


async def test_old_open_holds_are_found_between_ended_ones(owner, reads):
    since = datetime(2020, 1, 1, tzinfo=UTC)
    await owner.execute(OLD_HOLDS, since, 1_200)
    await owner.execute("ALTER TABLE events DISABLE TRIGGER events_never_change")
    await owner.execute(
        "DELETE FROM events WHERE type = 'HoldExpired' AND hold_id ~ '_(7|1100)$'"
    )
    await owner.execute("ALTER TABLE events ENABLE ALWAYS TRIGGER events_never_change")

    found = [hold async for page in DueHolds(reads).due() for hold in page]

    assert found == [
        DueHold(since + timedelta(seconds=7), HoldId("hold_7")),
        DueHold(since + timedelta(seconds=1100), HoldId("hold_1100")),
    ]


async def test_every_statement_is_a_walk_of_an_index(database):
    connection = await asyncpg.connect(database.writer_dsn, server_settings=dict(LOOKUPS_ONLY))
    try:
        page = await generic_plan(connection, due_holds._PAGE, "now(), now(), '', 9")
        following = await generic_plan(connection, due_holds._NEXT, "now()")
    finally:
        await connection.close(timeout=5)

    for plan in (page, following):
        assert "events_hold_expiry" in plan
        assert "Seq Scan" not in plan
    assert "events_hold_ended" in page
    _, _, conditions = page.partition("using events_hold_expiry")
    condition = conditions.splitlines()[1]
    assert "Index Cond" in condition
    assert "expires_at <= $1" in condition
    assert "ROW(expires_at, hold_id) > ROW($2, $3)" in condition


async def generic_plan(connection, statement: str, arguments: str) -> str:
    """The plan that a prepared statement keeps, whatever its arguments."""
    await connection.execute(f"PREPARE looked_at AS {statement}")
    rows = await connection.fetch(f"EXPLAIN EXECUTE looked_at ({arguments})")
    await connection.execute("DEALLOCATE looked_at")
    return "\n".join(row[0] for row in rows)


async def test_the_oldest_open_transaction_of_another_writer_is_seen(database, reads):
    before = await reads.moment()
    other = await asyncpg.connect(database.writer_dsn)
    try:
        async with other.transaction():
            begun_at = await other.fetchval("SELECT now()")
            during = await reads.moment()
    finally:
        await other.close(timeout=5)

    assert during.oldest_transaction == begun_at
    assert before.now <= begun_at <= during.now
