"""A producer is thrown away after a failure, and how it dies is no second failure."""

from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaConnectionError

from chronos.errors import Unavailable
from chronos.stream.publisher import Publisher


class FakeProducer:
    """Fails to send, and then to end in order, as a producer did when its broker was killed."""

    def __init__(self):
        self.closed = []
        self._message_accumulator = SimpleNamespace(fail_all=lambda _reason: None)
        self._sender = SimpleNamespace(close=self._close_sender)
        self.client = SimpleNamespace(close=self._close_client)

    def create_batch(self):
        raise KafkaConnectionError

    async def stop(self):
        raise KeyError("a batch that was given up")

    async def _close_sender(self):
        raise KeyError("a batch that was given up")

    async def _close_client(self):
        self.closed.append("client")


async def test_a_page_is_refused_as_unavailable_however_its_producer_dies(monkeypatch):
    publisher, producer = Publisher("127.0.0.1:1", client_id="test"), FakeProducer()

    async def start():
        return producer

    monkeypatch.setattr(publisher, "_start", start)

    with pytest.raises(Unavailable):
        await publisher.publish(
            [SimpleNamespace(topic="t", partition=0, position=1, headers=b"\x90")]
        )
    assert producer.closed == ["client"]
    assert publisher._producer is None
