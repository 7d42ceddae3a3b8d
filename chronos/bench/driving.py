"""Runs the load driver in a process of its own, so that it shares no interpreter."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE

import msgspec

from chronos.bench.load import LoadPlan
from chronos.bench.report import BenchFault
from chronos.bench.tally import LoadResult
from chronos.home import code_folder

MARGIN_S = 60.0


async def run_load(plan: LoadPlan) -> LoadResult:
    """Runs one load and gives its figures.

    Raises:
        BenchFault: The driver failed or did not end; what it said is on the screen.
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
