"""All checkers after one run: read every store once, judge, then try fifty requests at once.

Phases: the history and the stores are read side by side, as they stand after quiescence. Then
each checker judges by itself. What changes something (the fifty requests) comes last but for
C11, whose `reconcile` waits for the copies. Whatever goes wrong in a reader or a checker is a
violation in the name of whoever needed it: a checker that fell over has not found the run good.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from chronos.chaos.bank import accounts
from chronos.chaos.checkers import (
    acknowledged,
    audits,
    availability,
    convergence,
    journal,
    keys,
    order,
    probe,
    published,
    snapshots,
)
from chronos.chaos.fault import Injection
from chronos.chaos.history import Operation, read_history
from chronos.chaos.profile import Profile
from chronos.chaos.readers import elasticsearch, kafka, postgres, redis, views
from chronos.chaos.readers.facts import Copies, Entries, Journal, Topic
from chronos.chaos.verdict import Verdict, verdict
from chronos.embedded.addresses import Addresses

_T = TypeVar("_T")
READ_DEADLINE_S = 300.0
PROMISES = {
    "C1": journal.ZERO_SUM,
    "C2": snapshots.PROMISE,
    "C3": acknowledged.NO_LOST_ACK,
    "C4": acknowledged.NO_PHANTOM,
    "C5": journal.GAPLESS,
    "C6": published.PROMISE,
    "C7": convergence.PROMISE,
    "C8": order.PROMISE,
    "C9": keys.PROMISE,
    "C10": journal.NO_OVERDRAFT,
    "C11": audits.PROMISE,
    "C12": availability.PROMISE,
}
ALL = frozenset(PROMISES)


@dataclass(frozen=True, slots=True)
class Found(Generic[_T]):
    """What a reader gave, or why it gave nothing."""

    value: _T | None
    trouble: str = ""

    def get(self) -> _T:
        """Gives what was found.

        Raises:
            LookupError: Nothing was; the text says why.
        """
        if self.value is None:
            raise LookupError(self.trouble)
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All that is judged."""

    history: Found[list[Operation]]
    journal: Found[Journal]
    topic: Found[Topic]
    redis: Found[Copies]
    documents: Found[Copies]
    entries: Found[Entries]
    view: Found[Copies]
    changelog: Found[Copies]

    def copies(self) -> list[Copies]:
        """Gives every copy of the balances."""
        places = (self.view, self.changelog, self.redis, self.documents)
        return [place.get() for place in places]


async def check_all(
    *,
    addresses: Addresses,
    history: Path,
    profile: Profile,
    injections: Sequence[Injection],
    data: Path,
    only: Collection[str] = ALL,
) -> list[Verdict]:
    """Judges a run after quiescence by its checkers.

    Args:
        addresses: Of the instance's parts themselves, without proxies between.
        history: What the clients wrote.
        profile: Says what a run must have to count.
        injections: The faults, as they went.
        data: Data folder of the instance, which still runs.
        only: The checkers that are asked; the others do and cost nothing.
    """
    # Its commands run elsewhere.
    folder = await asyncio.to_thread(data.absolute)
    world = await read_world(addresses, history)
    verdicts = [
        await asyncio.to_thread(_judged, name, judge)
        for name, judge in judges(world, addresses, profile, injections)
        if name in only
    ]
    if "C9" in only:
        verdicts.append(await _keys(world, addresses))
    if "C11" in only:
        verdicts.append(await _awaited("C11", audits.PROMISE, audits.audits(folder)))
    return sorted(verdicts, key=lambda one: int(one.checker[1:]))


