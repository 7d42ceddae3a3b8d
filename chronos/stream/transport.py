"""Faust's Kafka transport with two changes: how long a fetch waits, and who watches the group.

The task that keeps a consumer in its group ends at an error that it does not know, and Faust
asks for it only while it fetches, which needs an assignment: a worker would wait for ever, up
and never ready. Here its end crashes the worker, and whoever started it starts it again.

Stock Faust lets the broker hold an empty fetch for 1.5 s. aiokafka has one fetch under way for
each broker, and leaves out of it every partition whose records are still being consumed. So
when one busy partition takes longer than a moment, a fetch for the idle ones goes out, and the
busy one has to wait for its end: seen as reads that gave nothing for a whole second, again and
again, while 20,000 records lay in the topic.
"""

from __future__ import annotations

from typing import Any

from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from mode import Service

FETCH_WAIT_MS = 100
WATCH_PAUSE_S = 1.0


class _ConsumerThread(AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Read when the consumer starts; there is no setting for it.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001 - see above
        return consumer


class _Consumer(Consumer):
    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @Service.task
    async def _watch_membership(self) -> None:
        while not self.should_stop:
            await self.sleep(WATCH_PAUSE_S)
            fault = membership_fault(getattr(self._thread, "_consumer", None))
            if fault is not None and not self.should_stop:
                await self.crash(fault)
                return


def membership_fault(consumer: Any) -> BaseException | None:
    """Tells what ended the task that keeps a consumer in its group, if anything did."""
    # There is no public way to ask without fetching.
    coordinator = getattr(consumer, "_coordinator", None)
    task = getattr(coordinator, "_coordination_task", None)
    if task is None or not task.done() or task.cancelled():
        return None
    fault: BaseException | None = task.exception()
    return fault


class KafkaTransport(Transport):
    """Is Faust's transport with a consumer that waits briefly and notices its own expulsion."""

    Consumer = _Consumer
