"""`GET /v1/pipeline`: where each stage stands, in positions or offsets, events and seconds.

Every stage is asked by itself, at the same time as the others and within its own deadline; one
that does not answer says so and takes nothing from the rest. An answer is kept for a moment, so
that many dashboards cost as much as one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

import structlog
from aiohttp import web

from chronos.clock import Clock
from chronos.errors import ChronosError
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.follower import RedisFollower
from chronos.mirror.lag import GroupLag, KafkaLag
from chronos.mirror.redis import RedisMirror
from chronos.store.pipeline_state import PipelineState, ShardState
from chronos.wire.topics import Names
from tables.balances import BalancesTable
from web.parameters import Parameters
from web.respond import JsonAnswer, Respond, json_answer
from web.routes.table import PIPELINE

STAGE_DEADLINE_S = 3.0
FRESH_S = 0.5

Stage = Callable[[], Awaitable[dict[str, Any]]]

log = structlog.get_logger("web.pipeline")


class WriteSide(Protocol):
    """Tells where journal and outbox stand; `chronos.store` has the real one."""

    async def pipeline_state(self) -> PipelineState:
        """Reads it; raises `Unavailable` when PostgreSQL does not answer."""
        ...


class Pipeline:
    """Answers for the whole pipeline, as this worker can see it.

    Args:
        names: Topics and consumer groups.
        write_side: Journal and outbox.
        lag: Kafka's ends and the groups' offsets.
        table: The table of this worker.
        clock: Tells ages.
    """

    def __init__(
        self,
        names: Names,
        *,
        write_side: WriteSide,
        lag: KafkaLag,
        table: BalancesTable,
        clock: Clock,
    ):
        self._names = names
        self._write_side = write_side
        self._lag = lag
        self._table = table
        self._clock = clock
        self._known: tuple[float, dict[str, Any]] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._stages: dict[str, Stage] = {
            "write_side": self._journal_and_outbox,
            "kafka": self._kafka,
            "balances": self._balances,
            "entries": self._entries,
            "accounts": self._accounts,
        }

    def add_copies(
        self, redis: RedisMirror, follower: RedisFollower, search: ElasticsearchMirror
    ) -> None:
        """Adds the stages that copy the table and the history."""

        async def ask_redis() -> dict[str, Any]:
            await redis.ping()
            return {
                "is_behind": follower.is_behind,
                "lag_events": follower.pending,
                "lag_seconds": follower.oldest_age_s(),
            }

        async def ask_elasticsearch() -> dict[str, Any]:
            await search.ping()
            return {}

        self._stages["redis"] = ask_redis
        self._stages["elasticsearch"] = ask_elasticsearch

    def add_to(self, respond: Respond) -> None:
        """Puts the view on its path."""
        respond.add_view(PIPELINE, self.answer)

    async def answer(self, request: web.Request) -> JsonAnswer:
        """Answers with the state of every stage.

        Raises:
            Refusal: A parameter was sent; there are none.
        """
        Parameters(request, PIPELINE.names)
        async with self._one_at_a_time:
            now_s = self._clock.monotonic_s()
            if self._known is None or now_s - self._known[0] > FRESH_S:
                self._known = (self._clock.monotonic_s(), await self._ask_all())
            return json_answer(self._known[1])

    async def _ask_all(self) -> dict[str, Any]:
        names = list(self._stages)
        answers = await asyncio.gather(*(_ask(name, self._stages[name]) for name in names))
        found = dict(zip(names, answers, strict=True))
        write_side = found.pop("write_side")
        journal = write_side.pop("journal", {"status": write_side["status"]})
        outbox = write_side.pop("outbox", {"status": write_side["status"]})
        now = self._clock.now().isoformat().replace("+00:00", "Z")
        return {"as_of": now, "stages": {"journal": journal, "outbox": outbox, **found}}

    async def _journal_and_outbox(self) -> dict[str, Any]:
        state = await self._write_side.pipeline_state()
        ages = [self._age_s(shard.oldest_recorded_at) for shard in state.shards]
        return {
            "journal": {
                "status": "ok",
                "position": state.position,
                "recorded_at": _text(state.recorded_at),
            },
            "outbox": {
                "status": "ok",
                "lag_events": sum(shard.unpublished for shard in state.shards),
                "lag_seconds": max(ages, default=0.0),
                "shards": [_shard(shard) for shard in state.shards],
            },
        }

    async def _kafka(self) -> dict[str, Any]:
        lag = await self._group("balances", self._names.events)
        ends = {str(part.partition): part.end for part in lag.partitions}
        return {"topic": lag.topic, "end_offsets": ends, "events": sum(ends.values())}

    async def _balances(self) -> dict[str, Any]:
        shown = _group(await self._group("balances", self._names.events))
        return {**shown, "is_ready": self._table.is_ready, "owned_here": self._table.owned()}

    async def _entries(self) -> dict[str, Any]:
        return _group(await self._group("mirror", self._names.events))

    async def _accounts(self) -> dict[str, Any]:
        return _group(await self._group("mirror", self._names.balances_changelog))

    async def _group(self, role: str, topic: str) -> GroupLag:
        return await self._lag.measure(self._names.app_id(role), topic)

    def _age_s(self, moment: datetime | None) -> float:
        if moment is None:
            return 0.0
        return max(0.0, round((self._clock.now() - moment).total_seconds(), 3))


async def _ask(name: str, stage: Stage) -> dict[str, Any]:
    try:
        async with asyncio.timeout(STAGE_DEADLINE_S):
            return {"status": "ok", **await stage()}
    except (ChronosError, OSError) as error:
        log.info("stage_unavailable", stage=name, reason=str(error))
        return {"status": "unavailable"}


def _group(lag: GroupLag) -> dict[str, Any]:
    return {
        "group": lag.group,
        "topic": lag.topic,
        "lag_events": lag.records,
        "lag_seconds": lag.seconds,
        "committed_offsets": {str(part.partition): part.committed for part in lag.partitions},
    }


def _shard(state: ShardState) -> Mapping[str, int]:
    return {"shard": state.shard, "epoch": state.epoch, "lag_events": state.unpublished}


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
