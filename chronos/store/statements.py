"""Every statement of the command transaction, named for what it does and the lock it takes.

Reads are in `reads.py` and `journal.py`, the outbox's in `outbox.py`, each beside its use.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_WAIT_FOR: Final = """
SELECT
FROM unnest('{{{}}}'::bigint[]) AS name
WHERE pg_advisory_xact_lock(name) IS NULL
"""
_TRY: Final = """
SELECT
FROM unnest('{{{}}}'::bigint[]) AS name
WHERE NOT pg_try_advisory_xact_lock(name)
"""


def begin_and_lock(blocking: Iterable[int], tried: Iterable[int]) -> str:
    """Begins a transaction and takes its advisory locks, in one round trip.

    The numbers stand in the text, because only a text without parameters may hold several
    statements. They are integers of our own hashing. Its command tag, `SELECT n`, tells how
    many of the tried locks were not to be had.

    Args:
        blocking: Waited for, in the order given.
        tried: Tried once, after those.
    """
    waited = ",".join(map(str, blocking))
    wanted = ",".join(map(str, tried))
    return f"{_BEGIN};{_WAIT_FOR.format(waited)};{_TRY.format(wanted)}"


TRY_KEYS: Final = """
SELECT name
FROM unnest($1::bigint[]) AS name
WHERE NOT pg_try_advisory_xact_lock(name)
"""
"""Names the keys that another transaction holds; takes those that have become free since."""

READ_FOUND: Final = """
SELECT
  clock_timestamp() AS now,
  (SELECT which FROM outbox_current) AS which,
  ARRAY(SELECT nextval('journal_position') FROM generate_series(1, $1::integer)) AS positions,
  ARRAY(
    SELECT ROW(
      head.account_id, head.version, head.booked_after, head.held_after,
      head.overdraft_limit_after, head.status_after, head.open_holds_after, head.hash,
      head.recorded_at
    )
    FROM unnest($2::text[]) AS wanted (account_id)
    CROSS JOIN LATERAL (
      SELECT
        events.account_id, events.version, events.booked_after, events.held_after,
        events.overdraft_limit_after, events.status_after, events.open_holds_after, events.hash,
        events.recorded_at
      FROM events
      WHERE events.account_id = wanted.account_id
      ORDER BY events.version DESC
      LIMIT 1
    ) AS head
  ) AS heads,
  ARRAY(
    SELECT wanted.transfer_id
    FROM unnest($3::text[]) AS wanted (transfer_id)
    WHERE EXISTS (SELECT FROM events WHERE events.transfer_id = wanted.transfer_id)
  ) AS transfers,
  ARRAY(
    SELECT ROW(account.external_id, account.account_id)
    FROM unnest($4::text[]) AS wanted (external_id)
    JOIN accounts AS account ON account.external_id = wanted.external_id
  ) AS external_ids,
  ARRAY(
    SELECT ROW(
      receipt.principal, receipt.idempotency_key, receipt.request_hash, receipt.status,
      receipt.body
    )
    FROM unnest($5::text[], $6::text[]) AS wanted (principal, idempotency_key)
    JOIN receipts AS receipt
      ON receipt.principal = wanted.principal
      AND receipt.idempotency_key = wanted.idempotency_key
  ) AS receipts,
  ARRAY(
    SELECT ROW(placed.body, ended.type)
    FROM unnest($7::text[]) AS wanted (hold_id)
    CROSS JOIN LATERAL (
      SELECT events.body
      FROM events
      WHERE events.hold_id = wanted.hold_id AND events.type = 'HoldPlaced'
      LIMIT 1
    ) AS placed
    LEFT JOIN LATERAL (
      SELECT events.type
      FROM events
      WHERE events.hold_id = wanted.hold_id
        AND events.type IN ('HoldCaptured', 'HoldVoided', 'HoldExpired')
      LIMIT 1
    ) AS ended ON true
  ) AS holds,
  ARRAY(
    SELECT ROW(
      posting.transfer_id, posting.account_id, posting.amount, posting.currency,
      posting.reverses_transfer_id, reversal.transfer_id
    )
    FROM unnest($8::text[]) AS wanted (transfer_id)
    CROSS JOIN LATERAL (
      SELECT
        events.transfer_id, events.leg, events.account_id, events.amount, events.currency,
        events.reverses_transfer_id
      FROM events
      WHERE events.transfer_id = wanted.transfer_id
      OFFSET 0
    ) AS posting
    LEFT JOIN LATERAL (
      SELECT events.transfer_id
      FROM events
      WHERE events.reverses_transfer_id = wanted.transfer_id
      LIMIT 1
    ) AS reversal ON true
    ORDER BY posting.transfer_id, posting.leg
  ) AS entries,
  ARRAY(
    SELECT ROW(
      account.account_id, account.currency, account.kind, account.opened_at, account.opened_on
    )
    FROM unnest($9::text[]) AS unmet (account_id)
    JOIN accounts AS account ON account.account_id = unmet.account_id
  ) AS identities
"""
"""Reads all that a batch needs in one new snapshot, and draws its positions; no lock.

Of the accounts that the connection has met before it reads what may have changed, no more.

The sub-queries with a LIMIT or OFFSET are kept apart by the planner: it looks up each wanted
name, also when the plan is made while there are no holds, and would rather walk all of them.
"""


def append_to(outbox: int) -> str:
    """Inserts the rows of a batch or of a part of it; takes row locks on new rows only.

    One statement, so that the zero-sum trigger sees all postings of each transfer, and one
    round trip carries everything. Each parameter is an array of rows: the driver encodes rows
    in two thirds of the time that it needs for an array per column.

    Args:
        outbox: Number of the outbox table that commands write now.
    """
    return _APPEND.format(outbox=f"outbox_{outbox:d}")


_APPEND: Final = """
WITH
  into_accounts AS (
    INSERT INTO accounts (account_id, currency, kind, external_id, opened_at, opened_on)
    SELECT account_id, currency, kind, external_id, opened_at, opened_on
    FROM unnest($1::new_account[])
  ),
  into_events AS (
    INSERT INTO events (
      position, account_id, version, event_id, type, schema_version, transfer_id, leg, hold_id,
      reverses_transfer_id, expires_at, currency, amount, booked_after, held_after,
      overdraft_limit_after, status_after, principal, value_date, recorded_at, hash, body,
      open_holds_after
    )
    SELECT
      position, account_id, version, event_id, type, schema_version, transfer_id, leg, hold_id,
      reverses_transfer_id, expires_at, currency, amount, booked_after, held_after,
      overdraft_limit_after, status_after, principal, value_date, recorded_at, hash, body,
      open_holds_after
    FROM unnest($2::new_event[])
  ),
  into_outbox AS (
    INSERT INTO {outbox} (position, shard, partition, topic, key, headers, value)
    SELECT position, shard, partition, topic, key, headers, value
    FROM unnest($3::new_outbox_row[])
  ),
  into_receipts AS (
    INSERT INTO receipts (
      principal, idempotency_key, request_hash, status, body, position, account_id, recorded_at,
      command
    )
    SELECT
      principal, idempotency_key, request_hash, status, body, position, account_id, recorded_at,
      command
    FROM unnest($4::new_receipt[])
  )
SELECT
"""
