"""Markers: transfers of a measurement's own, and when each read model shows them.

A marker's clock starts with the receipt, which is after the commit. All models are watched at
the same time, and a new marker may start before the last one is seen everywhere: that is how a
model that falls behind is told from one that is slow.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from chronos.audit.copies import Copy, ElasticsearchCopy, RedisCopy
from chronos.bench.stages.stage import Stage
from chronos.client.ledger_client import LedgerClient
from chronos.client.refusals import Refused
from chronos.errors import Unavailable
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.entries import EntryIndex
from chronos.mirror.redis import RedisMirror
from chronos.wire.topics import partition_of

TABLE: Final = "table"
SEEN_DEADLINE_S: Final = 60.0
LOOK_S: Final = 0.01
TOPIC_EVERY_S: Final = 0.02
"""The topic seems behind by up to so much."""
SEARCH_EVERY_S: Final = 0.1
"""Searches cost the server that is measured: the index itself is refreshed twice a second."""

Watch = Callable[[str, int], Awaitable[None]]
"""Returns once an account is shown at a version or a later one."""


@asynccontextmanager
async def open_watches(stage: Stage, account_id: str) -> AsyncIterator[dict[str, Watch]]:
    """Gives a watch for each read model of which a worker runs, by name."""
    runs = stage.pipeline.supervisor.pids
    settings, names = stage.settings, stage.names
    async with AsyncExitStack() as stack:
        topic = _TopicWatch(stage, account_id)
        await topic.open()
        stack.push_async_callback(topic.close)
        client = await stack.enter_async_context(LedgerClient(stage.doors))
        redis = RedisMirror(settings.redis_url, names)
        stack.push_async_callback(redis.close)
        watches: dict[str, Watch] = {
            "topic": topic.watch,
            TABLE: watch_view(client),
            "redis": _watch_copy(RedisCopy(redis), LOOK_S),
        }
        if "mirror" in runs:
            search = ElasticsearchMirror(settings.elasticsearch_url, names)
            stack.push_async_callback(search.close)
            watches["elasticsearch accounts"] = _watch_copy(
                ElasticsearchCopy(search), SEARCH_EVERY_S
            )
            watches["elasticsearch entries"] = _watch_entries(search.entries)
        yield watches


async def watch_marker(
    watches: Mapping[str, Watch], account_id: str, version: int
) -> dict[str, float | None]:
    """Tells after how many seconds each model shows a version; None: not in time."""
    began_s = time.monotonic()

    async def seen_s(watch: Watch) -> float | None:
        try:
            async with asyncio.timeout(SEEN_DEADLINE_S):
                await watch(account_id, version)
        except TimeoutError:
            return None
        return time.monotonic() - began_s

    async with asyncio.TaskGroup() as group:
        tasks = {name: group.create_task(seen_s(watch)) for name, watch in watches.items()}
    return {name: task.result() for name, task in tasks.items()}


def watch_view(client: LedgerClient) -> Watch:
    """Watches the query side, which answers when it has the version; asks again where not."""

    async def watch(account_id: str, version: int) -> None:
        while True:
            try:
                await client.views.balance(account_id, min_version=version)
            except (Unavailable, Refused):
                await asyncio.sleep(LOOK_S)
            else:
                return

    return watch


def _watch_copy(copy: Copy, every_s: float) -> Watch:
    async def watch(account_id: str, version: int) -> None:
        while True:
            (shown,) = await copy.read_many([account_id])
            if shown is not None and shown.version >= version:
                return
            await asyncio.sleep(every_s)

    return watch


def _watch_entries(index: EntryIndex) -> Watch:
    async def watch(account_id: str, version: int) -> None:
        while True:
            if await index.newest_version(account_id) >= version:
                return
            await asyncio.sleep(SEARCH_EVERY_S)

    return watch


class _TopicWatch:
    """Follows the one partition of the topic in which an account's events are."""

    def __init__(self, stage: Stage, account_id: str):
        self._key = account_id.encode()
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=stage.settings.kafka, group_id=None, enable_auto_commit=False
        )
        partition = partition_of(self._key, stage.settings.partitions)
        self._place = TopicPartition(stage.names.events, partition)
        self._newest = 0
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._consumer.start()
        self._consumer.assign([self._place])
        await self._consumer.seek_to_end(self._place)
        self._task = asyncio.create_task(self._follow(), name="topic watch")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._consumer.stop()

    async def watch(self, _: str, version: int) -> None:
        while self._newest < version:
            await self._changed.wait()

    async def _follow(self) -> None:
        while True:
            for records in (await self._consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    if record.key == self._key:
                        version = int(dict(record.headers)["ce_version"])
                        self._newest = max(self._newest, version)
                        told, self._changed = self._changed, asyncio.Event()
                        told.set()
            # Else every event of the partition would be a request to the broker.
            await asyncio.sleep(TOPIC_EVERY_S)
