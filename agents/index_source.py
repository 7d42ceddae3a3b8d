"""The topic that an index is filled from: from its beginning for a new one, then by batches.

A new index is empty, and so is one that was lost and made again, while the group's offsets say
that everything was read. So before an agent consumes, and after each failure, it asks whether
its index was ever filled; if not, it reads its topic from the beginning, on the side, and notes
in the index that it did. Batches wait meanwhile.

A failure need not come: of two indices that were lost, the batch that meets the loss makes both
again, and a worker without events asks for nothing. So the index is looked at from time to time
too; one that is lost, or was made again by somebody who did not fill it, is filled.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Protocol

import structlog

from chronos.errors import Unavailable
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.indices import fill_state, mark_filled
from chronos.stream.app import ChronosApp
from chronos.stream.consume import Foreign
from chronos.stream.pages import Readable
from chronos.stream.topic_reader import TopicRecord, open_topic

CHECK_INTERVAL_S = 5.0

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
        self._uuid = ""
        self._watching: asyncio.Future[None] | None = None
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
            client, alias = self._mirror.client, self._alias
            # Again when it was lost meanwhile, and made again by somebody else.
            while not (state := await fill_state(client, alias)).is_filled:
                await self._fill(agent)
                await mark_filled(client, alias, state.uuid)
            self._uuid = state.uuid
            self._is_filled = True

    def watch(self, agent: Agent) -> None:
        """Has the index, now that it is whole, made whole whenever it is lost."""
        if self._watching is None:
            self._watching = self._app.add_future(self._watch(agent))

    async def _watch(self, agent: Agent) -> None:
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            # An outage is the batches' own business.
            with contextlib.suppress(Unavailable):
                await self._look_for_loss(agent)

    async def _look_for_loss(self, agent: Agent) -> None:
        if self._is_filled:
            state = await fill_state(self._mirror.client, self._alias)
            if state.uuid == self._uuid or state.is_filled or state.is_catching_up:
                return
            log.warning("index_lost", index=self._alias)
            self._is_filled = False
        await self.make_whole(agent)

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
