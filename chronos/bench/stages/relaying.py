"""The relay: the way of a fresh event, a backlog into nothing and a backlog into Kafka.

Phases, on one pipeline of which only API and relay run:

1. Transfers over HTTP at a constant rate. A consumer of the topic compares the moment at which
   it has a record with the moment at which PostgreSQL recorded the event. The event is recorded
   before its transaction commits, so commit, relay, Kafka and fetch are all in the figure. This
   comes first: for a minute after hundreds of thousands of rows in one transaction PostgreSQL
   and the disk are busy with them, which made the slowest writes four times as slow.
2. The relay stands still. A backlog is filled in one transaction; the relay's own reader of the
   outbox walks it and forgets every page. That is what reading costs alone.
3. A second backlog comes while the relay runs, and goes to Kafka; the end of the topic is asked
   for again and again, so nothing disturbs the relay's process.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
import uvloop

from chronos.bench.report import BenchFault, Report, Start
from chronos.bench.stages.driving import Pace, drive
from chronos.bench.stages.processes import processor_s
from chronos.bench.stages.stage import Stage, until
from chronos.bench.stages.town import TownPlan
from chronos.bench.tally import LoadResult, percentile_ms
from chronos.store import roles
from chronos.store.outbox import take_shard
from chronos.store.outbox_poller import SnapshotPoller
from chronos.store.outbox_reader import Page, ShardReader
from chronos.stream.topic_reader import TopicReader, open_topic

DEADLINE_S: Final = 900.0
SILENCE_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayPlan:
    """What to measure."""

    rows: int
    """Of each backlog, about."""
    accounts: int
    rate: float
    """Transfers a second of the first phase."""
    seconds: float
    warm_up_s: float
    connections: int


class DrainFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One backlog."""

    rows: int
    seconds: float
    rows_per_second: int
    processor_seconds: float
    """Of the process that read: for the null sink the measuring process, else the relay."""


class WayFigures(msgspec.Struct, frozen=True, kw_only=True):
    """From the moment an event was recorded until a consumer of the topic had it."""

    events: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class RelayReport(Report, frozen=True, kw_only=True):
    """The figures of one run."""

    null_sink: DrainFigures
    kafka: DrainFigures
    commit_to_kafka: WayFigures
    load: LoadResult


async def measure_relay(stage: Stage, plan: RelayPlan) -> RelayReport:
    """Measures the three phases.

    Raises:
        BenchFault: The relay stood still, or the load was not answered.
    """
    start = Start(stage.clock)
    await stage.stop("mirror", "balances")
    way, load = await _way(stage, plan)
    stage.say(f"commit to Kafka: p50 {way.p50_ms:.1f} ms, p99 {way.p99_ms:.1f} ms")
    await stage.stop("relay")
    await stage.fill(_town(stage, plan, "null", plan.rows))
    null_sink = await asyncio.to_thread(_drain_into_nothing, stage)
    stage.say(f"null sink: {null_sink.rows_per_second:,} rows a second")
    await stage.start("relay")
    kafka = await _drain_into_kafka(stage, plan)
    stage.say(f"Kafka: {kafka.rows_per_second:,} events a second")
    settings = stage.settings
    head = await start.head(
        "relay",
        "the relay: a backlog into nothing and into Kafka, and the way of a fresh event",
        settings={
            "rows": plan.rows,
            "accounts": plan.accounts,
            "rate": plan.rate,
            "seconds": plan.seconds,
            "warm_up_s": plan.warm_up_s,
            "connections": plan.connections,
            "loop": "open",
            "relay_shards": settings.relay_shards,
            "partitions": settings.partitions,
            "outbox_rows_max": settings.outbox_rows_max,
        },
        postgres_dsn=settings.postgres_dsn,
    )
    return RelayReport(**head, null_sink=null_sink, kafka=kafka, commit_to_kafka=way, load=load)


def _town(stage: Stage, plan: RelayPlan, prefix: str, events: int) -> TownPlan:
    return TownPlan(
        accounts=plan.accounts,
        events=events,
        now=stage.clock.now(),
        is_published=True,
        prefix=prefix,
    )


def _drain_into_nothing(stage: Stage) -> DrainFigures:
    # On the loop that the relay has; servers cannot be started on it as another user.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_read_backlog(stage))


