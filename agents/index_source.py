"""The topic that an index is filled from: from its beginning for a new one, then by batches.

A new index is empty, and so is one that was lost and made again, while the group's offsets say
that everything was read. So before an agent consumes, and after each failure, it asks whether
its index was ever filled; if not, it reads its topic from the beginning, on the side, and notes
in the index that it did. Batches wait meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Protocol

import structlog

from chronos.errors import Unavailable
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.indices import is_filled, mark_filled
from chronos.stream.app import ChronosApp
from chronos.stream.consume import Foreign
from chronos.stream.pages import Readable
from chronos.stream.topic_reader import TopicRecord, open_topic

log = structlog.get_logger("agents.mirror")


class Agent(Protocol):
    """What is particular to one index: how a record is read and how a batch is written."""

    name: str

    def decode(self, record: Readable) -> Any:
        """Reads a record; raises `Foreign`, or ValueError when it is ours and unreadable."""
        ...

    async def repair(self, record: Readable, fault: ValueError) -> Any:
        """Gets what the record should have said."""
        ...

    async def write(self, items: Sequence[Any]) -> None:
        """Writes what was decoded; raises `Unavailable` when not all of it was taken."""
        ...

    def forget(self) -> None:
        """Remembers nothing of the index: it is a new one."""
        ...


class Source:
    """The topic that an index is filled from, read from its beginning for a new index.

    Args:
        app: The worker's app.
        mirror: Elasticsearch.
        alias: The index.
        topic: Its topic.
    """

    def __init__(self, app: ChronosApp, mirror: ElasticsearchMirror, alias: str, topic: str):
        self._app = app
        self._mirror = mirror
        self._alias = alias
        self._is_filled = False
        self._looking = asyncio.Lock()
        self._writers = 0
        self._is_unused = asyncio.Event()
        self._is_unused.set()
        self.topic = topic

    async def make_whole(self, agent: Agent) -> None:
        """Has the index made and filled, if it is not or may be lost.

        Raises:
            Unavailable: Elasticsearch or Kafka do not answer; the next call begins again.
        """
        async with self._looking:
            if self._is_filled:
                return
            # What another batch remembers of the index of before must not outlive it.
            await self._is_unused.wait()
            await self._mirror.ensure_indices()
            if not await is_filled(self._mirror.client, self._alias):
                await self._fill(agent)
                await mark_filled(self._mirror.client, self._alias)
            self._is_filled = True

    async def step(self, agent: Agent, items: Sequence[Any]) -> None:
        """Has a batch added to the whole index.

        Raises:
            Unavailable: Elasticsearch or Kafka do not answer; the next call begins again.
            InvariantBroken: A record can never be taken.
        """
        await self.make_whole(agent)
        self._writers += 1
        self._is_unused.clear()
        try:
            await agent.write(items)
        except Unavailable:
            # The index itself may have been lost: the next call looks.
            self._is_filled = False
            raise
        finally:
            self._writers -= 1
            if not self._writers:
                self._is_unused.set()

    async def _fill(self, agent: Agent) -> None:
        log.info("index_is_filled", index=self._alias, topic=self.topic)
        agent.forget()
        async with open_topic(self._app.settings.kafka, self.topic) as reader:
            async for records in reader.pages_until(await reader.end_offsets()):
                items = []
                for record in records:
                    # Foreign records were moved when they first came by.
                    with contextlib.suppress(Foreign):
                        items.append(await _read(agent, record))
                if items:
                    await agent.write(items)
                self._app.liveness.did_something(agent.name)


async def _read(agent: Agent, record: TopicRecord) -> Any:
    try:
        return agent.decode(record)
    except ValueError as fault:
        return await agent.repair(record, fault)
