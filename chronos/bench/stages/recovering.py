"""One balances worker that comes back: with nothing on its disk, and with its table there.

Phases: fill the accounts, each with its opening and one in ten with funds; the relay publishes
them and a worker folds them, so table and changelog are what they are in a bank; then the
worker is stopped and started, once with its folder and once without. A start is over when the
worker is ready, which it says once its table is recovered, and every probed account answers.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from chronos.bench.report import Report, Start
from chronos.bench.stages.folding import COUNTER
from chronos.bench.stages.outage import Outage, end_one_of_two
from chronos.bench.stages.processes import peak_mib, processor_s, resident_mib
from chronos.bench.stages.stage import Stage, until
from chronos.bench.stages.town import Town, TownPlan
from chronos.client.ledger_client import LedgerClient

FUNDED_SHARE: Final = 10
PROBED_ACCOUNTS: Final = 64
SETTLE_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryPlan:
    """What to measure."""

    accounts: int
    has_failover: bool


class StartFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One start of a worker.

    Attributes:
        disk: "warm" when its table was there, "empty" when it had none.
        ready_s: From the start of the process until it was ready.
        answered_s: Until every probed account was answered too.
        processor_seconds: Of the process, until then.
        resident_mib: Its memory a few seconds later.
        resident_peak_mib: The most that it has had by then.
    """

    disk: str
    ready_s: float
    answered_s: float
    processor_seconds: float
    resident_mib: float
    resident_peak_mib: float


class RecoveryReport(Report, frozen=True, kw_only=True):
    """The figures of one run."""

    accounts: int
    fill_s: float
    """To book the accounts and put them into the journal."""
    publish_s: float
    """Until the relay had published them, from then on."""
    fold_s: float
    """Until a worker had folded them, from its start on."""
    fold_resident_peak_mib: float
    starts: tuple[StartFigures, ...]
    failover: tuple[Outage, ...]


async def measure_recovery(stage: Stage, plan: RecoveryPlan) -> RecoveryReport:
    """Measures the starts, then what the death of one of two workers does.

    Raises:
        BenchFault: Relay or worker stand still.
    """
    start = Start(stage.clock)
    await stage.stop("mirror", "balances")
    began_s = time.monotonic()
    town = await stage.fill(_town(stage, plan))
    filled_s = time.monotonic()
    await stage.until_published(town.events)
    published_s = time.monotonic()
    fold_s, fold_peak = await _fold(stage, town)
    stage.say(f"folded in {fold_s:.1f} s")
    probed = town.accounts[:: max(1, len(town.accounts) // PROBED_ACCOUNTS)]
    starts = []
    for disk in ("warm", "empty"):
        starts.append(await _start(stage, disk, probed))
        stage.say(f"{disk} disk: ready after {starts[-1].ready_s:.1f} s")
    failover = await end_one_of_two(stage, town) if plan.has_failover else ()
    head = await start.head(
        "recovery",
        "a balances worker that starts with and without its table, and one of two that dies",
        settings={
            "accounts": plan.accounts,
            "events": town.events,
            "partitions": stage.settings.partitions,
            "probed_accounts": len(probed),
        },
        postgres_dsn=stage.settings.postgres_dsn,
    )
    return RecoveryReport(
        **head,
        accounts=plan.accounts,
        fill_s=round(filled_s - began_s, 1),
        publish_s=round(published_s - filled_s, 1),
        fold_s=round(fold_s, 1),
        fold_resident_peak_mib=fold_peak,
        starts=tuple(starts),
        failover=failover,
    )


def _town(stage: Stage, plan: RecoveryPlan) -> TownPlan:
    return TownPlan(
        accounts=plan.accounts,
        events=plan.accounts + 1 + 2 * (plan.accounts // FUNDED_SHARE),
        now=stage.clock.now(),
        is_published=True,
    )


async def _fold(stage: Stage, town: Town) -> tuple[float, float]:
    began_s = time.monotonic()
    await stage.start("balances")

    async def all_folded() -> bool:
        return await stage.counted("balances", COUNTER) >= town.events

    await until(all_folded, f"The worker has not folded {town.events:,} events.")
    seconds = time.monotonic() - began_s
    await asyncio.sleep(SETTLE_S)
    return seconds, peak_mib(stage.pid("balances"))


async def _start(stage: Stage, disk: str, probed: Sequence[str]) -> StartFigures:
    await stage.stop("balances")
    if disk == "empty":
        await asyncio.to_thread(shutil.rmtree, stage.settings.state_dir / "balances-0")
    began_s = time.monotonic()
    ready_s = await stage.start("balances")
    async with LedgerClient(stage.doors) as client:
        for account_id in probed:
            await client.views.balance(account_id)
    answered_s = time.monotonic() - began_s
    pid = stage.pid("balances")
    cpu_s = processor_s(pid)
    await asyncio.sleep(SETTLE_S)
    return StartFigures(
        disk=disk,
        ready_s=round(ready_s, 2),
        answered_s=round(answered_s, 2),
        processor_seconds=round(cpu_s, 2),
        resident_mib=resident_mib(pid),
        resident_peak_mib=peak_mib(pid),
    )
