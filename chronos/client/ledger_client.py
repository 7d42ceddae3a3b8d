"""The client of a running Chronos: its calls in groups, over one pool of connections."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from chronos.client.accounts import Accounts
from chronos.client.batches import Batches
from chronos.client.books import Books
from chronos.client.calls import Calls
from chronos.client.doors import Doors
from chronos.client.exchange import Exchange, Patience
from chronos.client.holds import Holds
from chronos.client.transfers import Transfers
from chronos.client.views import Views
from chronos.clock import Clock, IdSource, SystemClock, SystemIds


class LedgerClient:
    """Speaks to one Chronos; safe for many tasks at once.

    With `read_your_writes`, a view of an account waits for the last version of it that a
    command of this client answered.
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
        self._exchange = Exchange(
            clock=clock or SystemClock(),
            patience=patience or Patience(),
            connections_max=connections_max,
            headers={"Authorization": f"Bearer {doors.api_key}", "Accept": "application/json"},
        )
        calls = Calls(
            doors, self._exchange, ids=ids or SystemIds(), reads_its_writes=read_your_writes
        )
        self._calls = calls
        self.accounts = Accounts(calls)
        """Commands on accounts, and what the journal says of one."""
        self.transfers = Transfers(calls)
        """Transfers, entries, exchanges and reversals."""
        self.holds = Holds(calls)
        """Holds: place, capture, void."""
        self.batches = Batches(calls)
        """Many commands in one request."""
        self.books = Books(calls)
        """The trial balance and the currencies."""
        self.views = Views(calls)
        """The query side: balances, holds, histories, searches, the live stream."""

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

    async def readiness(self, door: str) -> dict[str, Any]:
        """Reads `/readyz` of one server, given by its base address."""
        return await self._calls.get(door + "/readyz", into=dict[str, Any])
