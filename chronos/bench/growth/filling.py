"""A long journal in short time: several processes book a part of the accounts each.

Booking in Python is most of the work, two thirds of it, so as many processes as there are
processors fill several times as fast. Each fills a town of its own, whose accounts deal with
each other only, at positions that are nobody else's; what lies in the journal is what one
process would have put there, by the same core. The parts are processes like the load driver: a
plan on standard input, a figure on standard output.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from chronos.assembly.measured_on import processors
from chronos.bench.report import BenchFault
from chronos.bench.stages.town import Say, Town, TownPlan, fill_town, put_town
from chronos.embedded.together import together
from chronos.home import code_folder
from chronos.settings import Settings
from chronos.store.bulk import open_bulk

PART_EVENTS_MIN: Final = 50_000
"""Below this a process has hardly started when it is done."""
DEADLINE_S: Final = 6 * 3_600.0


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one process fills."""

    dsn: str
    """The journal, as its owner."""
    plan: TownPlan
    first_position: int


async def fill_journal(dsn: str, plan: TownPlan, *, say: Say) -> Town:
    """Fills a town without an outbox into a journal that nobody else writes.

    Args:
        dsn: The journal, as its owner.
        plan: What is filled; of several parts each has its own prefix below the plan's.
        say: Takes a line of news.

    Raises:
        BenchFault: A process failed; what it said is on the screen.
        Unavailable: PostgreSQL does not answer.
    """
    plans = parts_of(plan, processes=processors())
    async with open_bulk(dsn) as bulk:
        if len(plans) == 1:
            return await fill_town(bulk, Settings(), plan, say=say)
        say(
            f"filling {plan.accounts:,} accounts with about {plan.events:,} events, "
            f"{len(plans)} processes …"
        )
        first = await bulk.first_position()
        parts = list(_placed(dsn, plans, first))
        events = await _filled(parts)
        await bulk.settle(parts[-1].first_position + parts[-1].plan.positions)
    names = tuple(name for one in plans for name in one.names)
    funded = tuple(name for one in plans for name in one.names[: one.transfers])
    return Town(accounts=names, funded=funded, events=sum(events))


def parts_of(plan: TownPlan, *, processes: int) -> list[TownPlan]:
    """Divides a town into as many as there are processes, or fewer where it is small."""
    count = max(1, min(processes, plan.events // PART_EVENTS_MIN, plan.accounts // 2))
    if count == 1:
        return [plan]
    return [
        replace(
            plan,
            prefix=f"{plan.prefix}.{number}",
            accounts=_share(plan.accounts, count, number),
            events=_share(plan.events, count, number),
        )
        for number in range(count)
    ]


def _share(whole: int, count: int, number: int) -> int:
    return whole // count + (number < whole % count)


def _placed(dsn: str, plans: Sequence[TownPlan], first: int) -> Iterator[Part]:
    for plan in plans:
        yield Part(dsn=dsn, plan=plan, first_position=first)
        first += plan.positions


async def _filled(parts: Sequence[Part]) -> list[int]:
    events: list[int] = []

    async def fill(part: Part) -> None:
        events.append(await _run(part))

    try:
        async with asyncio.timeout(DEADLINE_S):
            await together(*(fill(part) for part in parts))
    except TimeoutError as error:
        raise BenchFault(f"The journal was not filled in {DEADLINE_S:,.0f} s.") from error
    return events


async def _run(part: Part) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __spec__.name, stdin=PIPE, stdout=PIPE, cwd=code_folder()
    )
    try:
        out, _ = await process.communicate(msgspec.json.encode(part))
    finally:
        await _end(process)
    if process.returncode != 0:
        raise BenchFault(f"A process that fills ended with exit code {process.returncode}.")
    return int(out)


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


async def _fill_part(part: Part) -> int:
    async with open_bulk(part.dsn) as bulk:
        return await put_town(bulk, Settings(), part.plan, first_position=part.first_position)


def main() -> None:
    """Reads a part, fills it, writes how many events it has."""
    part = msgspec.json.decode(sys.stdin.buffer.read(), type=Part)
    sys.stdout.write(str(asyncio.run(_fill_part(part))))


if __name__ == "__main__":
    main()
