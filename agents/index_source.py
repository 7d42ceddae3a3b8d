"""The topic that an index is filled from: from its beginning for a new one, then by batches.

A new index is empty, and so is one that was lost and made again, while the group's offsets say
that everything was read. So before an agent consumes, and after each failure, it asks whether
its index was ever filled; if not, it reads its topic from the beginning, on the side, and notes
in the index that it did. Batches wait meanwhile. While Elasticsearch or the journal does not
answer, the page in hand is tried again and the filling goes on from there; another index, or a
Kafka that is away, means another beginning.

A failure need not come: of two indices that were lost, the batch that meets the loss makes both
again, and a worker without events asks for nothing. So the index is looked at from time to time
too; one that is lost, or was made again by somebody who did not fill it, is filled. As long as
nothing fails, one that a rebuild has just put there is the rebuild's to complete, for
`CATCHING_UP_MAX_S`: then the rebuild may be dead. If it is not, both write the same documents,
and whoever sees that the other has come to the end leaves it at that.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic
from typing import Any, Protocol

import structlog

from chronos.errors import ChronosError, Unavailable
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.mirror.fill_state import FillState, fill_state, mark_filled
from chronos.stream.app import ChronosApp
from chronos.stream.consume import Foreign, GivenUp, until_answered
from chronos.stream.pages import Readable
from chronos.stream.topic_reader import TopicRecord, open_topic

CHECK_INTERVAL_S = 5.0
CATCHING_UP_MAX_S = 600.0

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


class IndexLost(ChronosError):
    """Says that the index is not the one any more whose filling was begun."""


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
        self._catching_up: tuple[str, float] = ("", 0.0)
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
            GivenUp: The app stops while a store is away.
            InvariantBroken: A record can never be taken.
        """
        async with self._looking:
            if self._is_filled:
                return
            # What another batch remembers of the index of before must not outlive it.
            await self._is_unused.wait()
            await self._mirror.ensure_indices()
            # Again when it was lost meanwhile.
            while not (state := await self._state()).is_filled:
                try:
                    await self._fill(agent, state)
                except IndexLost:
                    await self._mirror.ensure_indices()
            self._is_filled = True

    def watch(self, agent: Agent) -> None:
        """Has the index, now that it is whole, made whole whenever it is lost."""
        if self._watching is None:
            self._watching = self._app.add_future(self._watch(agent))

    async def _watch(self, agent: Agent) -> None:
        # By a name of its own: the agent's says what its batches wait for.
        who = f"{agent.name}-watch"
        with contextlib.suppress(GivenUp):
            while True:
                await asyncio.sleep(CHECK_INTERVAL_S)
                try:
                    await self._look_for_loss(agent)
                except Unavailable as fault:
                    self._app.liveness.waits(who, fault.service)
                    log.warning(
                        "index_not_seen",
                        index=self._alias,
                        service=fault.service,
                        reason=fault.detail,
                    )
                else:
                    self._app.liveness.waits_no_more(who)

    async def _look_for_loss(self, agent: Agent) -> None:
        if self._is_filled:
            state = await self._state()
            if state.is_filled or self._is_left_to_a_rebuild(state):
                return
            log.warning("index_not_filled", index=self._alias, name=state.name)
            self._is_filled = False
        await self.make_whole(agent)

    def _is_left_to_a_rebuild(self, state: FillState) -> bool:
        if not state.is_catching_up:
            return False
        known, since_s = self._catching_up
        if known != state.uuid:
            since_s = monotonic()
            self._catching_up = (state.uuid, since_s)
        return monotonic() - since_s < CATCHING_UP_MAX_S

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

    async def _state(self) -> FillState:
        return await fill_state(self._mirror.client, self._alias)

    async def _fill(self, agent: Agent, state: FillState) -> None:
        if not state.uuid:
            raise IndexLost
        log.info("index_is_filled", index=self._alias, topic=self.topic)
        agent.forget()
        looked_s = monotonic()
        async with open_topic(self._app.settings.kafka, self.topic) as reader:
            async for records in reader.pages_until(await reader.end_offsets()):
                if monotonic() - looked_s >= CHECK_INTERVAL_S:
                    looked_s = monotonic()
                    if (await until_answered(self._app, agent.name, self._state)).is_filled:
                        return
                await self._patiently(agent, state, partial(_add, agent, records))
                self._app.liveness.did_something(agent.name)

        async def mark() -> None:
            # What was written since the alias left that index went to another one.
            if (await self._state()).uuid != state.uuid:
                raise IndexLost
            await mark_filled(self._mirror.client, state)

        await self._patiently(agent, state, mark)

    async def _patiently(
        self, agent: Agent, state: FillState, work: Callable[[], Awaitable[None]]
    ) -> None:
        """Does a part of the filling, again while a store is away and the index is the same."""

        async def attempt() -> None:
            try:
                await work()
            except Unavailable:
                if (await self._state()).uuid == state.uuid:
                    raise
                raise IndexLost from None

        await until_answered(self._app, agent.name, attempt)


async def _add(agent: Agent, records: Sequence[TopicRecord]) -> None:
    items = []
    for record in records:
        # Foreign records were moved when they first came by.
        with contextlib.suppress(Foreign):
            items.append(await _read(agent, record))
    if items:
        await agent.write(items)


async def _read(agent: Agent, record: TopicRecord) -> Any:
    try:
        return agent.decode(record)
    except ValueError as fault:
        return await agent.repair(record, fault)
