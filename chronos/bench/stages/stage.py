"""A whole pipeline of which only the stage that is measured runs.

Everything is started once, so that topics, indices and groups are what they are in a bank; then
the processes that would take processors from the measured one are stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from chronos.assembly.pipeline import Pipeline
from chronos.assembly.processes import url
from chronos.bench.report import BenchFault
from chronos.bench.stages.town import Say, Town, TownPlan, fill_town
from chronos.client.doors import Doors
from chronos.clock import Clock
from chronos.embedded.report import Report
from chronos.settings import Settings
from chronos.store.bulk import open_bulk
from chronos.stream.topic_reader import open_topic
from chronos.wire.topics import Names

LOOK_S: Final = 0.01
DEADLINE_S: Final = 3_600.0
_METRICS_DEADLINE_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running pipeline, and what is done with it."""

    pipeline: Pipeline
    clock: Clock
    say: Say

    @property
    def settings(self) -> Settings:
        """Gives the settings, with PostgreSQL as its owner sees it."""
        return self.pipeline.crew.settings

    @property
    def names(self) -> Names:
        """Names the topics and indices."""
        return Names(self.settings.namespace)

    @property
    def doors(self) -> Doors:
        """Gives where the command endpoint and the first balances worker answer."""
        addresses = self.pipeline.addresses
        return Doors(command=addresses.api, query=addresses.query, api_key=addresses.api_key)

    def pid(self, name: str) -> int:
        """Gives the process id of a child.

        Raises:
            BenchFault: It does not run.
        """
        pid = self.pipeline.supervisor.pids.get(name)
        if pid is None:
            raise BenchFault(f"The process {name} does not run; see its log.")
        return pid

    async def start(self, name: str) -> float:
        """Starts a process of Chronos and tells how long it took until it was ready."""
        began_s = time.monotonic()
        await self.pipeline.supervisor.start(self.pipeline.plans[name])
        return time.monotonic() - began_s

    async def stop(self, *names: str) -> None:
        """Stops processes of Chronos."""
        for name in names:
            await self.pipeline.supervisor.stop(name)

    def port(self, name: str) -> int:
        """Gives the port on which a worker tells its metrics."""
        ports = self.pipeline.crew.ports
        return {"relay": ports.relay, "mirror": ports.mirror, "balances": ports.balances}[name]

    async def counted(self, name: str, head: str) -> int:
        """Adds up a counter of a worker over all labels that begin so; 0 while it is away."""
        return await counted(f"{url(self.port(name))}/metrics", head)

    async def in_topic(self, topic: str) -> int:
        """Counts the records that a topic has had."""
        async with open_topic(self.settings.kafka, topic) as reader:
            return sum((await reader.end_offsets()).values())

    async def fill(self, plan: TownPlan) -> Town:
        """Fills accounts into the journal, and has the relay publish them if the plan says so.

        Raises:
            BenchFault: The relay did not publish them all.
        """
        async with open_bulk(self.settings.postgres_dsn) as bulk:
            return await fill_town(bulk, self.settings, plan, say=self.say)

    async def until_published(self, events: int) -> None:
        """Waits until the topic has had so many events."""
        async with open_topic(self.settings.kafka, self.names.events) as reader:

            async def all_there() -> bool:
                return sum((await reader.end_offsets()).values()) >= events

            await until(all_there, f"The relay has not published {events:,} events.")


@asynccontextmanager
async def open_stage(
    folder: Path,
    environment: Mapping[str, str],
    report: Report,
    *,
    clock: Clock,
    api_processes: int = 1,
) -> AsyncIterator[Stage]:
    """Runs a whole pipeline on a data folder of its own.

    Args:
        folder: The data folder.
        environment: The variables to read settings and addresses of servers from.
        report: Where to tell what happens.
        clock: Tells what time it is.
        api_processes: Processes of the command API.

    Raises:
        ChronosError: A part could not be started.
    """
    pipeline = Pipeline(
        folder,
        environment=environment,
        report=report,
        api_processes=api_processes,
    )
    async with pipeline:
        yield Stage(pipeline=pipeline, clock=clock, say=report.say)


async def until(
    condition: Callable[[], Awaitable[bool]], otherwise: str, deadline_s: float = DEADLINE_S
) -> float:
    """Waits until a condition holds, and tells how long that was.

    Raises:
        BenchFault: It did not within the deadline; with the sentence `otherwise`.
    """
    began_s = time.monotonic()
    while not await condition():
        if time.monotonic() - began_s > deadline_s:
            raise BenchFault(f"{otherwise} It was waited for {deadline_s:,.0f} s.")
        await asyncio.sleep(LOOK_S)
    return time.monotonic() - began_s


async def counted(address: str, head: str) -> int:
    """Adds up the samples of a page of metrics whose line begins so; 0 where nobody answers."""
    total = 0.0
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
        timeout = aiohttp.ClientTimeout(total=_METRICS_DEADLINE_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(address) as answer,
        ):
            for line in (await answer.text()).splitlines():
                if line.startswith(head):
                    total += float(line.rpartition(" ")[2])
    return round(total)
