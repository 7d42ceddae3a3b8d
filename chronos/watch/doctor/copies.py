"""Judges the servers of the copies, and every server's clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chronos.clock import ClockReading
from chronos.mirror.condition import RedisCondition, SearchCondition
from chronos.watch.doctor.findings import Code, Finding, error, ok, warning

SKEW_S_MAX: Final = 1.0
"""Tolerance: ages, lags and ends of holds are told by several clocks."""
SKEW_S_ERROR: Final = 30.0
MEMORY_SHARE_MAX: Final = 0.9
DISK_FREE_SHARE_MIN: Final = 0.05
"""Elasticsearch's own flood stage: with less, it lets nobody write."""


def judge_redis(found: RedisCondition) -> Iterator[Finding]:
    """Judges what Redis said of itself."""
    if found.eviction in ("noeviction", ""):
        said = found.eviction or "not told by this server"
        yield ok(Code.REDIS_EVICTION, "redis", f"maxmemory-policy is {said}")
    else:
        yield warning(
            Code.REDIS_EVICTION,
            "redis",
            f"maxmemory-policy is {found.eviction}: balances vanish when memory is short, and "
            "nobody refills them",
            "Run `CONFIG SET maxmemory-policy noeviction`, keep it in redis.conf, and run "
            "`chronos rebuild redis`.",
        )
    used = f"{found.used_bytes >> 20} MiB"
    if found.max_bytes and found.used_bytes > MEMORY_SHARE_MAX * found.max_bytes:
        yield warning(
            Code.REDIS_MEMORY,
            "redis",
            f"Redis uses {used} of {found.max_bytes >> 20} MiB: soon it refuses balances",
            "Raise maxmemory; about 1 KiB for each account is needed.",
        )
    else:
        most = f"of {found.max_bytes >> 20} MiB" if found.max_bytes else "without a bound"
        yield ok(Code.REDIS_MEMORY, "redis", f"Redis uses {used} {most}")


def judge_search(found: SearchCondition) -> Iterator[Finding]:
    """Judges what Elasticsearch said of itself."""
    missing = [name for name, there in found.aliases.items() if not there]
    if missing:
        yield error(
            Code.INDICES,
            "elasticsearch",
            f"the indices behind {' and '.join(missing)} do not exist: history and search "
            "answer 503",
            "Start the mirror, which makes and fills them; or run `chronos rebuild "
            "elasticsearch`.",
        )
    else:
        yield ok(Code.INDICES, "elasticsearch", f"{' and '.join(found.aliases)} are there")
    yield _search_health(found)


def _search_health(found: SearchCondition) -> Finding:
    about = "elasticsearch"
    free = found.disk_free_share
    if found.status == "red":
        return error(
            Code.SEARCH_HEALTH,
            about,
            "the cluster is red: a primary shard is missing, and searches answer in part",
            "Ask `GET /_cluster/allocation/explain`; if the shard is lost, run "
            "`chronos rebuild elasticsearch`.",
        )
    if found.blocked:
        return error(
            Code.SEARCH_HEALTH,
            about,
            f"{', '.join(found.blocked)} take no writes: Elasticsearch blocks indices when its "
            "disk is full",
            "Free disk space; the block goes away by itself, or set "
            "index.blocks.read_only_allow_delete to null. The mirror waits and loses nothing.",
        )
    if free is not None and free < DISK_FREE_SHARE_MIN:
        return warning(
            Code.SEARCH_HEALTH,
            about,
            f"Elasticsearch's disk has {free:.0%} left: at 5 % it lets nobody write",
            "Free disk space, or give it a bigger disk.",
        )
    return ok(Code.SEARCH_HEALTH, about, f"the cluster is {found.status} and takes writes")


def judge_clock(server: str, reading: ClockReading | None) -> Finding:
    """Judges a server's clock beside this machine's, less what the question took."""
    if reading is None:
        return ok(Code.CLOCK, server, f"the clock of {server} was not read: it does not tell")
    sure_s = max(0.0, abs(reading.skew_s) - reading.doubt_s)
    side = "ahead of" if reading.skew_s > 0 else "behind"
    said = (
        f"the clock of {server} is {abs(reading.skew_s):.3f} s {side} this machine's (give or "
        f"take {reading.doubt_s:.3f} s; {SKEW_S_MAX:g} s are tolerated)"
    )
    if sure_s <= SKEW_S_MAX:
        return ok(Code.CLOCK, server, said)
    action = f"Let a time service (NTP, chrony) set the clocks of {server} and of this machine."
    judged = error if sure_s > SKEW_S_ERROR else warning
    return judged(
        Code.CLOCK,
        server,
        f"{said}: ages and lags are shown wrong, and holds end at another time than they say",
        action,
    )