async def _read_backlog(stage: Stage) -> DrainFigures:
    crew = stage.pipeline.crew
    dsn = crew.role_settings(roles.RELAY, crew.passwords.relay).postgres_dsn
    sink = _NullSink()
    poller = SnapshotPoller(dsn)
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        tasks = [group.create_task(poller.run())]
        for shard in range(stage.settings.relay_shards):
            hold = await take_shard(dsn, shard, held_epoch=None)
            if hold is None:
                raise BenchFault(f"Another process relays shard {shard}.")
            reader = ShardReader(
                hold, poller, offer=sink.take, rows_max=stage.settings.outbox_rows_max
            )
            tasks.append(group.create_task(reader.run()))
        await until(sink.is_over, "The relay's reader still gets pages.", DEADLINE_S)
        seconds, cpu_s = sink.last_at_s - began_s, time.process_time() - began_cpu_s
        for task in tasks:
            task.cancel()
    return _drain(sink.rows, seconds, cpu_s)


class _NullSink:
    """Takes pages and forgets them."""

    def __init__(self) -> None:
        self.rows = 0
        self.last_at_s = 0.0

    async def take(self, page: Page) -> None:
        page.is_begun = True
        self.rows += len(page.rows)
        self.last_at_s = time.monotonic()
        page.published.set()

    async def is_over(self) -> bool:
        """Tells whether no page has come for a second, after the first."""
        return self.rows > 0 and time.monotonic() - self.last_at_s > SILENCE_S


async def _drain_into_kafka(stage: Stage, plan: RelayPlan) -> DrainFigures:
    async with open_topic(stage.settings.kafka, stage.names.events) as reader:
        before = sum((await reader.end_offsets()).values())
        town = await stage.fill(_town(stage, plan, "kafka", plan.rows))
        pid = stage.pid("relay")
        began_s, began_cpu_s = time.monotonic(), processor_s(pid)

        async def all_there() -> bool:
            return sum((await reader.end_offsets()).values()) >= before + town.events

        await until(all_there, "The relay has not published the backlog.", DEADLINE_S)
        seconds = time.monotonic() - began_s
        return _drain(town.events, seconds, processor_s(pid) - began_cpu_s)


def _drain(rows: int, seconds: float, cpu_s: float) -> DrainFigures:
    return DrainFigures(
        rows=rows,
        seconds=round(seconds, 3),
        rows_per_second=round(rows / seconds),
        processor_seconds=round(cpu_s, 2),
    )


async def _way(stage: Stage, plan: RelayPlan) -> tuple[WayFigures, LoadResult]:
    before = await stage.in_topic(stage.names.events)
    # As many events as it takes for every account to be able to pay.
    town = await stage.fill(_town(stage, plan, "fresh", 3 * plan.accounts + 1))
    await stage.until_published(before + town.events)
    async with open_topic(stage.settings.kafka, stage.names.events) as reader:
        await reader.from_end()
        watch = _Consumer(stage, reader)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch.run())
            load = await drive(
                stage,
                town.accounts,
                Pace(
                    rate=plan.rate,
                    seconds=plan.seconds,
                    warm_up_s=plan.warm_up_s,
                    connections=plan.connections,
                ),
            )
            watching.cancel()
    figures = way_figures(watch.seen, warm_up_s=plan.warm_up_s)
    if figures.events == 0:
        raise BenchFault(
            f"No event came to Kafka. The transfers were answered {load.statuses}."
        )
    return figures, load


class _Consumer:
    """Follows the topic and notes when it had each record."""

    def __init__(self, stage: Stage, reader: TopicReader):
        self._clock = stage.clock
        self._reader = reader
        self.seen: list[tuple[float, int]] = []
        """Of each event: when it was recorded, in seconds, and how long it took, in ns."""

    async def run(self) -> None:
        while True:
            records = await self._reader.page(wait_ms=100)
            now = self._clock.now()
            for record in records:
                recorded_at = datetime.fromisoformat(record.header("ce_time") or "")
                took_ns = round((now - recorded_at).total_seconds() * 1e9)
                self.seen.append((recorded_at.timestamp(), took_ns))


def way_figures(seen: list[tuple[float, int]], *, warm_up_s: float) -> WayFigures:
    """Gives the distribution of what came after the warm-up, counted from the first event."""
    first_s = min((recorded_s for recorded_s, _ in seen), default=0.0)
    ordered = sorted(took for recorded_s, took in seen if recorded_s >= first_s + warm_up_s)
    return WayFigures(
        events=len(ordered),
        p50_ms=percentile_ms(ordered, 50),
        p95_ms=percentile_ms(ordered, 95),
        p99_ms=percentile_ms(ordered, 99),
        max_ms=percentile_ms(ordered, 100),
    )
