"""How far each stage of the pipeline is behind the journal, in events and seconds.

PostgreSQL and Kafka are asked directly, because that is still possible when the query side is
what fails; Redis' backlog is known to the balances workers alone, who are asked for
`GET /v1/pipeline`, and whose answer also stands in for a server that does not answer here. All
are asked at once, each within `STAGE_DEADLINE_S`; what does not answer says so and holds up
nothing. Connections are opened at the first question and kept for the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import datetime
from typing import Any, Final

import aiohttp
import msgspec

from chronos.clock import Clock
from chronos.errors import ChronosError, Unavailable
from chronos.mirror.lag import GroupLag, KafkaLag
from chronos.store.pipeline_state import PipelineState, read_pipeline_state
from chronos.store.pool import Pool
from chronos.telemetry.logs import hide_secrets
from chronos.watch.place import Place
from chronos.watch.scraping import read_body

STAGE_DEADLINE_S: Final = 2.5
RELAY: Final = "relay"
BALANCES: Final = "balances"
REDIS: Final = "redis"
ENTRIES: Final = "entries"
ACCOUNTS: Final = "accounts"
STAGES: Final = (RELAY, BALANCES, REDIS, ENTRIES, ACCOUNTS)
"""In the order of the flow: outbox to Kafka, table, Redis, Elasticsearch's two indices."""
_VIEW_NAMES: Final = {RELAY: "outbox"}


class StageLag(msgspec.Struct, frozen=True, kw_only=True):
    """How far one stage is behind."""

    stage: str
    status: str
    """"ok", or "unavailable"."""
    detail: str = ""
    """Why it is not known."""
    events: int | None = None
    seconds: float | None = None
    """Age of the oldest event behind; 0 without one."""
    parts: dict[int, int] = msgspec.field(default_factory=dict)
    """Events behind by partition; of the relay by shard of the outbox."""


class Stages:
    """Asks for the lag of every stage; an asynchronous context manager.

    Args:
        place: The instance.
        clock: Tells ages.
    """

    def __init__(self, place: Place, clock: Clock):
        self._place = place
        self._clock = clock
        self._pool: Pool | None = None
        self._session: aiohttp.ClientSession | None = None
        # One for each question: a measurement keeps others of the same object waiting.
        self._lags = {
            stage: KafkaLag(place.kafka, clock) for stage in (BALANCES, ENTRIES, ACCOUNTS)
        }

    async def __aenter__(self) -> Stages:
        """Connects nothing yet."""
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._place.api_key}"}
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes every connection."""
        if self._session is not None:
            await self._session.close()
        if self._pool is not None:
            await self._pool.close()
        await asyncio.gather(*(lag.close() for lag in self._lags.values()))

    async def ask(self) -> tuple[StageLag, ...]:
        """Asks all stages at once; gives them in the order of the flow."""
        names = self._place.names
        questions = {
            RELAY: self._relay(),
            BALANCES: self._group(BALANCES, "balances", names.events),
            ENTRIES: self._group(ENTRIES, "mirror", names.events),
            ACCOUNTS: self._group(ACCOUNTS, "mirror", names.balances_changelog),
        }
        views, *answers = await asyncio.gather(
            self._views(),
            *(_bounded(stage, question) for stage, question in questions.items()),
        )
        found = {stage.stage: stage for stage in (*answers, _redis(views))}
        direct = [found[stage] for stage in STAGES]
        return tuple(
            stage if stage.status == "ok" else _from_views(stage, views) for stage in direct
        )

    async def state(self) -> PipelineState:
        """Reads where journal and outbox stand.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        if self._pool is None:
            self._pool = await Pool.open(
                self._place.postgres_dsn,
                application_name="chronos-watch",
                connections_max=1,
                deadline_s=STAGE_DEADLINE_S,
            )
        return await read_pipeline_state(self._pool, self._place.relay_shards)

    async def _relay(self) -> StageLag:
        state = await self.state()
        ages = [self._age_s(shard.oldest_recorded_at) for shard in state.shards]
        return StageLag(
            stage=RELAY,
            status="ok",
            events=sum(shard.unpublished for shard in state.shards),
            seconds=max(ages, default=0.0),
            parts={shard.shard: shard.unpublished for shard in state.shards},
        )

    async def _group(self, stage: str, role: str, topic: str) -> StageLag:
        lag = await self._lags[stage].measure(self._place.names.app_id(role), topic)
        return _of_group(stage, lag)

    async def _views(self) -> list[Mapping[str, Any]]:
        """Gives the answers of the balances workers that answer."""
        found = await asyncio.gather(*(self._view(url) for url in self._place.queries))
        return [stages for stages in found if stages]

    async def _view(self, url: str) -> Mapping[str, Any]:
        if self._session is None:
            raise RuntimeError("used outside of its block")
        try:
            async with (
                asyncio.timeout(STAGE_DEADLINE_S),
                self._session.get(f"{url}/v1/pipeline") as answer,
            ):
                body = await read_body(answer)
                return _stages_of(body) if answer.status == 200 else {}
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return {}

    def _age_s(self, moment: datetime | None) -> float:
        if moment is None:
            return 0.0
        return max(0.0, round((self._clock.now() - moment).total_seconds(), 3))


