"""What a run looks like, second by second: throughput, latency, the lag of each read model.

Throughput and latencies come from the history, read on while it is written. The rest is asked
of the processes themselves, each by a task of its own with a deadline: one that is dead, paused
or cut off leaves a gap in its own figures and holds up nothing. `GET /v1/pipeline` waits for
Kafka for some seconds when that is away, so it has more time; its last answer counts until the
next one, or its failure.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Generic, TypeVar

import aiohttp
import msgspec

from chronos.chaos.history import Kind, Outcome, now_ns
from chronos.chaos.load.attempts import INVOKE, is_command

EVERY_S: Final = 1.0
METRICS_DEADLINE_S: Final = 0.8
PIPELINE_DEADLINE_S: Final = 3.5
OUTBOX: Final = "outbox"
READ_MODELS: Final = ("balances", "redis", "entries", "accounts")
"""As `GET /v1/pipeline` names them: the Faust table, Redis, and Elasticsearch's two indices."""

_T = TypeVar("_T")


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """How far something is behind; None where that was not to be had."""

    events: int | None = None
    seconds: float | None = None


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """About one second of a run, up to `at_ns` of the history's clock."""

    at_ns: int
    seconds: float
    """That it stands for."""
    transfers: int
    """Acknowledged for the first time."""
    settled: int
    """Commands that were granted or refused."""
    unknown: int
    """Attempts at commands of which nobody knows."""
    p50_ms: float | None
    """Of the settled commands, from their first sending on; None without one."""
    p99_ms: float | None
    lags: dict[str, Lag]
    """Of the outbox and the read models; whoever does not answer is not in it."""


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to ask; URLs without a trailing slash."""

    pipelines: tuple[str, ...]
    """Query sides, asked in turn until one answers `GET /v1/pipeline`."""
    relays: tuple[str, ...]
    """Relay workers, asked in turn until one answers `GET /metrics`: for the outbox, where no
    query side does.
    """
    api_key: str


@asynccontextmanager
async def sampling(history: Path, sources: Sources) -> AsyncIterator[list[Sample]]:
    """Takes a sample each second until the end of the block; gives the list that grows."""
    samples: list[Sample] = []
    # Apart from the block, whose own troubles are to come out of it as they are.
    task = asyncio.create_task(_take(history, sources, samples), name="sampling")
    try:
        yield samples
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()


async def _take(history: Path, sources: Sources, samples: list[Sample]) -> None:
    headers = {"Authorization": f"Bearer {sources.api_key}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        relays = [f"{url}/metrics" for url in sources.relays]
        pipelines = [f"{url}/v1/pipeline" for url in sources.pipelines]
        outbox = Watched(session, relays, outbox_lag, deadline_s=METRICS_DEADLINE_S)
        stages = Watched(session, pipelines, stage_lags, deadline_s=PIPELINE_DEADLINE_S)
        asking = [asyncio.create_task(outbox.run()), asyncio.create_task(stages.run())]
        try:
            await _sample(Tail(history), outbox, stages, samples)
        finally:
            for task in asking:
                task.cancel()
            await asyncio.wait(asking)


async def _sample(
    tail: Tail,
    outbox: Watched[Lag],
    stages: Watched[dict[str, Lag]],
    samples: list[Sample],
) -> None:
    before_ns = now_ns()
    while True:
        # By the beat, not by the pause: a run has as many samples as seconds.
        await asyncio.sleep(max(0.0, EVERY_S - (now_ns() - before_ns) / 1e9))
        at_ns = now_ns()
        lags = dict(stages.value or {})
        # The relay counts its rows every few seconds only.
        if OUTBOX not in lags and outbox.value is not None:
            lags[OUTBOX] = outbox.value
        samples.append(tail.sample(at_ns, seconds=(at_ns - before_ns) / 1e9, lags=lags))
        before_ns = at_ns


class Watched(Generic[_T]):
    """Asks addresses of the same kind about once a second, and knows the newest answer.

    Args:
        session: Sends the questions.
        urls: Asked in turn until one answers.
        read: Makes the value of an answer's body; None when it says nothing.
        deadline_s: For each answer.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        urls: list[str],
        read: Callable[[bytes], _T | None],
        *,
        deadline_s: float,
    ):
        self._session = session
        self._urls = urls
        self._read = read
        self._deadline_s = deadline_s
        self.value: _T | None = None
        """None while nobody answers."""

    async def run(self) -> None:
        """Asks for ever."""
        while True:
            begun_ns = now_ns()
            self.value = await self._ask_in_turn()
            await asyncio.sleep(max(0.05, EVERY_S - (now_ns() - begun_ns) / 1e9))

    async def _ask_in_turn(self) -> _T | None:
        for url in self._urls:
            value = await self._ask(url)
            if value is not None:
                return value
        return None

    async def _ask(self, url: str) -> _T | None:
        timeout = aiohttp.ClientTimeout(total=self._deadline_s)
        try:
            async with self._session.get(url, timeout=timeout) as response:
                body = await response.read()
                return self._read(body) if response.status == 200 else None
        except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError, ValueError):
            return None


