"""Accounts that a command names only by something else: a hold, a transfer, a currency.

Locks are taken before anything is read, so the accounts must be known before the transaction.
Each fact looked up here was committed once and never changes: a hold stays on its account, a
journal entry keeps its postings, an account its currency. What is not there yet is decided as
not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chronos.domain.ids import AccountId, HoldId, TransferId
from chronos.store.pool import Pool
from chronos.wire.references import Referred, Wanted

# Index look-ups by events_transfer_leg, events_hold_placed, accounts_pkey, accounts_positions;
# takes no lock. Sub-queries with a LIMIT or OFFSET are kept apart by the planner: it looks
# up each name then.
READ_REFERENCES: Final = """
SELECT
  ARRAY(
    SELECT ROW(posting.transfer_id, posting.account_id)
    FROM unnest($1::text[]) AS wanted (transfer_id)
    CROSS JOIN LATERAL (
      SELECT events.transfer_id, events.leg, events.account_id
      FROM events
      WHERE events.transfer_id = wanted.transfer_id
      OFFSET 0
    ) AS posting
    ORDER BY posting.transfer_id, posting.leg
  ) AS postings,
  ARRAY(
    SELECT ROW(placed.hold_id, placed.account_id)
    FROM unnest($2::text[]) AS wanted (hold_id)
    CROSS JOIN LATERAL (
      SELECT events.hold_id, events.account_id
      FROM events
      WHERE events.hold_id = wanted.hold_id AND events.type = 'HoldPlaced'
      LIMIT 1
    ) AS placed
  ) AS holds,
  ARRAY(
    SELECT ROW(account.account_id, account.currency)
    FROM unnest($3::text[]) AS wanted (account_id)
    JOIN accounts AS account ON account.account_id = wanted.account_id
  ) AS accounts,
  ARRAY(
    SELECT ROW(kept.currency, position.account_id)
    FROM (
      SELECT account.currency
      FROM unnest($3::text[]) AS wanted (account_id)
      JOIN accounts AS account ON account.account_id = wanted.account_id
      UNION
      SELECT wanted.currency
      FROM unnest($4::text[]) AS wanted (currency)
    ) AS kept
    CROSS JOIN LATERAL (
      SELECT oldest.account_id
      FROM (
        SELECT accounts.account_id, accounts.opened_at
        FROM accounts
        WHERE accounts.kind = 'position' AND accounts.currency = kept.currency
        ORDER BY accounts.currency, accounts.opened_at, accounts.account_id
        LIMIT 64
      ) AS oldest
      CROSS JOIN LATERAL (
        SELECT events.status_after
        FROM events
        WHERE events.account_id = oldest.account_id
        ORDER BY events.version DESC
        LIMIT 1
      ) AS head
      ORDER BY head.status_after <> 0, oldest.opened_at, oldest.account_id
      LIMIT 1
    ) AS position
  ) AS positions
"""


class References:
    """Looks up accounts through the pool of reads."""

    def __init__(self, pool: Pool):
        self._pool = pool

    async def refer(self, wanted: Wanted) -> Referred:
        """Looks up everything in one round trip.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        async with self._pool.connection() as connection:
            row = await connection.fetchrow(
                READ_REFERENCES,
                wanted.entries,
                wanted.holds,
                wanted.accounts,
                wanted.currencies,
            )
        return Referred(
            entries=_by_entry(row["postings"]),
            holds={HoldId(hold): AccountId(account) for hold, account in row["holds"]},
            currencies={AccountId(account): currency for account, currency in row["accounts"]},
            positions={currency: AccountId(account) for currency, account in row["positions"]},
        )


def _by_entry(rows: Sequence[Any]) -> Mapping[TransferId, tuple[AccountId, ...]]:
    accounts: dict[TransferId, tuple[AccountId, ...]] = {}
    for transfer_id, account_id in rows:
        name = TransferId(transfer_id)
        accounts[name] = (*accounts.get(name, ()), AccountId(account_id))
    return accounts
