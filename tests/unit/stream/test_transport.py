"""What the worker learns of its own place in the group, and when it fetches."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition

from chronos.stream import transport
from chronos.stream.pages import PageOffsets
from chronos.stream.transport import membership_fault


def consumer_with(task):
    return SimpleNamespace(_coordinator=SimpleNamespace(_coordination_task=task))


async def ends(error=None):
    async def work():
        if error is not None:
            raise error

    task = asyncio.create_task(work())
    await asyncio.wait({task})
    return task


@pytest.mark.parametrize("consumer", [None, SimpleNamespace(), consumer_with(None)])
def test_a_consumer_that_has_not_joined_yet_has_no_fault(consumer):
    assert membership_fault(consumer) is None


async def test_a_membership_that_lives_has_no_fault():
    task = asyncio.create_task(asyncio.Event().wait())
    assert membership_fault(consumer_with(task)) is None
    task.cancel()
    await asyncio.wait({task})
    assert membership_fault(consumer_with(task)) is None


async def test_what_ended_the_membership_is_told():
    error = AssertionError("old address")
    assert membership_fault(consumer_with(await ends(error))) is error


PLACE = TopicPartition("changelog", 0)


class PacedConsumer(transport._Consumer):
    """A consumer without a broker: its fetches bring what the test says."""

    def __init__(self, *fetches, fetch_pause_s):
        self._pages = PageOffsets()
        self._seeks = self._fetched_after = 0
        self._fetch_due_s = 0.0
        self.app = SimpleNamespace(
            conf=SimpleNamespace(broker_max_poll_records=80), fetch_pause_s=fetch_pause_s
        )
        self.left = list(fetches)
        self.patience_s = []
        self.slept_s = []

    async def sleep(self, pause_s):
        self.slept_s.append(pause_s)

    async def fetch(self, *others):
        return await self._getmany({PLACE, *others}, 60)


@pytest.fixture
def _no_broker(monkeypatch):
    async def fetch(consumer, _partitions, timeout):  # noqa: ASYNC109 - Faust's signature
        consumer.patience_s.append(timeout)
        return {PLACE: [object()] * consumer.left.pop(0)}

    monkeypatch.setattr(transport.Consumer, "_getmany", fetch)


@pytest.mark.usefixtures("_no_broker")
async def test_after_a_fetch_of_little_the_next_one_waits():
    consumer = PacedConsumer(9, 80, fetch_pause_s=60)

    first = await consumer.fetch()
    second = await consumer.fetch()

    assert (len(first[PLACE]), second) == (9, {})
    assert consumer.slept_s == [pytest.approx(60, rel=0.5)]
    assert consumer.left == [80]


@pytest.mark.usefixtures("_no_broker")
async def test_after_a_longer_silence_a_fetch_of_little_waits_for_nothing():
    consumer = PacedConsumer(9, 9, fetch_pause_s=0.01)

    await consumer.fetch()
    await asyncio.sleep(0.02)
    second = await consumer.fetch()

    assert len(second[PLACE]) == 9
    assert consumer.slept_s == []


@pytest.mark.usefixtures("_no_broker")
async def test_whoever_is_behind_fetches_without_a_pause():
    consumer = PacedConsumer(10, 80, 10, fetch_pause_s=60)

    for records in (10, 80, 10):
        assert len((await consumer.fetch())[PLACE]) == records
    assert consumer.slept_s == []


@pytest.mark.usefixtures("_no_broker")
async def test_nobody_waits_long_for_an_empty_topic_while_another_has_no_room():
    full = TopicPartition("events", 0)
    consumer = PacedConsumer(1, 1, fetch_pause_s=60)
    page = SimpleNamespace(tp=full, value=[object()] * 160, offset=159, acked=False)
    consumer._pages.hand_out(page)

    await consumer.fetch(full)
    consumer._pages.acknowledge(page)
    await consumer.fetch(full)

    assert consumer.patience_s == [transport.FULL_PAUSE_S, 60]
    assert consumer.slept_s == []
