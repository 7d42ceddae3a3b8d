"""How fast a worker takes a backlog: from its first counted record to its last.

The start of the process is not in it. What is counted is the worker's own counter, asked for a
few times a second; the processor's time is that of the worker's process in the same span.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import msgspec

from chronos.bench.report import BenchFault
from chronos.bench.stages.processes import peak_mib, processor_s, resident_mib

LOOK_S: Final = 0.1
STILL_S: Final = 600.0


class Drained(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker needed for a backlog.

    Attributes:
        records: Counted between the first look that found any and the last.
        seconds: Between the same looks.
        per_second: Records a second.
        processor_seconds: Of the worker's process meanwhile.
        resident_mib: Its memory at the end.
        resident_peak_mib: The most that it has had.
    """

    records: int
    seconds: float
    per_second: int
    processor_seconds: float
    resident_mib: float
    resident_peak_mib: float


class Look(NamedTuple):
    """What was found at one moment."""

    at_s: float
    records: int
    processor_s: float


async def watch_drain(
    count: Callable[[], Awaitable[int]], *, records: int, pid: Callable[[], int]
) -> Drained:
    """Looks until a worker has counted so many records.

    Args:
        count: Tells how many it has counted.
        records: How many there are.
        pid: Tells its process id.

    Raises:
        BenchFault: It stood still for ten minutes.
    """
    looks: list[Look] = []
    while True:
        found = await count()
        now_s = time.monotonic()
        if found and (not looks or found > looks[-1].records):
            looks.append(Look(now_s, found, processor_s(pid())))
        if found >= records:
            break
        if looks and now_s - looks[-1].at_s > STILL_S:
            raise BenchFault(f"The worker stands still at {found:,} of {records:,} records.")
        await asyncio.sleep(LOOK_S)
    return drained(looks, resident=resident_mib(pid()), peak=peak_mib(pid()))


def drained(looks: list[Look], *, resident: float, peak: float) -> Drained:
    """Gives the figures between the first look and the last.

    Raises:
        BenchFault: There is only one look: the backlog is too short to be measured.
    """
    first, last = looks[0], looks[-1]
    if last.records <= first.records:
        raise BenchFault("The backlog was gone at the first look: measure a longer one.")
    seconds = last.at_s - first.at_s
    records = last.records - first.records
    return Drained(
        records=records,
        seconds=round(seconds, 3),
        per_second=round(records / seconds),
        processor_seconds=round(last.processor_s - first.processor_s, 2),
        resident_mib=resident,
        resident_peak_mib=peak,
    )
