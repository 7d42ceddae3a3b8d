"""Whether the read models follow, and whether what they show was ever true."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from chronos.chaos.fault import FaultFailed, Unseen
from chronos.chaos.faults import promise
from chronos.chaos.faults.asking import Reply
from chronos.chaos.faults.promise import Shape
from chronos.chaos.readers.copies import RedisCopy, SearchCopy
from chronos.chaos.scene import Scene
from chronos.chaos.wounds import Promise

FOLLOWED_S = 60.0
NEARER_S = 60.0
"""Time in which an empty history must have got more of its entries."""
REFILLED_S_MAX = 1_800.0
SHOWN_ACCOUNTS = 8
_ASK_EVERY_S = 0.3
_NAMED = 3


def redis_copy(scene: Scene) -> RedisCopy:
    """Gives Redis at its direct address."""
    return RedisCopy(scene.addresses.redis, scene.pipeline.crew.settings.namespace)


def search_copy(scene: Scene) -> SearchCopy:
    """Gives Elasticsearch at its direct address."""
    namespace = scene.pipeline.crew.settings.namespace
    return SearchCopy(scene.addresses.elasticsearch, namespace)


async def until_redis_followed(fault: Shape, scene: Scene) -> str:
    """Waits until Redis has every account as new as the journal has it now.

    Raises:
        FaultFailed: It has not in time.
    """
    copy = redis_copy(scene)
    wanted = await _heads(fault, scene)

    async def look() -> dict[str, int]:
        return await copy.versions(list(wanted))

    took_s = await _until_new(fault, wanted, look, "Redis", "redis", "balances")
    return f"Redis followed within {took_s:.1f} s"


async def until_search_followed(fault: Shape, scene: Scene, *, is_emptied: bool = False) -> str:
    """Waits until Elasticsearch has every account and entry that the journal has now.

    Where it `is_emptied`, each document is written anew. That takes a time that grows with the
    journal and with whatever else the machine does, so then it must come nearer all the while.

    Raises:
        FaultFailed: It has not in time.
    """
    copy = search_copy(scene)
    wanted = await _heads(fault, scene)
    others = ("elasticsearch", "mirror", "balances")
    took_s = 0.0
    if is_emptied:
        took_s += await _until_refilled(fault, wanted, copy.entry_versions, *others)
    took_s += await _until_new(fault, wanted, copy.entry_versions, "The history", *others)
    took_s += await _until_new(
        fault, wanted, copy.account_versions, "The index of accounts", *others
    )
    return f"Elasticsearch followed within {took_s:.1f} s"


async def until_shown(fault: Shape, scene: Scene, chance: Random) -> str:
    """Waits until some balances are shown as new as the journal has them, each once true.

    Raises:
        FaultFailed: They are not, or one was never true.
    """
    wanted = await _heads(fault, scene)
    names = chance.sample(sorted(wanted), min(SHOWN_ACCOUNTS, len(wanted)))

    async def look() -> dict[str, int]:
        shown = {}
        for name in names:
            reply = await honest_balance(fault, scene, name)
            shown[name] = int(reply.body.get("version", 0))
        return shown

    chosen = {name: wanted[name] for name in names}
    took_s = await _until_new(fault, chosen, look, "The query side", "balances")
    return f"{len(names)} balances shown anew within {took_s:.1f} s"


async def honest_balance(fault: Shape, scene: Scene, account_id: str) -> Reply:
    """Reads a balance and proves it: with its version, and once true, or refused with 503.

    A read model that is behind the opening of an account truly does not know it.

    Raises:
        FaultFailed: It was never true, or the answer is none that was promised.
        Unseen: PostgreSQL did not tell what is true.
    """
    reply = await promise.doors(scene).balance(account_id)
    if reply.status == 200:
        version, booked = reply.body.get("version"), reply.body.get("booked")
        if not isinstance(version, int):
            raise FaultFailed(f"A balance of {account_id} was shown without its version.")
        true = await promise.primary(scene).booked_at(account_id, version)
        if booked != true:
            raise FaultFailed(
                f"Account {account_id} was shown with {booked} at version {version}, where "
                f"the journal has {true} (source {reply.body.get('source')})."
            )
    elif not (reply.is_busy or reply.is_unknown or is_excused(fault, reply, "balances")):
        raise FaultFailed(f"A read of the balance of {account_id} was told {reply}.")
    return reply


def is_excused(fault: Shape, reply: Reply, name: str) -> bool:
    """Tells whether a broken connection is the work of a fault that hurts the other end.

    A view that the worker does not own yet, or any more, is answered with a document; only a
    worker that was killed or paused answers with nothing.
    """
    return reply.status == 0 and bool(fault.wounds.of([name]))


async def watch_reads(fault: Shape, scene: Scene, chance: Random, over: asyncio.Event) -> str:
    """Reads balances until it is over, and proves each.

    Raises:
        FaultFailed: One was never true, or the answer is none that was promised.
    """
    names = sorted(await _heads(fault, scene))
    shown = refused = 0
    known: set[str] = set()
    while not over.is_set():
        await asyncio.sleep(_ASK_EVERY_S)
        name = chance.choice(names)
        try:
            reply = await honest_balance(fault, scene, name)
        except Unseen:
            continue
        if reply.status == 200:
            known.add(name)
        elif reply.is_unknown and name in known:
            raise FaultFailed(f"Account {name} was shown, and is not known any more.")
        shown += reply.status == 200
        refused += reply.status != 200
    return f"{shown} balances shown meanwhile, {refused} refused"


async def _heads(fault: Shape, scene: Scene) -> dict[str, int]:
    return await fault.wounds.seen(
        promise.primary(scene).heads, resting_on=fault.resting_on("postgres")
    )


async def _until_refilled(
    fault: Shape,
    wanted: dict[str, int],
    look: Callable[[], Awaitable[dict[str, int]]],
    *parts: str,
) -> float:
    """Waits until nothing is missing, as long as ever less is; gives the seconds."""
    least, took_s = sum(wanted.values()) + 1, 0.0

    async def is_nearer() -> bool:
        nonlocal least
        found = await look()
        missing = sum(max(0, last - found.get(name, 0)) for name, last in wanted.items())
        if missing >= least:
            return False
        least = missing
        return True

    while least > 0:
        if took_s > REFILLED_S_MAX:
            raise FaultFailed(f"The history still lacks {least:,} entries of the journal.")
        took_s += await fault.wounds.until(
            is_nearer,
            within=NEARER_S,
            resting_on=fault.resting_on("postgres", "kafka", "relay", *parts),
            failure=lambda: f"The history is not filled any more; it lacks {least:,} entries.",
        )
        await asyncio.sleep(_ASK_EVERY_S)
        took_s += _ASK_EVERY_S
    return took_s


async def _until_new(
    fault: Shape,
    wanted: dict[str, int],
    look: Callable[[], Awaitable[dict[str, int]]],
    who: str,
    *parts: str,
) -> float:
    behind: list[str] = ["it gave no answer"]

    async def is_new() -> bool:
        behind[:] = ["it gave no answer"]
        found = await look()
        behind[:] = [
            f"{name} is at {found.get(name, 0)} of {version}"
            for name, version in wanted.items()
            if found.get(name, 0) < version
        ]
        return not behind

    followed = Promise(text=f"{who} is as new as the journal was", within_s=FOLLOWED_S)
    return await fault.wounds.until(
        is_new,
        within=followed,
        resting_on=fault.resting_on("postgres", "kafka", "relay", *parts),
        failure=lambda: f"{who} did not follow: {', '.join(behind[:_NAMED])}.",
    )
