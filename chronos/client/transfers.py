"""Journal entries of every sort: transfers, entries, exchanges, reversals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from chronos.client.calls import Calls, entity_path
from chronos.client.options import EntryOptions, ExchangeOptions, ReversalOptions
from chronos.client.receipts import Booked, Transferred


class Transfers:
    """Calls about journal entries; every command raises `Refused` when the server says no."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def make(
        self,
        source: str,
        destination: str,
        *,
        amount: int,
        currency: str,
        **options: Unpack[EntryOptions],
    ) -> Transferred:
        """Moves `amount` minor units from one account to another."""
        body = {"from": source, "to": destination, "amount": amount, "currency": currency}
        return await self._calls.command("/v1/transfers", body, options, into=Transferred)

    async def post(
        self,
        postings: Iterable[tuple[str, int]],
        *,
        currency: str,
        **options: Unpack[EntryOptions],
    ) -> Booked:
        """Books postings that sum to zero.

        Args:
            postings: Accounts, each with a signed amount; a credit is positive.
            currency: ISO 4217 code of them all.
            options: What else is said.
        """
        lines = [{"account": account, "amount": amount} for account, amount in postings]
        body = {"postings": lines, "currency": currency}
        return await self._calls.command("/v1/entries", body, options, into=Booked)

    async def exchange(
        self,
        source: str,
        destination: str,
        *,
        sell_amount: int,
        buy_amount: int,
        **options: Unpack[ExchangeOptions],
    ) -> Booked:
        """Sells `sell_amount` of the one account's currency for `buy_amount` of the other's."""
        body = {
            "from": source,
            "to": destination,
            "sell_amount": sell_amount,
            "buy_amount": buy_amount,
        }
        return await self._calls.command("/v1/exchanges", body, options, into=Booked)

    async def reverse(self, transfer_id: str, /, **options: Unpack[ReversalOptions]) -> Booked:
        """Books a journal entry once more with its sides swapped; once for each entry."""
        path = entity_path("transfers", transfer_id, "/reverse")
        return await self._calls.command(path, {}, options, into=Booked)

    async def read(self, transfer_id: str) -> Booked:
        """Reads a journal entry of any sort from the journal."""
        return await self._calls.read(entity_path("transfers", transfer_id), into=Booked)
