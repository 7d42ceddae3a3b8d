"""Single transfers over HTTP, measured, beside pgbench on the same server when asked.

The two are measured in turn, round by round, so that a change in what the machine gives meets
both; each figure is the median of the rounds.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from chronos.audit.verify import verify
from chronos.bench.load import LoadPlan
from chronos.bench.pgbench import Pgbench, PgbenchResult
from chronos.bench.report import BenchFault, Report, Start
from chronos.bench.stack import WriteSide
from chronos.bench.tally import LoadResult
from chronos.client.ledger_client import LedgerClient
from chronos.clock import Clock
from chronos.home import code_folder

CURRENCY = "EUR"
FUNDS = 1_000_000_000
SETTLEMENT = "bench.settlement"
OPENING_WORKERS = 32
DRIVER_MARGIN_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TransfersPlan:
    """What to measure."""

    seconds: float
    warm_up_s: float
    connections: int
    accounts: int
    rate: float | None
    rounds: int
    api_processes: int
    writer_lanes: int
    against_pgbench: bool


class TransfersReport(Report, frozen=True, kw_only=True):
    """The figures of one run."""

    transfers_per_second: float
    transfers: tuple[LoadResult, ...]
    pgbench_per_second: float | None
    pgbench: tuple[PgbenchResult, ...]
    ratio: float | None
    """Transfers a second by pgbench's transactions a second; the median of the rounds' own."""


async def measure_transfers(
    side: WriteSide, plan: TransfersPlan, *, clock: Clock, say: Callable[[str], None]
) -> TransfersReport:
    """Opens the accounts, measures round by round, then proves the journal.

    Raises:
        BenchFault: The driver failed, or the journal is not proved.
    """
    start = Start(clock)
    say(f"opening {plan.accounts:,} accounts …")
    accounts = await _open_accounts(side, plan.accounts)
    pgbench = Pgbench(side) if plan.against_pgbench else None
    if pgbench is not None:
        await pgbench.prepare()
    loads: list[LoadResult] = []
    yards: list[PgbenchResult] = []
    for number in range(1, plan.rounds + 1):
        loads.append(await _drive(_load(side, plan, accounts, number)))
        say(f"round {number}: {describe(loads[-1])}")
        if pgbench is not None:
            yards.append(await pgbench.measure(plan.seconds))
            say(f"round {number}: pgbench {yards[-1].per_second:,.0f} a second")
    proof = await verify(side.postgres_dsn)
    say(proof.lines()[0])
    if not proof.is_clean:
        raise BenchFault("The journal is not what it must be: these figures mean nothing.")
    return await _report(side, plan, start, loads, yards)


def describe(result: LoadResult) -> str:
    """Gives one line with the figures of a load."""
    others = {status: n for status, n in result.statuses.items() if status != "201"}
    return (
        f"{result.per_second:,.0f} transfers a second; p50 {result.p50_ms:.1f} ms, "
        f"p95 {result.p95_ms:.1f} ms, p99 {result.p99_ms:.1f} ms, max {result.max_ms:.1f} ms"
        + (f"; NOT BOOKED {others}" if others else "")
    )


async def _report(
    side: WriteSide,
    plan: TransfersPlan,
    start: Start,
    loads: list[LoadResult],
    yards: list[PgbenchResult],
) -> TransfersReport:
    ours = statistics.median(load.per_second for load in loads)
    yard = statistics.median(y.per_second for y in yards) if yards else None
    head = await start.head(
        "transfers",
        "single transfers over HTTP",
        postgres_dsn=side.postgres_dsn,
        settings={
            "connections": plan.connections,
            "accounts": plan.accounts,
            "api_processes": plan.api_processes,
            "writer_lanes": plan.writer_lanes,
            "seconds": plan.seconds,
            "warm_up_s": plan.warm_up_s,
            "rounds": plan.rounds,
            "rate": plan.rate,
            "loop": "closed" if plan.rate is None else "open",
        },
    )
    return TransfersReport(
        **head,
        transfers_per_second=ours,
        transfers=tuple(loads),
        pgbench_per_second=yard,
        pgbench=tuple(yards),
        ratio=_ratio(loads, yards),
    )


def _ratio(loads: list[LoadResult], yards: list[PgbenchResult]) -> float | None:
    """Compares what was measured one after the other, so that a busy minute meets both."""
    ratios = [
        load.per_second / yard.per_second for load, yard in zip(loads, yards, strict=False)
    ]
    return round(statistics.median(ratios), 3) if ratios else None


def _load(
    side: WriteSide, plan: TransfersPlan, accounts: tuple[str, ...], number: int
) -> LoadPlan:
    return LoadPlan(
        host="127.0.0.1",
        port=side.port,
        api_key=side.doors.api_key,
        accounts=accounts,
        currency=CURRENCY,
        connections=plan.connections,
        warm_up_s=plan.warm_up_s,
        seconds=plan.seconds,
        rate=plan.rate,
        seed=number,
        run=f"bench-{number}",
    )


async def _open_accounts(side: WriteSide, count: int) -> tuple[str, ...]:
    names = tuple(f"bench.{number:06}" for number in range(count))
    left = iter(names)
    async with LedgerClient(side.doors, connections_max=OPENING_WORKERS) as client:
        await client.accounts.open(
            currency=CURRENCY, account_id=SETTLEMENT, kind="settlement", key=SETTLEMENT
        )

        async def work() -> None:
            for name in left:
                await client.accounts.open(currency=CURRENCY, account_id=name, key=name)
                await client.transfers.make(
                    SETTLEMENT, name, amount=FUNDS, currency=CURRENCY, key=f"fund-{name}"
                )

        async with asyncio.TaskGroup() as group:
            for _ in range(OPENING_WORKERS):
                group.create_task(work())
    return names


async def _drive(plan: LoadPlan) -> LoadResult:
    """Runs the driver in a process of its own, so that it shares no interpreter."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chronos.bench.driver", stdin=PIPE, stdout=PIPE, cwd=code_folder()
    )
    try:
        async with asyncio.timeout(plan.warm_up_s + plan.seconds + DRIVER_MARGIN_S):
            out, _ = await process.communicate(msgspec.json.encode(plan))
    except TimeoutError as error:
        process.kill()
        raise BenchFault("The load driver did not end in time.") from error
    if process.returncode != 0:
        raise BenchFault(f"The load driver ended with exit code {process.returncode}.")
    return msgspec.json.decode(out, type=LoadResult)
