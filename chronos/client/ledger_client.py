"""Commands and reads of a running Chronos, typed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import msgspec

from chronos.client.answers import (
    Account,
    Balance,
    Opened,
    Page,
    Touched,
    Transferred,
    TrialBalance,
)
from chronos.client.exchange import Ask, Exchange, Patience
from chronos.client.refusals import UnreadableAnswer
from chronos.clock import Clock, IdSource, SystemClock, SystemIds

SEEN_ACCOUNTS_MAX = 100_000

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Where a running Chronos answers: base addresses without a trailing slash, and the key."""

    command: str
    query: str
    api_key: str = field(repr=False)


class LedgerClient:
    """Speaks to one Chronos; safe for many tasks at once.

    With `read_your_writes`, a balance asked of the query side waits for the last version of
    that account that a command of this client answered.
    """

    def __init__(
        self,
        doors: Doors,
        *,
        connections_max: int = 64,
        patience: Patience | None = None,
        read_your_writes: bool = False,
        clock: Clock | None = None,
        ids: IdSource | None = None,
    ):
        self._doors = doors
        self._ids = ids or SystemIds()
        self._read_your_writes = read_your_writes
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._exchange = Exchange(
            clock=clock or SystemClock(),
            patience=patience or Patience(),
            connections_max=connections_max,
            headers={"Authorization": f"Bearer {doors.api_key}", "Accept": "application/json"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._exchange.close()

    @property
    def attempts_repeated(self) -> int:
        """Counts the requests that were sent again after a time-out, a broken line or a 503."""
        return self._exchange.attempts_repeated

    # Commands

    async def open_account(
        self,
        *,
        currency: str,
        account_id: str | None = None,
        kind: str | None = None,
        key: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Opened:
        """Opens an account.

        Args:
            currency: ISO 4217 code.
            account_id: Its name; made by the server when omitted.
            kind: `customer` when omitted.
            key: Idempotency key; made here when omitted, and the same at every attempt.
            details: Further fields: overdraft_limit, external_id, metadata.

        Raises:
            Refused: The server said no.
        """
        fields = {"id": account_id, "kind": kind, **(details or {})}
        body = {"currency": currency, **_present(fields)}
        return await self._command("/v1/accounts", body, key=key, into=Opened)

    async def transfer(
        self,
        source: str,
        destination: str,
        *,
        amount: int,
        currency: str,
        key: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Transferred:
        """Moves `amount` minor units from one account to another.

        Args:
            source: The account that pays.
            destination: The account that receives.
            amount: Minor units, at least 1.
            currency: ISO 4217 code, the currency of both accounts.
            key: Idempotency key; made here when omitted, and the same at every attempt.
            details: Further fields: id, description, value_date, metadata, expected_versions.

        Raises:
            Refused: The server said no.
        """
        body = {
            "from": source,
            "to": destination,
            "amount": amount,
            "currency": currency,
            **_present(details or {}),
        }
        return await self._command("/v1/transfers", body, key=key, into=Transferred)

    # Reads of the journal, from the command endpoint

    async def account(self, account_id: str) -> Account:
        """Reads an account from the journal."""
        return await self._read(self._doors.command, _account_path(account_id), into=Account)

    async def journal_balance(self, account_id: str) -> Balance:
        """Reads a balance from the journal: always current."""
        path = _account_path(account_id, "/balance")
        return await self._read(self._doors.command, path, into=Balance)

    async def events(self, account_id: str, *, after: int = 0, limit: int = 200) -> Page:
        """Reads one page of an account's events, oldest first."""
        query = {"after": str(after), "limit": str(limit)}
        path = _account_path(account_id, "/events")
        return await self._read(self._doors.command, path, into=Page, query=query)

    async def transfer_by_id(self, transfer_id: str) -> dict[str, Any]:
        """Reads a transfer from the journal."""
        path = f"/v1/transfers/{quote(transfer_id, safe='')}"
        return await self._read(self._doors.command, path, into=dict[str, Any])

    async def trial_balance(self) -> TrialBalance:
        """Reads the trial balance; its totals are zero for each currency."""
        return await self._read(self._doors.command, "/v1/trial-balance", into=TrialBalance)

    # Reads of the query side

    async def balance(
        self,
        account_id: str,
        *,
        min_version: int | None = None,
        deadline_s: float | None = None,
    ) -> Balance:
        """Reads a balance from the read model, at `min_version` or later when given."""
        if min_version is None and self._read_your_writes:
            min_version = self._seen.get(account_id)
        query = {} if min_version is None else {"min_version": str(min_version)}
        path = _account_path(account_id, "/balance")
        return await self._read(
            self._doors.query, path, into=Balance, query=query, deadline_s=deadline_s
        )

    async def entries(self, account_id: str, **filters: str) -> Page:
        """Reads one page of an account's history, newest first."""
        path = _account_path(account_id, "/entries")
        return await self._read(self._doors.query, path, into=Page, query=filters)

    async def accounts(self, **filters: str) -> Page:
        """Reads one page of a search for accounts."""
        return await self._read(self._doors.query, "/v1/accounts", into=Page, query=filters)

    async def pipeline(self) -> dict[str, Any]:
        """Reads where each stage of the pipeline stands."""
        return await self._read(self._doors.query, "/v1/pipeline", into=dict[str, Any])

    async def readiness(self, door: str) -> dict[str, Any]:
        """Reads `/readyz` of one server, given by its base address."""
        return await self._read(door, "/readyz", into=dict[str, Any])

    # How

    async def _command(
        self, path: str, body: Mapping[str, Any], *, key: str | None, into: type[_T]
    ) -> _T:
        ask = Ask(
            method="POST",
            url=self._doors.command + path,
            headers={
                "Idempotency-Key": key or self._ids.new_id("req_"),
                "Content-Type": "application/json",
            },
            body=msgspec.json.encode(body),
        )
        answer = await self._exchange.send(ask)
        value = _decode(answer.body, into, ask.url)
        self._remember(getattr(value, "accounts", {}))
        return msgspec.structs.replace(value, replayed=answer.replayed)  # type: ignore[type-var]  # both receipts are structs

    async def _read(
        self,
        door: str,
        path: str,
        *,
        into: type[_T],
        query: Mapping[str, str] | None = None,
        deadline_s: float | None = None,
    ) -> _T:
        ask = Ask(method="GET", url=door + path, query=query or {})
        answer = await self._exchange.send(ask, deadline_s=deadline_s)
        return _decode(answer.body, into, ask.url)

    def _remember(self, touched: Mapping[str, Touched]) -> None:
        for account_id, account in touched.items():
            known = self._seen.pop(account_id, 0)
            self._seen[account_id] = max(known, account.version)
        while len(self._seen) > SEEN_ACCOUNTS_MAX:
            self._seen.popitem(last=False)


def _account_path(account_id: str, rest: str = "") -> str:
    return f"/v1/accounts/{quote(account_id, safe=':')}{rest}"


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _decode(body: bytes, into: type[_T], url: str) -> _T:
    try:
        return msgspec.json.decode(body, type=into)
    except msgspec.MsgspecError as error:
        raise UnreadableAnswer(f"{url} answers something unexpected: {error}") from error
