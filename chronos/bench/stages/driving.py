"""Transfers over HTTP at a constant rate, from a process of their own."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec

from chronos.bench.load import LoadPlan
from chronos.bench.report import BenchFault
from chronos.bench.stages.stage import Stage
from chronos.bench.stages.town import CURRENCY
from chronos.bench.tally import LoadResult
from chronos.home import code_folder

MARGIN_S: Final = 60.0


async def drive(
    stage: Stage,
    accounts: Sequence[str],
    *,
    rate: float | None,
    seconds: float,
    warm_up_s: float,
    connections: int,
) -> LoadResult:
    """Drives transfers between accounts, and gives the load's own figures.

    Raises:
        BenchFault: The driver failed.
    """
    doors = stage.doors
    at = urlsplit(doors.command)
    plan = LoadPlan(
        host=at.hostname or "",
        port=at.port or 0,
        api_key=doors.api_key,
        accounts=tuple(accounts),
        currency=CURRENCY,
        connections=connections,
        warm_up_s=warm_up_s,
        seconds=seconds,
        rate=rate,
        seed=1,
        run=f"stages-{stage.clock.now().timestamp():.6f}",
    )
    return await run_driver(plan)


async def run_driver(plan: LoadPlan) -> LoadResult:
    """Runs the load driver in a process of its own, so that it shares no interpreter.

    Raises:
        BenchFault: It failed, or did not end in time.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chronos.bench.driver", stdin=PIPE, stdout=PIPE, cwd=code_folder()
    )
    try:
        async with asyncio.timeout(plan.warm_up_s + plan.seconds + MARGIN_S):
            out, _ = await process.communicate(msgspec.json.encode(plan))
    except TimeoutError as error:
        raise BenchFault("The load driver did not end in time.") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise BenchFault(f"The load driver ended with exit code {process.returncode}.")
    return msgspec.json.decode(out, type=LoadResult)
