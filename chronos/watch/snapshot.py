"""One look at a whole instance after the other; each says what happened since the one before.

Processes, stages and this machine are asked at the same time, each within its own deadline, so
that a look takes as long as the slowest deadline and no longer, whatever is dead. Rates reach
back to the last look at which the process answered.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

import aiohttp
import msgspec

from chronos.clock import Clock
from chronos.errors import ChronosError
from chronos.stream.condition import count_records
from chronos.watch import figures
from chronos.watch.place import Place
from chronos.watch.process_table import Usage, read_usage
from chronos.watch.rates import Between
from chronos.watch.scraping import Scrape, State, scrape
from chronos.watch.stages import STAGE_DEADLINE_S, StageLag, Stages

DEAD_LETTERS_EVERY_S: Final = 10.0
GONE: Final = "gone"
"""Its process has ended, and nothing has taken its place yet."""
RUNNING: Final = "running"
"""A server's process lives; whether it answers is told by the stages."""
_MEMORY: Final = "process_resident_memory_bytes"
_CPU: Final = "process_cpu_seconds_total"
_FILES: Final = "process_open_fds"
_API: Final = "api"


class ProcessRow(msgspec.Struct, frozen=True, kw_only=True):
    """One process, of Chronos or of a server on this machine."""

    name: str
    state: str
    """ready, not ready, stuck, silent, gone, running."""
    detail: str = ""
    pid: int | None = None
    """None elsewhere than on this machine, and for each of several processes of the API."""
    memory_bytes: int | None = None
    cpu_share: float | None = None
    """Of one processor: 1.0 is one that is busy all the time."""
    up_s: float | None = None
    restarts: int = 0
    """Seen since this view began."""
    open_files: int | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What a look saw."""

    as_of: datetime
    traffic: figures.Traffic
    refusals: tuple[figures.Refusal, ...]
    stages: tuple[StageLag, ...]
    processes: tuple[ProcessRow, ...]
    oddities: figures.Oddities
    dead_letters_kept: int | None
    """Records in the topic of dead letters; None where Kafka does not tell."""


class Watcher:
    """Looks at an instance again and again; an asynchronous context manager.

    Args:
        place: The instance.
        clock: Tells moments and spans.
    """

    def __init__(self, place: Place, clock: Clock):
        self._place = place
        self._clock = clock
        self._stages = Stages(place, clock)
        self._session: aiohttp.ClientSession | None = None
        self._scrapes: dict[str, Scrape] = {}
        self._usage: dict[str, tuple[float, Usage]] = {}
        self._restarts: dict[str, int] = {}
        self._dead_letters: tuple[float, int | None] | None = None

    async def __aenter__(self) -> Watcher:
        """Connects nothing yet."""
        await self._stages.__aenter__()
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes every connection."""
        if self._session is not None:
            await self._session.close()
        await self._stages.__aexit__()

    async def look(self) -> Snapshot:
        """Looks at everything; the first look knows no rates."""
        scrapes, stages, usage, dead_letters = await asyncio.gather(
            self._scrape_all(),
            self._stages.ask(),
            asyncio.to_thread(read_usage, self._place.pids_now()),
            self._count_dead_letters(),
        )
        before = self._scrapes
        pairs = {
            said.process.name: Between(before[said.process.name], said)
            for said in scrapes
            if said.samples and said.process.name in before
        }
        rows = [
            self._process_row(said, pairs.get(said.process.name), usage) for said in scrapes
        ]
        rows += self._server_rows(usage, {said.process.name for said in scrapes})
        self._scrapes = before | {said.process.name: said for said in scrapes if said.samples}
        return Snapshot(
            as_of=self._clock.now(),
            traffic=figures.traffic(list(pairs.values()), scrapes),
            refusals=figures.refusals(list(pairs.values()), scrapes),
            stages=stages,
            processes=tuple(rows),
            oddities=figures.oddities(scrapes),
            dead_letters_kept=dead_letters,
        )

    async def _scrape_all(self) -> list[Scrape]:
        if self._session is None:
            raise RuntimeError("used outside of its block")
        return await asyncio.gather(
            *(scrape(self._session, one, self._clock) for one in self._place.processes)
        )

    async def _count_dead_letters(self) -> int | None:
        now_s = self._clock.monotonic_s()
        known = self._dead_letters
        if known is None or now_s - known[0] > DEAD_LETTERS_EVERY_S:
            try:
                async with asyncio.timeout(STAGE_DEADLINE_S):
                    topic = self._place.names.dead_letters
                    count = await count_records(self._place.kafka, topic)
            except (ChronosError, OSError, TimeoutError):
                count = None
            known = self._dead_letters = (now_s, count)
        return known[1]

    def _process_row(
        self, said: Scrape, pair: Between | None, usage: dict[str, Usage]
    ) -> ProcessRow:
        name = said.process.name
        if pair is not None and pair.restarted:
            self._restarts[name] = self._restarts.get(name, 0) + 1
        own = usage.get(name.partition("-")[0] if name.startswith(_API) else name)
        state, detail = str(said.state), said.detail
        if said.state is State.SILENT and usage and own is None:
            state, detail = GONE, "its process has ended"
        elif said.waiting_for:
            detail = "waits for " + ", ".join(said.waiting_for)
        started_at_s = said.started_at_s
        is_known = pair is not None and pair.is_known
        return ProcessRow(
            name=name,
            state=state,
            detail=detail,
            pid=None if own is None or name.startswith(_API) else own.pid,
            memory_bytes=_whole(said.value(_MEMORY)),
            cpu_share=round(pair.total(_CPU) / pair.span_s, 3) if pair and is_known else None,
            up_s=(
                None
                if started_at_s is None
                else max(0.0, self._clock.now().timestamp() - started_at_s)
            ),
            restarts=self._restarts.get(name, 0),
            open_files=_whole(said.value(_FILES)),
        )

    def _server_rows(self, usage: dict[str, Usage], scraped: set[str]) -> list[ProcessRow]:
        """Gives the servers on this machine, those included that were there and are gone."""
        now_s = self._clock.monotonic_s()
        names = dict.fromkeys((*self._usage, *usage))
        rows = []
        for name in names:
            if name in scraped or name == _API:
                continue
            found, before = usage.get(name), self._usage.get(name)
            if found is None:
                rows.append(ProcessRow(name=name, state=GONE, detail="its process has ended"))
                continue
            cpu_share = None
            if before is not None and before[1].pid != found.pid:
                self._restarts[name] = self._restarts.get(name, 0) + 1
            elif before is not None and now_s > before[0]:
                # Children that ended have taken their share with them.
                spent_s = max(0.0, found.cpu_s - before[1].cpu_s)
                cpu_share = round(spent_s / (now_s - before[0]), 3)
            self._usage[name] = (now_s, found)
            rows.append(
                ProcessRow(
                    name=name,
                    state=RUNNING,
                    pid=found.pid,
                    memory_bytes=found.memory_bytes,
                    cpu_share=cpu_share,
                    up_s=found.up_s,
                    restarts=self._restarts.get(name, 0),
                )
            )
        return rows


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
