"""Reads of balances: from the workers' table, from Redis through them, or from PostgreSQL.

A worker answers from its table for the accounts of its own partitions, from Redis for all
others. So of Redis each worker is asked for what another one keeps, and where one is asked two
must run. Every answer says where it comes from; one from elsewhere is no success.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from chronos.bench.accounts import Run, open_accounts
from chronos.bench.keepers import find_keepers
from chronos.bench.load import Door, LoadPlan, Reads
from chronos.bench.report import BenchFault, Start
from chronos.bench.rounds import Load, LoadReport, run_rounds
from chronos.bench.skew import places
from chronos.bench.stack import Parts, Side
from chronos.clock import Clock
from chronos.wire.topics import partition_of

PATHS: Final = 20_000
"""Drawn before the load, which repeats them."""
_FUNDED_VERSION: Final = 2


class Origin(StrEnum):
    """Where a balance is read."""

    TABLE = "table"
    REDIS = "redis"
    COMMAND = "command"

    @property
    def mark(self) -> str:
        """Gives what an answer from there has in its body."""
        source = "journal" if self is Origin.COMMAND else self.value
        return f'"source":"{source}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancePlan:
    """What to measure."""

    load: Load
    origin: Origin
    workers: int
    """Balances workers that are asked."""
    api_processes: int = 1

    @property
    def parts(self) -> Parts:
        """Gives what must run for it."""
        if self.origin is Origin.COMMAND:
            return Parts(api_processes=self.api_processes)
        least = 2 if self.origin is Origin.REDIS else 1
        return Parts(api_processes=self.api_processes, workers=max(self.workers, least))


async def measure_balance(
    side: Side, plan: BalancePlan, *, clock: Clock, say: Callable[[str], None]
) -> LoadReport:
    """Opens and funds the accounts, waits for their balances, then measures.

    Raises:
        BenchFault: There is no such source of balances, or the driver failed.
    """
    start = Start(clock)
    names = await open_accounts(side.doors, Run(), plan.load.accounts, say=say)
    asked = await _doors(side, plan, names)
    plans = [_round(side, plan, asked, seed) for seed in range(1, plan.load.rounds + 1)]
    figures = await run_rounds(side, plans, unit="reads", is_against_pgbench=False, say=say)
    head = await start.head(
        "balance",
        f"reads of balances over HTTP, from {plan.origin.value}",
        settings={**_facts(plan, asked), **side.facts},
        postgres_dsn=side.postgres_dsn,
    )
    return LoadReport(**head, **figures)


def _facts(plan: BalancePlan, asked: dict[str, list[str]]) -> dict[str, Any]:
    workers = None if plan.origin is Origin.COMMAND else len(asked)
    return {**plan.load.facts(), "from": plan.origin.value, "workers_asked": workers}


async def _doors(side: Side, plan: BalancePlan, names: tuple[str, ...]) -> dict[str, list[str]]:
    """Gives who is asked, and for which accounts."""
    if plan.origin is Origin.COMMAND:
        return {side.doors.command: list(names)}
    needed = plan.parts.workers
    if len(side.queries) < needed:
        raise BenchFault(
            f"This needs {needed} balances workers and {len(side.queries)} are known: name "
            "each with --query, or start them with `chronos up --balances`."
        )
    keepers = await find_keepers(side, names, version=_FUNDED_VERSION)
    is_own = plan.origin is Origin.TABLE
    return {
        query: [
            name
            for name in names
            if (keepers[partition_of(name.encode(), side.partitions)] == query) == is_own
        ]
        for query in side.queries[: plan.workers]
    }


def _round(side: Side, plan: BalancePlan, asked: dict[str, list[str]], seed: int) -> LoadPlan:
    load = plan.load
    chance = random.Random(seed)  # noqa: S311 - a load needs repeatable chance, not secrets
    paths = []
    for accounts in asked.values():
        draw = places(load.skew, len(accounts), chance)
        paths.append(tuple(f"/v1/accounts/{accounts[draw()]}/balance" for _ in range(PATHS)))
    return LoadPlan(
        doors=tuple(Door.at(url) for url in asked),
        api_key=side.doors.api_key,
        work=Reads(paths=tuple(paths), mark=plan.origin.mark),
        connections=load.connections,
        warm_up_s=load.warm_up_s,
        seconds=load.seconds,
        rate=load.rate,
    )