async def _bounded(stage: str, work: Awaitable[StageLag]) -> StageLag:
    """Waits for an answer as long as it may take; whatever goes wrong is said of the stage."""
    (end,) = await asyncio.gather(_within_deadline(work), return_exceptions=True)
    match end:
        case StageLag():
            return end
        case TimeoutError():
            detail = f"no answer within {STAGE_DEADLINE_S:g} s"
        case Unavailable():
            detail = f"{end.service}: {end.detail}"
        case ChronosError() | OSError():
            detail = str(end)
        case Exception():
            # An address that is none, a sign-in without rights: the driver's own words.
            detail = f"{type(end).__name__}: {end}"
        case _:
            raise end
    return StageLag(stage=stage, status="unavailable", detail=_clean(detail))


async def _within_deadline(work: Awaitable[StageLag]) -> StageLag:
    async with asyncio.timeout(STAGE_DEADLINE_S):
        return await work


def _clean(detail: str) -> str:
    """Hides what a driver repeats of the address that it was given."""
    return hide_secrets(detail.encode("utf-8", "backslashreplace")).decode()


def _of_group(stage: str, lag: GroupLag) -> StageLag:
    return StageLag(
        stage=stage,
        status="ok",
        events=lag.records,
        seconds=lag.seconds,
        parts={part.partition: part.records for part in lag.partitions},
    )


def _stages_of(body: bytes) -> Mapping[str, Any]:
    answer = msgspec.json.decode(body)
    stages = answer.get("stages") if isinstance(answer, dict) else None
    if not isinstance(stages, dict):
        return {}
    return {name: stage for name, stage in stages.items() if isinstance(stage, dict)}


def _redis(views: list[Mapping[str, Any]]) -> StageLag:
    """Adds up what each balances worker still has to write; the oldest of it counts."""
    stages = [view[REDIS] for view in views if view.get(REDIS, {}).get("status") == "ok"]
    if not stages or len(stages) < len(views):
        detail = "no balances worker answers" if not views else "Redis does not answer a worker"
        return StageLag(stage=REDIS, status="unavailable", detail=detail)
    return StageLag(
        stage=REDIS,
        status="ok",
        events=sum(_whole(stage.get("lag_events")) for stage in stages),
        seconds=max(_seconds(stage.get("lag_seconds")) for stage in stages),
    )


def _from_views(stage: StageLag, views: list[Mapping[str, Any]]) -> StageLag:
    """Takes a worker's word where the server did not answer here."""
    for view in views if stage.stage != REDIS else ():
        seen = view.get(_VIEW_NAMES.get(stage.stage, stage.stage), {})
        if seen.get("status") == "ok":
            return StageLag(
                stage=stage.stage,
                status="ok",
                events=_whole(seen.get("lag_events")),
                seconds=_seconds(seen.get("lag_seconds")),
            )
    return stage


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
