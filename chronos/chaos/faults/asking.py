"""The faults' own requests to the doors of Chronos: one attempt each, and none leaves a trace.

A write is asked for under a key that is spent already: the command goes the whole way to
PostgreSQL, in a transaction, and is refused there by `idempotency_key_reused`, with nothing
written. So checkers that count what was asked for never meet it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import aiohttp
import msgspec

from chronos.embedded.addresses import Addresses

ATTEMPT_S = 8.0
"""Longer than any deadline of Chronos for one command."""
_WRITE = {"from": "nobody", "to": "nobody-else", "amount": 1, "currency": "EUR"}
_BUSY = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What became of one attempt; `status` 0: the connection broke, or nothing came in time."""

    status: int
    took_s: float
    code: str = ""
    """Of the problem document."""
    retry_after_s: int | None = None
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_answered(self) -> bool:
        """Tells whether a command of a spent key reached PostgreSQL."""
        return self.code == "idempotency_key_reused"

    @property
    def is_busy(self) -> bool:
        """Tells whether it says "not now" as promised, in a document and with a time."""
        return self.status == _BUSY and bool(self.code) and self.retry_after_s is not None

    @property
    def is_unknown(self) -> bool:
        """Tells whether a read model has not heard of the account yet."""
        return self.code == "account_not_found"

    def __str__(self) -> str:
        return f"{self.status or 'no answer'} {self.code} after {self.took_s:.2f} s".replace(
            "  ", " "
        )


class Doors:
    """Asks the command API and the query side at their direct addresses."""

    def __init__(self, addresses: Addresses):
        self._addresses = addresses

    async def write(self, spent_key: str) -> Reply:
        """Sends a command under a key that another command has spent."""
        headers = {"Idempotency-Key": spent_key, "Content-Type": "application/json"}
        body = msgspec.json.encode(_WRITE)
        url = f"{self._addresses.api}/v1/transfers"
        return await self._ask("POST", url, headers=headers, data=body)

    async def balance(self, account_id: str) -> Reply:
        """Reads a balance of the query side."""
        url = f"{self._addresses.query}/v1/accounts/{account_id}/balance"
        return await self._ask("GET", url)

    async def search(self, account_id: str) -> Reply:
        """Reads the newest entry of an account's history."""
        url = f"{self._addresses.query}/v1/accounts/{account_id}/entries?limit=1"
        return await self._ask("GET", url)

    async def first_event(self, account_id: str) -> Reply:
        """Reads an account's first event from the journal."""
        url = f"{self._addresses.api}/v1/accounts/{account_id}/events?limit=1"
        return await self._ask("GET", url)

    async def _ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Reply:
        began_s = monotonic()
        sent = {"Authorization": f"Bearer {self._addresses.api_key}", **(headers or {})}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ATTEMPT_S)) as http,
                http.request(method, url, headers=sent, data=data) as answer,
            ):
                text = await answer.read()
                return _reply(answer, text, monotonic() - began_s)
        except (aiohttp.ClientError, OSError, TimeoutError):
            return Reply(status=0, took_s=monotonic() - began_s)


def _reply(answer: aiohttp.ClientResponse, text: bytes, took_s: float) -> Reply:
    wait = answer.headers.get("Retry-After", "")
    body: Mapping[str, Any] = {}
    if "json" in answer.content_type:
        body = msgspec.json.decode(text, type=dict[str, Any])
    return Reply(
        status=answer.status,
        took_s=took_s,
        code=str(body.get("code", "")),
        retry_after_s=int(wait) if wait.isdigit() else None,
        body=body,
    )
