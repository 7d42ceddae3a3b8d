"""Every statement of the command transaction, named for what it does and the lock it takes.

Reads are in `reads.py` and `journal.py`, the outbox's in `outbox.py`, each beside its use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
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
      head.account_id, account.currency, account.kind, head.version, head.booked_after,
      head.held_after, head.overdraft_limit_after, head.status_after, account.opened_at,
      head.hash, head.recorded_at
    )
    FROM unnest($2::text[]) AS wanted (account_id)
    JOIN accounts AS account ON account.account_id = wanted.account_id
    CROSS JOIN LATERAL (
      SELECT
        events.account_id, events.version, events.booked_after, events.held_after,
        events.overdraft_limit_after, events.status_after, events.hash, events.recorded_at
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
  ) AS receipts
"""
"""Reads all that a batch needs in one new snapshot, and draws its positions; no lock."""

_EVENT_TYPES: Final = MappingProxyType(
    {
        "position": "bigint",
        "account_id": "text",
        "version": "bigint",
        "event_id": "uuid",
        "type": "text",
        "schema_version": "smallint",
        "transfer_id": "text",
        "leg": "smallint",
        "hold_id": "text",
        "reverses_transfer_id": "text",
        "expires_at": "timestamptz",
        "currency": "text",
        "amount": "bigint",
        "booked_after": "bigint",
        "held_after": "bigint",
        "overdraft_limit_after": "bigint",
        "status_after": "smallint",
        "principal": "text",
        "value_date": "date",
        "recorded_at": "timestamptz",
        "hash": "bytea",
        "body": "bytea",
    }
)
_OUTBOX_TYPES: Final = MappingProxyType(
    {
        "position": "bigint",
        "shard": "smallint",
        "partition": "smallint",
        "topic": "text",
        "key": "bytea",
        "headers": "bytea",
        "value": "bytea",
    }
)
_RECEIPT_TYPES: Final = MappingProxyType(
    {
        "principal": "text",
        "idempotency_key": "text",
        "request_hash": "bytea",
        "status": "smallint",
        "body": "bytea",
        "position": "bigint",
        "account_id": "text",
        "recorded_at": "timestamptz",
    }
)
_ACCOUNT_TYPES: Final = MappingProxyType(
    {
        "account_id": "text",
        "currency": "text",
        "kind": "text",
        "external_id": "text",
        "opened_at": "timestamptz",
    }
)
EVENT_COLUMNS: Final = tuple(_EVENT_TYPES)
OUTBOX_COLUMNS: Final = tuple(_OUTBOX_TYPES)
RECEIPT_COLUMNS: Final = tuple(_RECEIPT_TYPES)
ACCOUNT_COLUMNS: Final = tuple(_ACCOUNT_TYPES)


def append_to(outbox: int) -> str:
    """Inserts all rows of a batch in one statement; takes row locks on new rows only.

    One statement, so that the zero-sum trigger sees all postings of each transfer, and one
    round trip carries everything. Each parameter is a column: an array over the rows.

    Args:
        outbox: Number of the outbox table that commands write now.
    """
    parts = [
        ("accounts", _ACCOUNT_TYPES),
        ("events", _EVENT_TYPES),
        (f"outbox_{outbox:d}", _OUTBOX_TYPES),
        ("receipts", _RECEIPT_TYPES),
    ]
    inserts, first = [], 1
    for table, types in parts:
        inserts.append(f"into_{table} AS ({_insert(table, types, first)})")
        first += len(types)
    return f"WITH {','.join(inserts)} SELECT"


def _insert(table: str, types: Mapping[str, str], first: int) -> str:
    columns = ", ".join(types)
    arrays = ", ".join(
        f"${number}::{kind}[]" for number, kind in enumerate(types.values(), first)
    )
    return (
        f"INSERT INTO {table} ({columns})"  # noqa: S608 - names from the tables above only
        f" SELECT {columns} FROM unnest({arrays}) AS new ({columns})"
    )
