"""The journal is only ever added to, whoever asks."""

from __future__ import annotations

import asyncpg
import pytest

from tests.builders import attempt, transfer

JOURNAL = ("accounts", "events", "receipts")
COLUMN = {"accounts": "kind", "events": "amount", "receipts": "status"}


@pytest.fixture(autouse=True)
async def _rows(funded):
    await funded.submit(attempt(transfer("alice", "bob", 250)))


@pytest.mark.parametrize("table", JOURNAL)
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET {c} = {c}", "DELETE FROM {}", "TRUNCATE {}"]
)
async def test_the_writer_has_no_right_to_change(writer, table, statement):
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        await writer.execute(statement.format(table, c=COLUMN[table]))


@pytest.mark.parametrize("table", JOURNAL)
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET {c} = {c}", "DELETE FROM {}", "TRUNCATE {}"]
)
async def test_the_owner_is_refused_by_a_trigger(owner, table, statement):
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only ever added to"):
        await owner.execute(statement.format(table, c=COLUMN[table]))


async def test_a_session_that_calls_itself_a_replica_is_refused_too(owner):
    await owner.execute("SET session_replication_role = replica")

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only ever added to"):
        await owner.execute("DELETE FROM events")


@pytest.mark.parametrize("table", ["outbox_0", "outbox_1", "outbox_2"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET topic = topic", "DELETE FROM {}"])
async def test_nobody_but_the_owner_may_change_the_outbox(database, writer, table, statement):
    relay = await asyncpg.connect(database.relay_dsn)
    try:
        for connection in (writer, relay):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement.format(table))
    finally:
        await relay.close()


async def test_the_writer_cannot_forge_a_transaction_id(writer):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await writer.execute(
            "INSERT INTO outbox_0 (position, xid, shard, partition, topic, key, headers, value)"
            " VALUES (1, '1', 0, 0, 't', '', '', '')"
        )


async def test_the_reader_cannot_write(database):
    reader = await asyncpg.connect(database.reader_dsn)
    try:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await reader.execute("CREATE TABLE mine (number integer)")
        assert await reader.fetchval("SELECT count(*) FROM events") == 4
    finally:
        await reader.close()


async def test_an_entry_that_does_not_sum_to_zero_is_refused(writer):
    with pytest.raises(asyncpg.CheckViolationError, match="does not sum to zero") as refused:
        await writer.execute(
            """
            INSERT INTO events (
              position, account_id, version, event_id, type, schema_version, transfer_id, leg,
              currency, amount, booked_after, held_after, status_after, principal, value_date,
              recorded_at, hash, body
            )
            SELECT
              1000 + leg, account_id, 100, gen_random_uuid(), 'MoneyMoved', 1, 'odd', leg,
              'EUR', amount, 0, 0, 0, 'tester', current_date, now(),
              decode(repeat('00', 32), 'hex'), ''
            FROM (VALUES ('alice', 0, -100), ('bob', 1, 99)) AS posted (account_id, leg, amount)
            """
        )

    assert refused.value.constraint_name == "events_zero_sum"
