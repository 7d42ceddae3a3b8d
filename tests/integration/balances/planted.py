"""Runs a worker in which a fault is planted: no switch of the product reaches this.

The first argument names the fault, the others are those of `chronos`.
"""

from __future__ import annotations

import asyncio
import sys
import time

from agents.balances import BalancesAgent
from chronos.cli.main import main
from chronos.home import enter


def hangs(agent: type[BalancesAgent]) -> None:
    """Makes the step wait for what never happens."""

    async def take(_self, _batch):
        await asyncio.Event().wait()

    agent.take = take


def blocks(agent: type[BalancesAgent]) -> None:
    """Makes the step hold the event loop."""

    async def take(_self, _batch):
        while True:
            time.sleep(1)  # noqa: ASYNC251 - this is the fault

    agent.take = take


if __name__ == "__main__":
    enter()
    {"hangs": hangs, "blocks": blocks}[sys.argv[1]](BalancesAgent)
    main(sys.argv[2:])
