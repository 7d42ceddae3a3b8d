"""The newest event of an account: how SQL finds it, and how far many accounts have come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from chronos.store.pool import Pool

HEADS_MAX: Final = 1000
HEAD: Final = """\
CROSS JOIN LATERAL (
  SELECT
    events.version, events.booked_after, events.held_after, events.overdraft_limit_after,
    events.status_after, events.open_holds_after, events.recorded_at
  FROM events
  WHERE events.account_id = account.account_id
  ORDER BY events.version DESC
  LIMIT 1
) AS head"""
"""Joins what the last event of `accounts AS account` says: a look-up in an index, backwards."""
HEAD_COLUMNS: Final = """\
  account.account_id, account.currency, account.kind, head.version, head.booked_after,
  head.held_after, head.overdraft_limit_after, head.status_after, account.opened_at,
  account.opened_on, head.open_holds_after, head.recorded_at"""
"""What `account_state` reads, in its order, and when it was recorded."""

# One look-up in the index (account_id, version), backwards, for each account.
_VERSIONS: Final = """
SELECT followed.account_id, head.version
FROM unnest($1::text[]) AS followed (account_id)
CROSS JOIN LATERAL (
  SELECT events.version
  FROM events
  WHERE events.account_id = followed.account_id
  ORDER BY events.version DESC
  LIMIT 1
) AS head
"""


class Heads:
    """Tells the newest versions of accounts through a pool of connections."""

    def __init__(self, pool: Pool):
        self._pool = pool

    async def versions(self, account_ids: Sequence[str]) -> Mapping[str, int]:
        """Gives the newest version of each account that there is; at most `HEADS_MAX` at once.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        async with self._pool.connection() as connection:
            rows = await connection.fetch(_VERSIONS, list(account_ids[:HEADS_MAX]))
        return dict(map(tuple, rows))
