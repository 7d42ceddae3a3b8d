"""Transfers over HTTP, one a request or in batches, beside pgbench when asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chronos.audit.verify import verify
from chronos.bench.accounts import CURRENCY, Run, open_accounts
from chronos.bench.load import Door, LoadPlan, Transfers
from chronos.bench.report import BenchFault, Start
from chronos.bench.rounds import Load, LoadReport, run_rounds
from chronos.bench.stack import Side
from chronos.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class TransfersPlan:
    """What to measure."""

    load: Load
    batch: int = 0
    """Transfers in one request to `/v1/batches`; 0: each is a request of its own."""
    is_atomic: bool = False
    is_against_pgbench: bool = False

    def facts(self) -> dict[str, Any]:
        """Gives the settings that a report tells."""
        batch = {"batch": self.batch, "atomic": self.is_atomic} if self.batch else {}
        return {**self.load.facts(), **batch}


async def measure_transfers(
    side: Side, plan: TransfersPlan, *, clock: Clock, say: Callable[[str], None]
) -> LoadReport:
    """Opens the accounts, measures round by round, then proves the journal.

    Raises:
        BenchFault: The driver failed, or the journal is not proved.
    """
    start, run = Start(clock), Run()
    accounts = await open_accounts(side.doors, run, plan.load.accounts, say=say)
    plans = [_round(side, plan, run, accounts, seed) for seed in range(1, plan.load.rounds + 1)]
    figures = await run_rounds(
        side, plans, unit="transfers", is_against_pgbench=plan.is_against_pgbench, say=say
    )
    await prove(side, say)
    head = await start.head(
        "batches" if plan.batch else "transfers",
        f"batches of {plan.batch} transfers over HTTP"
        if plan.batch
        else "single transfers over HTTP",
        settings={**plan.facts(), **side.facts},
        postgres_dsn=side.postgres_dsn,
    )
    return LoadReport(**head, **figures)


async def prove(side: Side, say: Callable[[str], None]) -> None:
    """Proves the journal, where it can be reached.

    Raises:
        BenchFault: It is not proved.
    """
    if not side.postgres_dsn:
        say("the journal is out of reach, and not proved")
        return
    proof = await verify(side.postgres_dsn)
    say(proof.lines()[0])
    if not proof.is_clean:
        raise BenchFault("The journal is not what it must be: these figures mean nothing.")


def _round(
    side: Side, plan: TransfersPlan, run: Run, accounts: tuple[str, ...], seed: int
) -> LoadPlan:
    load = plan.load
    return LoadPlan(
        doors=(Door.at(side.doors.command),),
        api_key=side.doors.api_key,
        work=Transfers(
            accounts=accounts,
            currency=CURRENCY,
            skew=load.skew,
            seed=seed,
            run=f"{run.name}-{seed}",
            batch=plan.batch,
            is_atomic=plan.is_atomic,
        ),
        connections=load.connections,
        warm_up_s=load.warm_up_s,
        seconds=load.seconds,
        rate=load.rate,
    )
