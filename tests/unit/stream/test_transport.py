"""What the worker learns of its own place in the group."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition

from chronos.stream.transport import go_back, is_reset, membership_fault


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
