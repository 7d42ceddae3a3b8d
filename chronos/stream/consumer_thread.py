"""The thread in which a worker's Kafka consumer runs, with three changes to Faust's.

Faust has whoever calls into the thread wait for an answer, also once the thread has ended: a
worker whose thread crashed with something to commit stopped for ever. Here the end of the
thread ends the wait.

Stock Faust lets the broker hold an empty fetch for 1.5 s. aiokafka has one fetch under way for
each broker, and leaves out of it every partition whose records are still being consumed. So
when one busy partition takes longer than a moment, a fetch for the idle ones goes out, and the
busy one has to wait for its end: seen as reads that gave nothing for a whole second, again and
again, while 20,000 records lay in the topic.

A connection that is gone ends a fetch, and not the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

FETCH_WAIT_MS = 100


class ConsumerThread(AIOKafkaConsumerThread):
    """Runs aiokafka's consumer on a loop of its own; everybody else calls into it."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Read when the consumer starts; there is no setting for it.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001 - see above
        return consumer

    async def call_thread(
        self, fun: Callable[..., Awaitable[Any]], *args: Any, **options: Any
    ) -> Any:
        """Has the thread call `fun`, and waits for its answer as long as the thread lives.

        Raises:
            ConsumerStoppedError: The thread ends; whether `fun` was called is not known.
        """
        if self.should_stop:
            raise ConsumerStoppedError
        calling = asyncio.ensure_future(super().call_thread(fun, *args, **options))
        ending = asyncio.ensure_future(self._shutdown.wait())
        try:
            await asyncio.wait({calling, ending}, return_when=asyncio.FIRST_COMPLETED)
            # What the end of the thread broke off is cancelled, and not who waits for it.
            if not calling.done() or calling.cancelled():
                raise ConsumerStoppedError
            return await calling
        finally:
            calling.cancel()
            ending.cancel()

    async def commit(self, offsets: Any) -> bool:
        """Commits, unless the thread ends: after a crash it does before the consumer stops."""
        try:
            return bool(await super().commit(offsets))
        except ConsumerStoppedError:
            return False

    async def _fetch_records(self, *args: Any, **options: Any) -> Any:
        try:
            return await super()._fetch_records(*args, **options)
        except RuntimeError as error:
            if not is_reset(error):
                raise
            return {}

    async def read_again(self, left: Mapping[Any, tuple[int, int]]) -> None:
        """Goes back to what was fetched and not handed on, where nobody has gone elsewhere."""
        await self.call_thread(self._read_again, left)

    async def _read_again(self, left: Mapping[Any, tuple[int, int]]) -> None:
        # Nothing is awaited here: a seek of the recovery comes wholly before or after it.
        go_back(self._ensure_consumer(), left)


def is_reset(error: RuntimeError) -> bool:
    """Tells whether uvloop says of a connection that it is gone, in its own way.

    Where asyncio raises ConnectionResetError, which aiokafka takes for what it is, uvloop says
    RuntimeError: unable to perform operation on <TCPTransport ...>; the handler is closed.
    """
    return "handler is closed" in str(error)


def go_back(consumer: Any, left: Mapping[Any, tuple[int, int]]) -> None:
    """Has a consumer read partitions again from an offset, if they stand behind the rest.

    Args:
        consumer: aiokafka's.
        left: For each partition the first offset to read again, and the one behind the fetch.
    """
    subscription = consumer._subscription.subscription  # noqa: SLF001 - no public way asks
    assignment = None if subscription is None else subscription.assignment
    if assignment is None:
        return
    for tp, (first, behind) in left.items():
        place = TopicPartition(tp.topic, tp.partition)
        if place not in assignment.tps:
            continue
        state = assignment.state_value(place)
        if state.has_valid_position and state.position == behind:
            consumer.seek(place, first)
