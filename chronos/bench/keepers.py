"""Finds which balances worker keeps which accounts, once they have agreed on it.

While a group of workers is rearranged, a worker answers from Redis for its own accounts too. So
the partitions are asked for until each is in the table of exactly one worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp

from chronos.bench.report import BenchFault
from chronos.bench.stack import Side
from chronos.wire.topics import partition_of
from web.routing import FORWARD_HEADER

READY_DEADLINE_S: Final = 60.0
_POLL_S: Final = 0.2
_ANSWER_DEADLINE_S: Final = 5.0

Sources = Mapping[str, Mapping[int, str]]
"""Of each worker and partition: where an account is read, or what was said instead."""


async def find_keepers(side: Side, names: Sequence[str], *, version: int) -> dict[int, str]:
    """Gives the worker that keeps each partition which has accounts.

    Args:
        side: What is measured.
        names: The accounts, in the order in which they reached `version`: who shows the last
            one of a partition shows all of them.
        version: What each must show at least.

    Raises:
        BenchFault: They do not show it, or do not agree, for a minute.
    """
    last = {partition_of(name.encode(), side.partitions): name for name in names}
    # A worker that has no answer of its own says so, instead of asking the keeper.
    headers = {"Authorization": f"Bearer {side.doors.api_key}", FORWARD_HEADER: "1"}
    timeout = aiohttp.ClientTimeout(total=_ANSWER_DEADLINE_S)
    sources: dict[str, dict[int, str]] = {}
    try:
        async with (
            asyncio.timeout(READY_DEADLINE_S),
            aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
        ):
            while True:
                for query in side.queries:
                    sources[query] = {
                        partition: await _source(session, query, name, version)
                        for partition, name in last.items()
                    }
                keepers = agreed(sources)
                if keepers is not None:
                    return keepers
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise BenchFault(
            "The balances workers do not show the accounts, each in the table of one worker: "
            f"every worker must be known (--query). They said {sources}"
        ) from None


def agreed(sources: Sources) -> dict[int, str] | None:
    """Gives the keeper of each partition, or None while there is not one for each.

    A worker that keeps nothing has just come, and will be given some.
    """
    keepers: dict[int, str] = {}
    for query, of_worker in sources.items():
        for partition, source in of_worker.items():
            if source == "table":
                if partition in keepers:
                    return None
                keepers[partition] = query
            elif source != "redis":
                return None
    partitions = next(iter(sources.values()), {})
    is_whole = len(keepers) == len(partitions) and set(keepers.values()) == set(sources)
    return keepers if is_whole else None


async def _source(session: aiohttp.ClientSession, query: str, name: str, version: int) -> str:
    path = f"{query}/v1/accounts/{name}/balance?min_version={version}"
    try:
        async with session.get(path) as answer:
            if answer.status == 200:
                return str((await answer.json())["source"])
            return (await answer.text())[:200]
    except (TimeoutError, aiohttp.ClientError) as error:
        return repr(error)