class _Stage(msgspec.Struct):
    status: str
    lag_events: int | None = None
    lag_seconds: float | None = None
    is_behind: bool = False


class _Pipeline(msgspec.Struct):
    stages: dict[str, _Stage]


def stage_lags(body: bytes) -> dict[str, Lag]:
    """Reads the lags of an answer of `GET /v1/pipeline`.

    A copy that was lost and is being filled again does not know how far it is behind.
    """
    stages = msgspec.json.decode(body, type=_Pipeline).stages
    return {
        name: Lag(events=stage.lag_events, seconds=stage.lag_seconds)
        for name, stage in stages.items()
        if name in {OUTBOX, *READ_MODELS} and stage.status == "ok" and not stage.is_behind
    }


_WAITING = re.compile(rb"^chronos_outbox_backlog_rows\{[^}]*\} (\S+)$", re.MULTILINE)
_AGE = re.compile(
    rb"^chronos_outbox_oldest_unpublished_age_seconds\{[^}]*\} (\S+)$", re.MULTILINE
)


def outbox_lag(body: bytes) -> Lag | None:
    """Reads how much waits in the outbox from a relay's metrics; None when it has no shard."""
    waiting = [float(text) for text in _WAITING.findall(body)]
    ages = [float(text) for text in _AGE.findall(body)]
    if not waiting and not ages:
        return None
    return Lag(
        events=int(sum(waiting)) if waiting else None,
        seconds=round(max(ages), 3) if ages else None,
    )


class _Line(msgspec.Struct):
    """What a sample needs of a line of the history."""

    phase: str
    at_ns: int
    operation: int
    kind: str = ""


class Tail:
    """Follows a history while it is written."""

    def __init__(self, path: Path):
        self._path = path
        self._read_to = 0
        self._begun: dict[int, tuple[Kind, int]] = {}
        self._decode = msgspec.json.Decoder(_Line).decode

    def sample(self, at_ns: int, *, seconds: float, lags: dict[str, Lag]) -> Sample:
        """Makes a sample of what was written since the last one."""
        transfers = unknown = 0
        latencies_ms: list[float] = []
        for line in self._new_lines():
            begun = self._begun.get(line.operation)
            if line.phase == INVOKE:
                if begun is None:
                    self._begun[line.operation] = (Kind(line.kind), line.at_ns)
                continue
            if begun is None or not is_command(begun[0]):
                self._begun.pop(line.operation, None)
                continue
            if line.phase == Outcome.INFO:
                unknown += 1
                continue
            del self._begun[line.operation]
            latencies_ms.append((line.at_ns - begun[1]) / 1e6)
            transfers += begun[0] is Kind.TRANSFER and line.phase == Outcome.OK
        latencies_ms.sort()
        return Sample(
            at_ns=at_ns,
            seconds=round(seconds, 3),
            transfers=transfers,
            settled=len(latencies_ms),
            unknown=unknown,
            p50_ms=percentile(latencies_ms, 50),
            p99_ms=percentile(latencies_ms, 99),
            lags=lags,
        )

    def _new_lines(self) -> list[_Line]:
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._read_to)
            text = file.read()
        whole = text.rpartition(b"\n")[0]
        if not whole:
            return []
        self._read_to += len(whole) + 1
        return [self._decode(line) for line in whole.split(b"\n")]


def percentile(ascending: list[float], hundredths: int) -> float | None:
    """Gives the value that so many hundredths are at or below; None of an empty list."""
    if not ascending:
        return None
    place = max(0, -(-len(ascending) * hundredths // 100) - 1)
    return round(ascending[place], 3)
