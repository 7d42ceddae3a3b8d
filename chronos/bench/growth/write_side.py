"""The axes of the write side: processes of the command API, accounts, length of the journal.

Only PostgreSQL and the command API run beside the load driver. Processes and accounts are
measured on one journal; two lengths of it are two PostgreSQL, each with a command API that
waits while the other has its turn.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Final

from chronos.bench.growth.figures import Axis, RoundFigures
from chronos.bench.growth.ground import (
    EVENTS_PER_ACCOUNT,
    Ground,
    Opened,
    Writing,
    open_writing,
)
from chronos.bench.load import USUAL_ACCOUNTS
from chronos.bench.stack import Parts

_EVENTS_OF_AN_ACCOUNT_MIN: Final = 4


@asynccontextmanager
async def api_processes(ground: Ground, points: Sequence[int]) -> AsyncIterator[Opened]:
    """Measures so many processes of the command API on one PostgreSQL."""
    del points
    async with ground.stand(Axis.API, "postgres", Parts()) as stand:
        writing = await open_writing(
            ground,
            stand,
            accounts=USUAL_ACCOUNTS,
            events=USUAL_ACCOUNTS * EVENTS_PER_ACCOUNT + 1,
        )

        async def measure(count: int, number: int) -> RoundFigures:
            async with stand.running(stand.crew_with(api_processes=count).api()):
                return await ground.transfers(writing, number=number)

        yield Opened(measure=measure, postgres_dsn=stand.settings.postgres_dsn)


@asynccontextmanager
async def accounts(ground: Ground, points: Sequence[int]) -> AsyncIterator[Opened]:
    """Measures transfers among the first so many accounts of a bank that has the most."""
    most = max(points)
    async with ground.stand(Axis.ACCOUNTS, "postgres", Parts()) as stand:
        writing = await open_writing(
            ground, stand, accounts=most, events=most * EVENTS_PER_ACCOUNT + 1
        )

        async def measure(count: int, number: int) -> RoundFigures:
            some = replace(writing, accounts=writing.accounts[:count])
            return await ground.transfers(some, number=number)

        async with stand.running(stand.crew.api()):
            yield Opened(measure=measure, postgres_dsn=stand.settings.postgres_dsn)


@asynccontextmanager
async def journal(ground: Ground, points: Sequence[int]) -> AsyncIterator[Opened]:
    """Measures the same accounts on a short journal and on longer ones."""
    count = min(USUAL_ACCOUNTS, min(points) // _EVENTS_OF_AN_ACCOUNT_MIN)
    writings: dict[int, Writing] = {}
    async with AsyncExitStack() as stack:
        for events in points:
            stand = await stack.enter_async_context(
                ground.stand(Axis.JOURNAL, f"{events}", Parts())
            )
            writings[events] = await open_writing(ground, stand, accounts=count, events=events)
            await stack.enter_async_context(stand.running(stand.crew.api()))

        async def measure(events: int, number: int) -> RoundFigures:
            return await ground.transfers(writings[events], number=number)

        yield Opened(
            measure=measure,
            postgres_dsn=writings[points[0]].stand.settings.postgres_dsn,
        )
