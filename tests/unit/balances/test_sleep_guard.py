"""A process that slept through its session does not write what it had in hand."""

import asyncio

import pytest

from chronos.stream import sleep_guard
from chronos.stream.sleep_guard import SleepGuard, Slept


class HandClock:
    def __init__(self):
        self.seconds = 0.0

    def monotonic_s(self):
        return self.seconds


ends = []


async def end(fault):
    ends.append(fault)


@pytest.fixture
async def hand(monkeypatch):
    monkeypatch.setattr(sleep_guard, "TICK_S", 3600)
    clock = HandClock()
    guard = SleepGuard(clock, longest_s=8, end=end)
    await guard.open()
    yield clock, guard
    await guard.close()


async def test_who_was_awake_may_write(hand):
    clock, guard = hand
    clock.seconds = 3600 + 7

    guard.check()


async def test_who_slept_may_not_write_then_nor_later(hand):
    clock, guard = hand
    clock.seconds = 3600 + 9

    with pytest.raises(Slept):
        guard.check()
    clock.seconds += 1
    with pytest.raises(Slept):
        guard.check()


async def test_a_guard_that_is_not_open_lets_everybody_pass():
    clock = HandClock()
    guard = SleepGuard(clock, longest_s=8, end=end)
    clock.seconds = 100

    guard.check()


async def test_who_slept_is_ended_though_nothing_is_to_be_written(monkeypatch):
    ends.clear()
    monkeypatch.setattr(sleep_guard, "TICK_S", 0.001)
    clock = HandClock()
    guard = SleepGuard(clock, longest_s=8, end=end)
    await guard.open()

    clock.seconds = 9
    async with asyncio.timeout(5):
        while not ends:  # noqa: ASYNC110 - the condition is in a list
            await asyncio.sleep(0.001)

    assert isinstance(ends[0], Slept)
    await guard.close()
