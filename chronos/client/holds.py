"""Holds: amounts that are reserved and have not moved."""

from __future__ import annotations

from typing import Unpack

from chronos.client.answers import Hold
from chronos.client.calls import Calls, entity_path
from chronos.client.options import CaptureOptions, HoldOptions, VoidOptions
from chronos.client.receipts import Ended, Placed


class Holds:
    """Calls about holds; every command raises `Refused` when the server says no."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def place(
        self, account_id: str, *, amount: int, currency: str, **options: Unpack[HoldOptions]
    ) -> Placed:
        """Reserves `amount` minor units of an account."""
        body = {"account": account_id, "amount": amount, "currency": currency}
        return await self._calls.command("/v1/holds", body, options, into=Placed)

    async def capture(
        self, hold_id: str, destination: str, **options: Unpack[CaptureOptions]
    ) -> Ended:
        """Moves the held amount, or less of it; the rest is available again."""
        path = entity_path("holds", hold_id, "/capture")
        return await self._calls.command(path, {"to": destination}, options, into=Ended)

    async def void(self, hold_id: str, **options: Unpack[VoidOptions]) -> Ended:
        """Ends a hold; nothing moves."""
        path = entity_path("holds", hold_id, "/void")
        return await self._calls.command(path, {}, options, into=Ended)

    async def read(self, hold_id: str) -> Hold:
        """Reads a hold from the journal, open or ended."""
        return await self._calls.read(entity_path("holds", hold_id), into=Hold)
