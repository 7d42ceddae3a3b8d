"""What the worker learns of its own place in the group."""

import asyncio
from types import SimpleNamespace

import pytest

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
