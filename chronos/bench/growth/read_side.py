"""The axes behind the write side: shards of the relay, and balances workers.

Each point has a database, topics and worker groups of its own on the same servers. Every round
fills a new backlog into it.

- Relay: one process relays all shards. It is ready before the backlog is there in one moment;
  counted is from then until Kafka has it all.
- Workers: the relay publishes the backlog and is stopped before they start. They do not come up
  in one moment, and do not end in one; counted is while every one of them works, from the first
  look at which each had counted something to the last at which each had counted more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

from chronos.assembly.processes import Crew, url
from chronos.bench.growth.figures import Axis, RoundFigures
from chronos.bench.growth.ground import Ground, Opened, made_world
from chronos.bench.load import USUAL_ACCOUNTS
from chronos.bench.report import BenchFault
from chronos.bench.stack import Parts, Stand
from chronos.bench.stages.stage import counted, until
from chronos.bench.stages.town import TownPlan, fill_town
from chronos.embedded.supervisor import Plan
from chronos.embedded.together import together
from chronos.store.bulk import open_bulk
from chronos.stream.topic_reader import open_topic
from chronos.wire.topics import Names

COUNTER: Final = "chronos_balance_events_total{"
LOOK_S: Final = 0.1
STILL_S: Final = 300.0
PUBLISHED_S: Final = 900.0


class Look(NamedTuple):
    """What was found at one moment."""

    at_s: float
    records: tuple[int, ...]
    """Counted by each worker."""
    processor_s: float


@dataclass(slots=True)
class _Topic:
    """The events topic of one world, and how many events it has had."""

    crew: Crew
    events: int = 0

    async def fill(self, ground: Ground, number: int) -> int:
        """Fills a backlog and tells how many events it has."""
        plan = TownPlan(
            accounts=min(USUAL_ACCOUNTS, ground.plan.backlog // 4),
            events=ground.plan.backlog,
            now=ground.clock.now(),
            is_published=True,
            prefix=f"round{number}",
        )
        settings = self.crew.settings
        async with open_bulk(settings.postgres_dsn) as bulk:
            town = await fill_town(bulk, settings, plan, say=ground.news.say)
        self.events += town.events
        return town.events

    async def until_published(self) -> float:
        """Waits until Kafka has all that was filled, and tells how long that was."""
        settings = self.crew.settings
        async with open_topic(settings.kafka, Names(settings.namespace).events) as reader:

            async def all_there() -> bool:
                return sum((await reader.end_offsets()).values()) >= self.events

            return await until(
                all_there, "The relay has not published the backlog.", PUBLISHED_S
            )


@asynccontextmanager
async def relay_shards(ground: Ground, points: Sequence[int]) -> AsyncIterator[Opened]:
    """Measures one relay with so many shards of the outbox on a backlog."""
    async with ground.stand(Axis.RELAY, "servers", Parts(workers=1)) as stand:
        topics = {
            count: _Topic(await made_world(stand, f"shards{count}", relay_shards=count))
            for count in points
        }

        async def measure(count: int, number: int) -> RoundFigures:
            topic = topics[count]
            async with stand.running(topic.crew.relay()):
                events = await topic.fill(ground, number)
                before_s = stand.processor_s("relay")
                seconds = await topic.until_published()
                used_s = stand.processor_s("relay") - before_s
            return _figures(number, events, seconds, used_s)

        yield Opened(measure=measure, postgres_dsn=stand.settings.postgres_dsn)


@asynccontextmanager
async def workers(ground: Ground, points: Sequence[int]) -> AsyncIterator[Opened]:
    """Measures so many balances workers on a backlog."""
    async with ground.stand(Axis.WORKERS, "servers", Parts(workers=max(points))) as stand:
        topics = {count: _Topic(await made_world(stand, f"workers{count}")) for count in points}

        async def measure(count: int, number: int) -> RoundFigures:
            topic = topics[count]
            async with stand.running(topic.crew.relay()):
                events = await topic.fill(ground, number)
                await topic.until_published()
            plans = [topic.crew.balances_worker(slot) for slot in range(count)]
            looks = await _drained(stand, plans, events)
            first, last = busy_span(looks)
            return _figures(
                number,
                sum(last.records) - sum(first.records),
                last.at_s - first.at_s,
                last.processor_s - first.processor_s,
            )

        yield Opened(measure=measure, postgres_dsn=stand.settings.postgres_dsn)


async def _drained(stand: Stand, plans: Sequence[Plan], events: int) -> list[Look]:
    looks: list[Look] = []
    is_over = asyncio.Event()

    async def run() -> None:
        async with stand.running(*plans):
            await is_over.wait()

    async def watch() -> None:
        try:
            await _watch(stand, plans, events, looks)
        finally:
            is_over.set()

    # A short backlog is gone before the workers say that they are ready.
    await together(run(), watch())
    return looks


async def _watch(stand: Stand, plans: Sequence[Plan], events: int, looks: list[Look]) -> None:
    names = [plan.name for plan in plans]
    pages = [f"{url(stand.crew.ports.balances + slot)}/metrics" for slot in range(len(plans))]
    grown_at_s = time.monotonic()
    while True:
        records = tuple(await asyncio.gather(*(counted(page, COUNTER) for page in pages)))
        now_s = time.monotonic()
        if sum(records) > (sum(looks[-1].records) if looks else 0):
            looks.append(Look(now_s, records, stand.processor_s(*names)))
            grown_at_s = now_s
        if sum(records) >= events:
            return
        if now_s - grown_at_s > STILL_S:
            raise BenchFault(f"The workers stand still at {sum(records):,} of {events:,}.")
        await asyncio.sleep(LOOK_S)


def busy_span(looks: Sequence[Look]) -> tuple[Look, Look]:
    """Gives the looks between which every worker had work.

    Raises:
        BenchFault: There is no such time: the backlog is too short to be measured.
    """
    all_work = [look for look in looks if all(look.records)]
    if all_work:
        first = all_work[0]
        most = all_work[-1].records
        ends = [
            next(look for look in all_work if look.records[place] == most[place])
            for place in range(len(most))
        ]
        last = min(ends, key=lambda look: look.at_s)
        if last.at_s > first.at_s and sum(last.records) > sum(first.records):
            return first, last
    raise BenchFault("Not all workers had work at one time: measure a longer backlog.")


def _figures(number: int, events: int, seconds: float, used_s: float) -> RoundFigures:
    return RoundFigures(
        round=number,
        per_second=round(events / seconds, 1),
        processor_us=round(used_s / events * 1e6, 1),
    )
