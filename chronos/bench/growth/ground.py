"""What every axis stands on: servers of its own, and what is done with them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chronos.assembly.processes import Crew, url
from chronos.bench.driving import run_load
from chronos.bench.growth.figures import Axis, RoundFigures
from chronos.bench.growth.filling import fill_journal
from chronos.bench.load import Door, LoadPlan, Transfers
from chronos.bench.skew import Skew
from chronos.bench.stack import Parts, Stand, bench_key, open_stand, prepare_database
from chronos.bench.stages.town import CURRENCY, Town, TownPlan
from chronos.bench.tally import LoadResult
from chronos.clock import Clock
from chronos.embedded.report import Report as News
from chronos.store.bulk import make_database
from chronos.stream.topics import ensure_topics

EVENTS_PER_ACCOUNT: Final = 3
"""Its opening, and one transfer that brings it its funds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthPlan:
    """What to measure."""

    axes: Mapping[Axis, tuple[int, ...]]
    """In their order; of each the points, in ascending order."""
    backlog: int
    """Events of each backlog of the relay and of the workers, about."""
    seconds: float
    warm_up_s: float
    connections: int
    skew: Skew
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the axes of one run have in common."""

    folder: Path
    plan: GrowthPlan
    environment: Mapping[str, str]
    clock: Clock
    news: News

    def folder_of(self, axis: Axis) -> Path:
        """Gives the folder in which an axis has all of its data folders."""
        return self.folder / axis.value

    @asynccontextmanager
    async def stand(self, axis: Axis, name: str, parts: Parts) -> AsyncIterator[Stand]:
        """Runs servers on a data folder for an axis.

        Raises:
            ChronosError: One of them could not be started.
        """
        folder = self.folder_of(axis)
        for made in (self.folder, folder):
            made.mkdir(exist_ok=True)
            made.chmod(0o711)  # The servers' account enters it; it is ours.
        async with open_stand(
            folder / name, parts, environment=self.environment, report=self.news
        ) as stand:
            yield stand

    async def fill(self, dsn: str, *, accounts: int, events: int) -> Town:
        """Fills a journal without an outbox; says how long that took.

        Raises:
            ChronosError: It could not be filled.
        """
        began_s = time.monotonic()
        plan = TownPlan(
            accounts=accounts, events=events, now=self.clock.now(), is_published=False
        )
        town = await fill_journal(dsn, plan, say=self.news.say)
        self.news.say(f"filled {town.events:,} events in {time.monotonic() - began_s:.1f} s")
        return town

    async def transfers(self, writing: Writing, *, number: int) -> RoundFigures:
        """Drives transfers to a command endpoint that runs.

        Raises:
            BenchFault: The driver failed.
        """
        plan, stand = self.plan, writing.stand
        before_s = stand.processor_s("api", "postgres")
        load = await run_load(
            LoadPlan(
                doors=(Door.at(url(stand.crew.ports.api)),),
                api_key=writing.api_key,
                work=Transfers(
                    accounts=writing.accounts,
                    currency=CURRENCY,
                    skew=plan.skew,
                    seed=number,
                    run=f"growth-{self.clock.now().timestamp():.6f}",
                ),
                connections=plan.connections,
                warm_up_s=plan.warm_up_s,
                seconds=plan.seconds,
            )
        )
        used_s = stand.processor_s("api", "postgres") - before_s
        return RoundFigures(
            round=number,
            per_second=load.per_second,
            processor_us=round(used_s / max(1, _answers(load)) * 1e6, 1),
            p50_ms=load.p50_ms,
            p99_ms=load.p99_ms,
            troubles=load.troubles,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """A command endpoint and the accounts that pay each other over it."""

    stand: Stand
    accounts: tuple[str, ...]
    api_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An axis on servers that run."""

    measure: Callable[[int, int], Awaitable[RoundFigures]]
    """Measures one point, in the round of that number."""
    postgres_dsn: str


OpenAxis = Callable[[Ground, Sequence[int]], AbstractAsyncContextManager[Opened]]
"""Gets ready what is needed to measure these points."""


async def open_writing(ground: Ground, stand: Stand, *, accounts: int, events: int) -> Writing:
    """Fills a journal and makes a key to it.

    Raises:
        ChronosError: It could not be filled.
    """
    town = await ground.fill(stand.settings.postgres_dsn, accounts=accounts, events=events)
    key = await bench_key(stand.settings)
    return Writing(stand=stand, accounts=town.funded, api_key=key)


async def made_world(stand: Stand, name: str, *, relay_shards: int | None = None) -> Crew:
    """Makes a database and topics apart from all others, and gives a crew for them.

    Nothing that one point of an axis leaves behind, an assignment or a checkpoint, is met by
    another one then, and all stand on the same servers.

    Raises:
        ChronosError: A server does not answer.
    """
    dsn = await make_database(stand.settings.postgres_dsn, name)
    crew = stand.crew_with(
        postgres_dsn=dsn,
        namespace=name,
        state_dir=stand.settings.state_dir / name,
        relay_shards=relay_shards or stand.settings.relay_shards,
    )
    await prepare_database(crew)
    await ensure_topics(crew.settings)
    return crew


def turns(points: Sequence[int], rounds: int) -> Iterator[tuple[int, int]]:
    """Gives the number of a round and a point, round by round.

    Every second round goes the other way, so that no point always has the warmer machine.
    """
    for number in range(1, rounds + 1):
        for point in points if number % 2 else reversed(points):
            yield number, point


def _answers(load: LoadResult) -> int:
    return sum(load.statuses.values()) + load.warm_up_answers
