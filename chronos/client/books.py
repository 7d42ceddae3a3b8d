"""The bank's books as a whole."""

from __future__ import annotations

from datetime import datetime

from chronos.client.answers import Currencies, Currency, TrialBalance
from chronos.client.calls import Calls


class Books:
    """Calls about the books."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def trial_balance(self, *, at: datetime | None = None) -> TrialBalance:
        """Reads the trial balance, now or at a moment; its totals are zero."""
        return await self._calls.read("/v1/trial-balance", into=TrialBalance, query={"at": at})

    async def currencies(self) -> tuple[Currency, ...]:
        """Reads every currency in use."""
        return (await self._calls.read("/v1/currencies", into=Currencies)).data
