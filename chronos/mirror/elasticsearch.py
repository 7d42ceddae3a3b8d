"""The copy of history and accounts in Elasticsearch, as one thing to open and close."""

from __future__ import annotations

from chronos.mirror.accounts import AccountIndex
from chronos.mirror.entries import EntryIndex
from chronos.mirror.guard import guarded, open_client
from chronos.mirror.indices import ensure_indices
from chronos.mirror.transfers import TransferIndex
from chronos.wire.topics import Names


class ElasticsearchMirror:
    """Holds the client and the two indices of one namespace.

    `entries` is the history, one document per event, and `transfers` the journal entries in it;
    `accounts` has one document per account.
    """

    def __init__(self, url: str, names: Names) -> None:
        self._names = names
        self.client = open_client(url)
        self.entries = EntryIndex(self.client, names.entries_alias)
        self.transfers = TransferIndex(self.client, names.entries_alias)
        self.accounts = AccountIndex(self.client, names.accounts_alias)

    async def close(self) -> None:
        """Closes every connection."""
        await self.client.close()

    async def ensure_indices(self) -> list[str]:
        """Makes templates and indices that are not there; gives the names of those made now."""
        return await ensure_indices(self.client, self._names)

    async def ping(self) -> None:
        """Asks both indices for a sign of life.

        Raises:
            Unavailable: Elasticsearch does not answer, or one alias does not exist.
        """
        with guarded():
            await self.client.cluster.health(
                index=[self._names.entries_alias, self._names.accounts_alias],
                wait_for_status="yellow",
                timeout="1s",
            )
