"""Faust's Kafka transport with one number changed: how long a fetch may wait for records.

Stock Faust lets the broker hold an empty fetch for 1.5 s. aiokafka has one fetch under way for
each broker, and leaves out of it every partition whose records are still being consumed. So
when one busy partition takes longer than a moment, a fetch for the idle ones goes out, and the
busy one has to wait for its end: seen as reads that gave nothing for a whole second, again and
again, while 20,000 records lay in the topic.
"""

from __future__ import annotations

from typing import Any

from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport

FETCH_WAIT_MS = 100


class _ConsumerThread(AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Read when the consumer starts; there is no setting for it.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001 - see above
        return consumer


class _Consumer(Consumer):
    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class KafkaTransport(Transport):
    """Is Faust's transport whose consumer waits at most `FETCH_WAIT_MS` for records."""

    Consumer = _Consumer
