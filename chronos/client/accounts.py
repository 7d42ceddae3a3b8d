"""Accounts: commands on them, and what the journal says of one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from typing import Any, Final, Literal, Unpack

from chronos.client.answers import Account, Balance
from chronos.client.calls import Calls, account_path
from chronos.client.events import Event
from chronos.client.options import FreezeOptions, OpeningOptions, VerbOptions
from chronos.client.pages import Listing, Page
from chronos.client.receipts import Changed, Opened
from chronos.client.statements import StatementLine, StatementPage

EVENTS_PER_PAGE = 200
LINES_PER_PAGE = 500
_MEDIA_TYPES: Final = {"csv": "text/csv", "json": "application/json"}


class Accounts:
    """Calls about accounts; every command raises `Refused` when the server says no."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def open(
        self, account_id: str | None = None, *, currency: str, **options: Unpack[OpeningOptions]
    ) -> Opened:
        """Opens an account; the server names it when nobody else does."""
        body = {"currency": currency, **({} if account_id is None else {"id": account_id})}
        return await self._calls.command("/v1/accounts", body, options, into=Opened)

    async def freeze(self, account_id: str, **options: Unpack[FreezeOptions]) -> Changed:
        """Forbids an account to pay, or also to be paid."""
        return await self._verb(account_id, "/freeze", {}, options)

    async def unfreeze(self, account_id: str, **options: Unpack[VerbOptions]) -> Changed:
        """Lets a frozen account pay and be paid again."""
        return await self._verb(account_id, "/unfreeze", {}, options)

    async def close(self, account_id: str, **options: Unpack[VerbOptions]) -> Changed:
        """Closes an empty account for good."""
        return await self._verb(account_id, "/close", {}, options)

    async def set_overdraft_limit(
        self, account_id: str, limit: int | None, **options: Unpack[VerbOptions]
    ) -> Changed:
        """Sets how far below zero an account may go; None is the default of its kind."""
        body = {"overdraft_limit": limit}
        return await self._verb(account_id, "/overdraft-limit", body, options)

    async def annotate(
        self, account_id: str, metadata: Mapping[str, str], **options: Unpack[VerbOptions]
    ) -> Changed:
        """Replaces the metadata of an account, all of it."""
        body = {"metadata": dict(metadata)}
        return await self._verb(account_id, "/metadata", body, options)

    async def read(self, account_id: str) -> Account:
        """Reads an account from the journal."""
        return await self._calls.read(account_path(account_id), into=Account)

    async def balance(
        self, account_id: str, *, at: datetime | None = None, value_date: date | None = None
    ) -> Balance:
        """Reads a balance from the journal: now, as recorded by a moment, or for a banking day.

        Args:
            account_id: The account.
            at: Aware.
            value_date: Leaves out what is valued later.
        """
        path = account_path(account_id, "/balance")
        return await self._calls.read(
            path, into=Balance, query={"at": at, "value_date": value_date}
        )

    def events(
        self, account_id: str, *, after: int = 0, limit: int = EVENTS_PER_PAGE
    ) -> Listing[Page[Event], Event]:
        """Lists an account's events behind a version, oldest first, with their hashes."""
        path = account_path(account_id, "/events")

        async def ask(cursor: str | None) -> Page[Event]:
            query = {"after": after if cursor is None else cursor, "limit": limit}
            return await self._calls.read(path, into=Page[Event], query=query)

        return Listing(ask)

    def statement(
        self,
        account_id: str,
        *,
        since: date | datetime | None = None,
        until: date | datetime | None = None,
        limit: int = LINES_PER_PAGE,
    ) -> Listing[StatementPage, StatementLine]:
        """Lists what moved money on an account, oldest first; each page has the balances.

        Args:
            account_id: The account.
            since: First banking day, or first instant; the account's opening when left out.
            until: Last banking day, or first instant after the last; now when left out.
            limit: Lines of one page.
        """
        path = account_path(account_id, "/statement")
        query = {"since": since, "until": until, "format": "json", "limit": limit}

        async def ask(cursor: str | None) -> StatementPage:
            asked = {**query, "cursor": cursor}
            return await self._calls.read(path, into=StatementPage, query=asked)

        return Listing(ask)

    def download_statement(
        self,
        account_id: str,
        *,
        form: Literal["csv", "json"],
        since: date | datetime | None = None,
        until: date | datetime | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Reads a whole statement as it is written, in pieces as they come.

        Used with `async with`; an answer that does not come to its end raises `BrokenOff`.
        """
        query = {"since": since, "until": until, "format": form}
        path = account_path(account_id, "/statement")
        return self._calls.download(path, query, media_type=_MEDIA_TYPES[form])

    async def _verb(
        self,
        account_id: str,
        verb: str,
        body: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> Changed:
        path = account_path(account_id, verb)
        return await self._calls.command(path, body, options, into=Changed)
