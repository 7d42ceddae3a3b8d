"""Rebuilds of a journal of a given size, each into an empty server.

The rebuilds are those of `chronos rebuild`, so what is measured includes every proof: the fold
and the hash chain of each event, and the comparison of the whole copy with one snapshot. The
table comes last: its worker fills Redis too.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from chronos.audit.fill_from_topic import Source
from chronos.audit.rebuild_all import rebuild_part
from chronos.bench.long_accounts import fill
from chronos.bench.replaying import measure_replay
from chronos.bench.report import BenchFault, Report, Start
from chronos.clock import Clock
from chronos.settings import Settings
from chronos.store import migrate
from chronos.store.bulk import open_bulk

TARGETS: Final = ("kafka", "redis", "elasticsearch", "table")
SHORTEST: Final = 250
LONGEST: Final = 750
_KIB: Final = 1024


class RebuildFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One rebuild."""

    target: str
    read: str
    """Where the events were read."""
    events: int
    seconds: float
    processor_seconds: float
    """Of the rebuilding process, without the servers: on a busy machine the steadier figure."""
    events_per_second: float
    resident_peak_mib: float
    """The most that this process has had until its end; of the table, its worker."""


class RebuildReport(Report, frozen=True, kw_only=True):
    """The figures of one run."""

    rebuilds: tuple[RebuildFigures, ...]
    seconds: float
    """All of them together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildPlan:
    """What is measured."""

    events: int
    """How long the journal is to be, about."""
    source: Source
    """Where Redis and Elasticsearch are filled from."""
    environment: Mapping[str, str]
    """Variables that a worker starts with."""


async def measure_rebuild(
    settings: Settings, plan: RebuildPlan, *, clock: Clock, say: Callable[[str], None]
) -> RebuildReport:
    """Fills a journal and rebuilds each target from it.

    Args:
        settings: Where the servers are; all are empty.
        plan: What is measured.
        clock: Gives the present, before which everything happened.
        say: Takes a line of news.

    Raises:
        BenchFault: A rebuild did not take every event.
        ChronosError: A rebuild failed.
    """
    start = Start(clock)
    await migrate.migrate(settings.postgres_dsn)
    lengths = lengths_for(plan.events)
    say(f"filling {2 * len(lengths):,} accounts with {2 * sum(lengths):,} events …")
    async with open_bulk(settings.postgres_dsn) as bulk:
        await fill(bulk, lengths, now=clock.now(), say=lambda _: None)
    rebuilds = []
    for target in TARGETS:
        rebuilds.append(await _measure(settings, target, 2 * sum(lengths), plan))
        say(_line(rebuilds[-1]))
    head = await start.head(
        "rebuild",
        "rebuilds of empty copies from the journal, proofs included",
        settings={"events": 2 * sum(lengths), "accounts": 2 * len(lengths)},
        postgres_dsn=settings.postgres_dsn,
    )
    return RebuildReport(
        **head,
        rebuilds=tuple(rebuilds),
        seconds=round(sum(one.seconds for one in rebuilds), 1),
    )


def lengths_for(events: int) -> tuple[int, ...]:
    """Gives different lengths of accounts, whose settlement accounts are as long again.

    There are only so many lengths about the usual one: a longer journal has longer accounts.
    """
    usual = (SHORTEST + LONGEST) // 2
    count = max(1, min(LONGEST - SHORTEST, events // (2 * usual)))
    middle = events // (2 * count)
    first = max(2, middle - count // 2)
    return tuple(range(first, first + count))


async def _measure(
    settings: Settings, target: str, events: int, plan: RebuildPlan
) -> RebuildFigures:
    seen = 0

    def told(_: str, done: int, total: int) -> None:
        nonlocal seen
        seen = max(seen, min(done, total))

    started_s, started_cpu_s = time.monotonic(), time.process_time()
    facts = await rebuild_part(target, settings, progress=told, source=plan.source)
    seconds = time.monotonic() - started_s
    cpu_s = time.process_time() - started_cpu_s
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB
    if target == "table":
        replay = await measure_replay(settings, events, plan.environment)
        seconds += replay.seconds
        cpu_s, peak_mib = replay.processor_seconds, replay.resident_peak_mib
    elif seen != events:
        raise BenchFault(f"{target} was rebuilt from {seen} events, not from {events}.")
    read = "kafka" if target == "table" else "postgresql"
    return RebuildFigures(
        target=target,
        read=str(facts.get("read", read)),
        events=events,
        seconds=round(seconds, 1),
        processor_seconds=round(cpu_s, 1),
        events_per_second=round(events / seconds),
        resident_peak_mib=round(peak_mib),
    )


def _line(figures: RebuildFigures) -> str:
    return (
        f"{figures.target} from {figures.read}: {figures.events:,} events in "
        f"{figures.seconds:,.1f} s ({figures.processor_seconds:,.1f} s of processor), "
        f"{figures.events_per_second:,.0f} a second; {figures.resident_peak_mib:.0f} MiB"
    )
