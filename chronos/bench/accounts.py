"""The accounts of a load: opened and funded in batches, under names of each run's own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from chronos.client.doors import Doors
from chronos.client.ledger_client import LedgerClient
from chronos.clock import SystemIds

CURRENCY = "EUR"
COMMANDS_AT_ONCE = 400
_FUNDS_MAX = 10**12
_FUNDS_IN_ALL_MAX = 10**15


class Run:
    """Names everything of one run, so that it meets nothing that was there before."""

    def __init__(self) -> None:
        self.name = SystemIds().new_id("bench.")

    def account(self, number: int) -> str:
        """Names an account."""
        return f"{self.name}.{number}"

    @property
    def settlement(self) -> str:
        """Names the account that funds all others."""
        return f"{self.name}.settlement"


async def open_accounts(
    doors: Doors, run: Run, count: int, *, say: Callable[[str], None]
) -> tuple[str, ...]:
    """Opens and funds accounts, in their order; the version of each is 2 then.

    Raises:
        ChronosError: The command endpoint did not do it.
    """
    say(f"opening {count:,} accounts …")
    names = tuple(run.account(number) for number in range(count))
    funds = min(_FUNDS_MAX, _FUNDS_IN_ALL_MAX // count)
    commands = _commands(run, names, funds)
    async with LedgerClient(doors, connections_max=1) as client:
        while some := list(itertools.islice(commands, COMMANDS_AT_ONCE)):
            await client.batches.run(some, atomic=True)
    return names


def _commands(run: Run, names: tuple[str, ...], funds: int) -> Iterator[dict[str, Any]]:
    opened = {"type": "open_account", "currency": CURRENCY}
    yield {**opened, "id": run.settlement, "kind": "settlement"}
    for name in names:
        yield {**opened, "id": name}
        yield {
            "type": "transfer",
            "from": run.settlement,
            "to": name,
            "amount": funds,
            "currency": CURRENCY,
        }
