"""Waits until everything has caught up: two equal looks, two seconds apart, at every store.

A look compares the heads of all accounts in PostgreSQL with the view, Redis and Elasticsearch,
and the number of events with that of entries. That is stronger than an empty outbox and a lag
of zero, which are told by the code that is on trial.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp
import asyncpg
from redis.exceptions import RedisError

from chronos.chaos.history import now_ns
from chronos.chaos.readers import elasticsearch, heads, views
from chronos.chaos.readers import redis as cache
from chronos.chaos.readers.facts import Copies
from chronos.embedded.addresses import Addresses

APART_S: Final = 2.0
LOOK_DEADLINE_S: Final = 60.0
"""A look counts every event: after an hour of load a million."""
_PAUSE_S: Final = 0.5
_DIFFERENCES_SHOWN_MAX: Final = 3
_AWAY = (
    aiohttp.ClientError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    RedisError,
    OSError,
    TimeoutError,
    KeyError,
)


class NotQuiet(Exception):
    """The pipeline did not catch up in time; the text says what differed at the last look."""


@dataclass(frozen=True, slots=True)
class _Look:
    heads: heads.Heads
    differences: tuple[str, ...]


async def until_quiet(addresses: Addresses, names: Sequence[str], *, within_s: float) -> float:
    """Returns when two looks in a row found every copy equal to the journal.

    Args:
        addresses: Of the parts themselves, without proxies between.
        names: The accounts that are compared.
        within_s: Longest wait.

    Returns:
        The seconds that it took.

    Raises:
        NotQuiet: It took longer.
    """
    began_ns = now_ns()
    before: heads.Heads | None = None
    while True:
        differences, found = await _looked(addresses, names)
        if not differences and found == before:
            return (now_ns() - began_ns) / 1e9
        if (now_ns() - began_ns) / 1e9 > within_s:
            shown = "; ".join(differences[:_DIFFERENCES_SHOWN_MAX]) or "the journal still grows"
            raise NotQuiet(
                f"The pipeline had not caught up {within_s:.0f} s after the last heal: {shown}."
            )
        before = found if not differences else None
        await asyncio.sleep(_PAUSE_S if differences else APART_S)


async def _looked(
    addresses: Addresses, names: Sequence[str]
) -> tuple[tuple[str, ...], heads.Heads | None]:
    try:
        async with asyncio.timeout(LOOK_DEADLINE_S):
            look = await _look(addresses, names)
    except _AWAY as error:
        return (f"a store does not answer: {error!r}",), None
    return look.differences, look.heads


async def _look(addresses: Addresses, names: Sequence[str]) -> _Look:
    namespace = addresses.topics.namespace
    found = await heads.read_heads(addresses.postgres, names)
    view, cached, documents, counted = await asyncio.gather(
        views.read_views(addresses.query, addresses.api_key, names),
        cache.read_balances(addresses.redis, namespace, names),
        elasticsearch.read_accounts(addresses.elasticsearch, namespace, names),
        elasticsearch.count_entries(addresses.elasticsearch, namespace),
    )
    differences = [
        text for copies in (view, cached, documents) for text in _unlike(found, copies)
    ]
    if counted != found.events:
        differences.append(f"{counted} entries of {found.events} events")
    return _Look(found, tuple(differences))


def _unlike(found: heads.Heads, copies: Copies) -> list[str]:
    texts = list(copies.flaws)
    for name, (version, booked, held) in found.accounts.items():
        copy = copies.accounts.get(name)
        if copy is None:
            texts.append(f"{copies.name} lacks {name}")
            continue
        amounts = copy.amounts
        if (amounts.version, amounts.booked, amounts.held) != (version, booked, held):
            texts.append(f"{copies.name} has {name} at version {amounts.version} of {version}")
        elif copy.is_stand_in:
            texts.append(f"{copies.name} answers for {name} from {copy.source}")
    return texts
