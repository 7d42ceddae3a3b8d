"""What Redis and Elasticsearch say of themselves to those who look for faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from elasticsearch import NotFoundError

from chronos.clock import Clock, ClockReading
from chronos.mirror.guard import guarded
from chronos.mirror.guard import open_client as open_search
from chronos.mirror.redis import deadline
from chronos.mirror.redis import open_client as open_redis
from chronos.wire.topics import Names

_REDIS_DEADLINE_S: Final = 3.0
_BLOCKS: Final = ("write", "read_only", "read_only_allow_delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisCondition:
    """What was found."""

    eviction: str
    """The setting `maxmemory-policy`; empty where the server does not tell."""
    used_bytes: int
    max_bytes: int
    """0: no bound of its own."""
    clock: ClockReading


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchCondition:
    """What was found."""

    status: str
    """green, yellow or red."""
    aliases: Mapping[str, bool]
    """For each alias of the namespace, whether it is there."""
    blocked: tuple[str, ...]
    """Indices that take no writes, as a full disk makes them."""
    disk_free_share: float | None
    """Of the node that has the least, 0 to 1."""
    clock: ClockReading | None


async def read_redis_condition(url: str, clock: Clock) -> RedisCondition:
    """Asks Redis for its condition.

    Raises:
        Unavailable: It does not answer.
    """
    client = open_redis(url)
    try:
        async with deadline(_REDIS_DEADLINE_S):
            memory: dict[str, Any] = await client.info("memory")
            asked_at = clock.now()
            seconds, micros = await client.time()
            answered_at = clock.now()
    finally:
        await client.aclose()
    return RedisCondition(
        eviction=str(memory.get("maxmemory_policy", "")),
        used_bytes=int(memory.get("used_memory", 0)),
        max_bytes=int(memory.get("maxmemory", 0)),
        clock=ClockReading(
            theirs=datetime.fromtimestamp(seconds + micros / 1e6, UTC),
            asked_at=asked_at,
            answered_at=answered_at,
        ),
    )


async def read_search_condition(url: str, names: Names, clock: Clock) -> SearchCondition:
    """Asks Elasticsearch for its condition.

    Raises:
        Unavailable: It does not answer.
    """
    client = open_search(url)
    aliases = (names.entries_alias, names.accounts_alias)
    try:
        with guarded():
            health = await client.cluster.health()
            there = {
                name: bool(await client.indices.exists_alias(name=name)) for name in aliases
            }
            blocked = await _blocked(
                client, [name for name, is_there in there.items() if is_there]
            )
            asked_at = clock.now()
            stats = await client.nodes.stats(metric="fs")
            answered_at = clock.now()
    finally:
        await client.close()
    nodes = list(stats.body.get("nodes", {}).values())
    return SearchCondition(
        status=str(health["status"]),
        aliases=there,
        blocked=blocked,
        disk_free_share=min(map(_free_share, nodes), default=None),
        clock=_clock_of(nodes, asked_at, answered_at),
    )


async def _blocked(client: Any, aliases: list[str]) -> tuple[str, ...]:
    if not aliases:
        return ()
    try:
        found = await client.indices.get_settings(index=aliases, flat_settings=True)
    except NotFoundError:
        return ()  # Moved in between.
    return tuple(
        sorted(
            index
            for index, answer in found.items()
            if any(
                str(answer["settings"].get(f"index.blocks.{block}", "false")) == "true"
                for block in _BLOCKS
            )
        )
    )


def _free_share(node: Mapping[str, Any]) -> float:
    total = node.get("fs", {}).get("total", {})
    size = int(total.get("total_in_bytes", 0))
    return int(total.get("available_in_bytes", 0)) / size if size else 1.0


def _clock_of(
    nodes: list[Mapping[str, Any]], asked_at: datetime, answered_at: datetime
) -> ClockReading | None:
    stamps = [node["timestamp"] for node in nodes if "timestamp" in node]
    if not stamps:
        return None
    theirs = datetime.fromtimestamp(int(stamps[0]) / 1000, UTC)
    return ClockReading(theirs=theirs, asked_at=asked_at, answered_at=answered_at)