async def read_world(addresses: Addresses, history: Path) -> World:
    """Reads the history and every store; what cannot be read is said in its place."""
    namespace = addresses.topics.namespace
    stored = await _found("PostgreSQL", postgres.read_journal(addresses.postgres))
    names = sorted(stored.value.accounts) if stored.value is not None else []
    told, topic, cached, documents, entries, view = await asyncio.gather(
        _found("the history", asyncio.to_thread(read_history, history)),
        _found("Kafka", kafka.read_topic(addresses.kafka, addresses.topics.events)),
        _found("Redis", redis.read_balances(addresses.redis, namespace, names)),
        _found(
            "Elasticsearch",
            elasticsearch.read_accounts(addresses.elasticsearch, namespace, names),
        ),
        _found("Elasticsearch", elasticsearch.read_entries(addresses.elasticsearch, namespace)),
        _found("the view", views.read_views(addresses.query, addresses.api_key, names)),
    )
    changelog = await _found("Kafka", kafka.read_changelog(addresses.kafka, namespace))
    return World(
        history=told,
        journal=stored,
        topic=topic,
        redis=cached,
        documents=documents,
        entries=entries,
        view=view,
        changelog=changelog,
    )


def judges(
    world: World,
    addresses: Addresses,
    profile: Profile,
    injections: Sequence[Injection],
) -> list[tuple[str, Callable[[], Verdict]]]:
    """Gives the checkers that only compare; C9 and C11 also do something."""
    stored, told = world.journal.get, world.history.get
    return [
        ("C1", lambda: journal.zero_sum(stored())),
        (
            "C2",
            lambda: snapshots.snapshot_sums(
                stored(), told(), snapshots_min=profile.snapshots_min
            ),
        ),
        ("C3", lambda: acknowledged.no_lost_ack(stored(), told())),
        ("C4", lambda: acknowledged.no_phantom(stored(), told())),
        ("C5", lambda: journal.gapless(stored())),
        (
            "C6",
            lambda: published.outbox_to_kafka(
                stored(),
                world.topic.get(),
                partitions=addresses.partitions,
                topic_name=addresses.topics.events,
            ),
        ),
        (
            "C7",
            lambda: convergence.convergence(
                stored(), told(), world.copies(), world.entries.get()
            ),
        ),
        ("C8", lambda: order.linearizable(stored(), told())),
        ("C10", lambda: journal.no_overdraft(stored())),
        ("C12", lambda: availability.availability(told(), injections)),
    ]


async def _keys(world: World, addresses: Addresses) -> Verdict:
    async def judge() -> Verdict:
        bank = accounts()
        key = f"probe-{time.monotonic_ns()}"
        wrong = await probe.post_at_once(addresses, key, bank)
        payer = probe.request_body(key, bank)["from"]
        wrong += probe.judge_events(
            key, await postgres.read_events_of(addresses.postgres, payer)
        )
        return keys.idempotent(world.journal.get(), world.history.get(), wrong)

    return await _awaited("C9", keys.PROMISE, judge())


async def _found(place: str, reading: Coroutine[Any, Any, _T]) -> Found[_T]:
    try:
        async with asyncio.timeout(READ_DEADLINE_S):
            return Found(await reading)
    except Exception as error:  # noqa: BLE001 - a violation of every checker that needs it
        return Found(None, f"{place} could not be read: {error!r}")


def _judged(name: str, judge: Callable[[], Verdict]) -> Verdict:
    try:
        return _counted(judge())
    except Exception as error:  # noqa: BLE001 - a violation, never a silent pass
        return _fallen(name, PROMISES[name], error)


async def _awaited(name: str, promise: str, judging: Awaitable[Verdict]) -> Verdict:
    try:
        return _counted(await judging)
    except Exception as error:  # noqa: BLE001 - a violation, never a silent pass
        return _fallen(name, promise, error)


def _fallen(name: str, promise: str, error: Exception) -> Verdict:
    what = str(error) if isinstance(error, LookupError) else f"the checker fell over: {error!r}"
    return verdict(name, promise, looked_at=0, violations=[what])


def _counted(judged: Verdict) -> Verdict:
    """Says of a verdict on nothing that it is none."""
    if judged.looked_at > 0 or judged.invalid or judged.violations_count:
        return judged
    return dataclasses.replace(judged, invalid="there was nothing to look at")
