"""How far accounts have come: one cheap question about many of them, for those who follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from chronos.store.pool import Pool

HEADS_MAX: Final = 1000

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
