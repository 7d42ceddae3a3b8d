"""The copies of balances that are compared with the journal, each in the same words."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol

from chronos.client.answers import Balance as Answered
from chronos.client.ledger_client import LedgerClient
from chronos.client.refusals import Refused
from chronos.errors import Unavailable
from chronos.mirror.accounts import AccountIndex
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.redis import RedisMirror
from chronos.wire.balance import Balance

VIEWS_AT_ONCE = 32
VIEW_DEADLINE_S = 5.0
TABLE = "table"


class Shown(NamedTuple):
    """One account as a copy shows it; the hash is None where the copy has none to show."""

    account_id: str
    version: int
    currency: str
    booked: int
    held: int
    available: int
    hash: str | None


class Copy(Protocol):
    """Shows balances."""

    name: str

    async def read_many(self, account_ids: Sequence[str]) -> list[Shown | None]:
        """Reads accounts in the order asked; None where the copy has none.

        Raises:
            Unavailable: The copy does not answer.
        """
        ...

    def account_ids(self) -> AsyncIterator[str]:
        """Yields every account that the copy has, as far as it can be listed."""
        ...


class RedisCopy:
    """Shows what Redis has."""

    name = "redis"

    def __init__(self, mirror: RedisMirror) -> None:
        self._mirror = mirror

    async def read_many(self, account_ids: Sequence[str]) -> list[Shown | None]:
        """Reads accounts in the order asked."""
        return [_shown(balance) for balance in await self._mirror.read_many(account_ids)]

    async def account_ids(self) -> AsyncIterator[str]:
        """Yields every account in Redis."""
        async for balance in self._mirror.scan():
            yield balance.account_id


class ElasticsearchCopy:
    """Shows what the accounts index has; reads by id, so no refresh is waited for."""

    name = "elasticsearch"

    def __init__(
        self, mirror: ElasticsearchMirror, *, accounts: AccountIndex | None = None
    ) -> None:
        # A rebuild has the index looked at that is not current yet.
        self._accounts = accounts or mirror.accounts

    async def read_many(self, account_ids: Sequence[str]) -> list[Shown | None]:
        """Reads accounts in the order asked."""
        return [_shown(balance) for balance in await self._accounts.read_many(account_ids)]

    async def account_ids(self) -> AsyncIterator[str]:
        """Yields every account in the index."""
        await self._accounts.refresh()
        async for balance in self._accounts.scan():
            yield balance.account_id


class FaustCopy:
    """Shows what the query side answers from the Faust table.

    A worker answers from its table for the partitions that it owns, else from Redis; so the
    other workers are asked too, until one answers from its table. Counts who answered. What the
    table has beyond the asked accounts cannot be listed over HTTP.
    """

    name = "faust"

    def __init__(self, clients: Sequence[LedgerClient]) -> None:
        self._clients = tuple(clients)
        self._owners: dict[str, int] = {}
        self.sources: Counter[str] = Counter()

    async def read_many(self, account_ids: Sequence[str]) -> list[Shown | None]:
        """Reads accounts in the order asked, some at a time."""
        turn = asyncio.Semaphore(VIEWS_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._read(name, turn)) for name in account_ids]
        shown = [task.result() for task in tasks]
        for fault in shown:
            if isinstance(fault, Unavailable):
                raise fault
        return [one for one in shown if not isinstance(one, Unavailable)]

    async def account_ids(self) -> AsyncIterator[str]:
        """Yields nothing: the table cannot be listed over HTTP."""
        for name in tuple[str, ...]():
            yield name

    async def _read(
        self, account_id: str, turn: asyncio.Semaphore
    ) -> Shown | Unavailable | None:
        async with turn:
            try:
                answer = await self._from_owner(account_id)
            except Refused as refusal:
                if refusal.status == 404:
                    return None
                raise
            except Unavailable as fault:
                return fault
        self.sources[answer.source] += 1
        return Shown(
            account_id=answer.account,
            version=answer.version,
            currency=answer.currency,
            booked=answer.booked,
            held=answer.held,
            available=answer.available,
            hash=None,
        )

    async def _from_owner(self, account_id: str) -> Answered:
        """Asks the worker that owned the account last time first, then the others."""
        first, *others = dict.fromkeys(
            (self._owners.get(account_id, 0), *range(len(self._clients)))
        )
        answer = await self._ask(first, account_id)
        for number in others:
            if answer.source == TABLE:
                break
            answer = await self._ask(number, account_id)
        return answer

    async def _ask(self, number: int, account_id: str) -> Answered:
        answer = await self._clients[number].views.balance(
            account_id, deadline_s=VIEW_DEADLINE_S
        )
        if answer.source == TABLE:
            self._owners[account_id] = number
        return answer


def _shown(balance: Balance | None) -> Shown | None:
    if balance is None:
        return None
    return Shown(
        account_id=balance.account_id,
        version=balance.version,
        currency=balance.currency,
        booked=balance.booked,
        held=balance.held,
        available=balance.available,
        hash=balance.hash,
    )
