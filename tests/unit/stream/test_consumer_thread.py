"""Calls into the consumer's thread, and where it goes back to read again."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread

from chronos.stream.consumer_thread import ConsumerThread, go_back, is_reset

PLACE = TopicPartition("changelog", 0)


class FakeConsumer:
    """Stands at a position of one partition."""

    def __init__(self, position):
        state = SimpleNamespace(has_valid_position=position is not None, position=position)
        assignment = SimpleNamespace(tps={PLACE}, state_value=lambda _place: state)
        subscription = SimpleNamespace(assignment=assignment)
        self._subscription = SimpleNamespace(subscription=subscription)
        self.sought = []

    def seek(self, place, offset):
        self.sought.append((place, offset))


def test_what_was_dropped_is_read_again_from_its_first_record():
    consumer = FakeConsumer(position=62)

    go_back(consumer, {PLACE: (0, 62)})

    assert consumer.sought == [(PLACE, 0)]


@pytest.mark.parametrize("position", [0, 61, 63, None])
def test_who_was_sent_elsewhere_meanwhile_stays_there(position):
    consumer = FakeConsumer(position)

    go_back(consumer, {PLACE: (0, 62)})

    assert consumer.sought == []


def test_a_partition_that_was_taken_away_is_left_alone():
    consumer = FakeConsumer(position=62)

    go_back(consumer, {TopicPartition("changelog", 5): (0, 62)})

    assert consumer.sought == []


def test_a_connection_that_is_gone_is_told_from_a_bug():
    gone = "unable to perform operation on <TCPTransport closed=True>; the handler is closed"

    assert is_reset(RuntimeError(gone))
    assert not is_reset(RuntimeError("dictionary changed size during iteration"))


class FakeThread(ConsumerThread):
    """A thread of a consumer that ends when the test says so."""

    def __init__(self, *, is_ending=False):
        self._shutdown = asyncio.Event()
        self.is_ending = is_ending
        self.asked = []

    @property
    def should_stop(self):
        return self.is_ending


@pytest.fixture
def answered(monkeypatch):
    """What a call waits for."""
    answer = asyncio.Event()

    async def call(thread, _function, *args):
        thread.asked += args
        await answer.wait()
        return True

    monkeypatch.setattr(AIOKafkaConsumerThread, "call_thread", call)
    return answer


async def test_a_call_is_answered(answered):
    thread = FakeThread()
    answered.set()

    assert await thread.call_thread(print, 7) is True
    assert await thread.commit({PLACE: 7}) is True
    assert thread.asked == [7, {PLACE: 7}]


async def test_what_the_thread_says_is_raised_here(monkeypatch):
    async def call(*_):
        raise ValueError("no such partition")

    monkeypatch.setattr(AIOKafkaConsumerThread, "call_thread", call)

    with pytest.raises(ValueError, match="no such partition"):
        await FakeThread().call_thread(print)


async def test_a_thread_that_ends_is_asked_nothing(answered):
    thread = FakeThread(is_ending=True)

    assert await thread.commit({PLACE: 7}) is False
    with pytest.raises(ConsumerStoppedError):
        await thread.call_thread(print, 7)
    assert (thread.asked, answered.is_set()) == ([], False)


async def test_no_call_outlives_its_thread(answered):
    thread = FakeThread()
    asyncio.get_running_loop().call_later(0.01, thread._shutdown.set)

    async with asyncio.timeout(10):
        with pytest.raises(ConsumerStoppedError):
            await thread.call_thread(print)
        assert await thread.commit({PLACE: 7}) is False
    assert not answered.is_set()
