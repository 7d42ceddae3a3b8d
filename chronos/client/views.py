"""Views: what the query side shows, soon after the journal has it.

Where a view can wait for a version of an account, a client made with `read_your_writes` asks it
to wait for the last one that a command of this client answered.
"""

from __future__ import annotations

from typing import Any, Unpack

from chronos.client.answers import Balance, FoundAccount, JournalEntry, OpenHolds
from chronos.client.calls import Calls, account_path
from chronos.client.event_stream import LiveStream
from chronos.client.events import Entry, HistoryPage
from chronos.client.options import AccountFilters, EntryFilters, TransferFilters
from chronos.client.pages import Listing, Page


class Views:
    """Calls to the query side."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def balance(
        self,
        account_id: str,
        *,
        min_version: int | None = None,
        deadline_s: float | None = None,
    ) -> Balance:
        """Reads a balance, at `min_version` or later when given."""
        return await self._calls.view(
            account_path(account_id, "/balance"),
            into=Balance,
            query={"min_version": self._calls.min_version(account_id, min_version)},
            deadline_s=deadline_s,
        )

    async def holds(self, account_id: str, *, min_version: int | None = None) -> OpenHolds:
        """Reads the open holds of an account, at `min_version` or later when given."""
        return await self._calls.view(
            account_path(account_id, "/holds"),
            into=OpenHolds,
            query={"min_version": self._calls.min_version(account_id, min_version)},
        )

    def entries(
        self, account_id: str, **filters: Unpack[EntryFilters]
    ) -> Listing[HistoryPage, Entry]:
        """Lists an account's history, newest first: what moved money, or other types too."""
        path = account_path(account_id, "/entries")
        asked = filters.get("min_version")

        async def ask(cursor: str | None) -> HistoryPage:
            version = self._calls.min_version(account_id, asked)
            query = {**filters, "min_version": version, "cursor": cursor}
            return await self._calls.view(path, into=HistoryPage, query=query)

        return Listing(ask)

    def accounts(
        self, **filters: Unpack[AccountFilters]
    ) -> Listing[Page[FoundAccount], FoundAccount]:
        """Lists the accounts that a search finds, by id."""

        async def ask(cursor: str | None) -> Page[FoundAccount]:
            query = {**filters, "cursor": cursor}
            return await self._calls.view("/v1/accounts", into=Page[FoundAccount], query=query)

        return Listing(ask)

    def transfers(
        self, **filters: Unpack[TransferFilters]
    ) -> Listing[Page[JournalEntry], JournalEntry]:
        """Lists the journal entries that a search finds, newest first."""

        async def ask(cursor: str | None) -> Page[JournalEntry]:
            query = {**filters, "cursor": cursor}
            return await self._calls.view("/v1/transfers", into=Page[JournalEntry], query=query)

        return Listing(ask)

    def stream(
        self,
        account_id: str | None = None,
        *,
        from_beginning: bool = False,
        last_event_id: str | None = None,
    ) -> LiveStream:
        """Follows the events of one account or of all, from now on; used with `async with`.

        Args:
            account_id: Whose events; it need not be open yet.
            from_beginning: Begin with the oldest event that the stream still has.
            last_event_id: Begin behind this one.
        """
        return LiveStream(
            self._calls, account_id, from_beginning=from_beginning, last_event_id=last_event_id
        )

    async def pipeline(self) -> dict[str, Any]:
        """Reads where each stage of the pipeline stands."""
        return await self._calls.view("/v1/pipeline", into=dict[str, Any])
