"""Before a worker ends itself it asks Kafka, whose absence its libraries do not tell."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

from chronos.errors import Unavailable
from chronos.settings import Settings
from chronos.stream import stall_watch
from chronos.stream.liveness import Liveness, Place, Progress
from chronos.stream.stall_watch import StallWatch, Stuck

HERE = Place("balances", "events", 3)


class App:
    """A worker whose only partition has work and stands still."""

    def __init__(self):
        self.settings = replace(Settings(), stuck_after_s=5, kafka="nowhere:1")
        self.liveness = Liveness(stuck_after_s=0.1)
        self.should_stop = self.crashed = False
        self.reasons = []

    async def crash(self, reason):
        self.reasons.append(reason)
        self.crashed = True


@pytest.fixture
def kafka(monkeypatch):
    answers = SimpleNamespace(away=False, asked=asyncio.Event())

    async def end_offsets(*_):
        answers.asked.set()
        if answers.away:
            raise Unavailable("kafka", "away")
        return {3: 9}

    monkeypatch.setattr(stall_watch, "TICK_S", 0.01)
    monkeypatch.setattr(stall_watch, "end_offsets", end_offsets)
    monkeypatch.setattr(stall_watch, "places_of", lambda _app: {HERE: Progress(7, 2)})
    return answers


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_a_worker_that_gets_on_nowhere_ends_with_the_place_in_its_reason(kafka):
    app = App()
    watch = StallWatch(app)
    await watch.open()
    await until(lambda: app.crashed)
    await watch.close()

    (reason,) = app.reasons
    assert isinstance(reason, Stuck)
    assert "Agent balances" in str(reason)
    assert "2 records of events, partition 3" in str(reason)
    assert reason.exit_code == 1
    assert app.liveness.stall.place == HERE
    assert kafka.asked.is_set()


async def test_a_worker_that_waits_for_kafka_lives_until_kafka_is_back(kafka):
    kafka.away = True
    app = App()
    watch = StallWatch(app)
    await watch.open()
    for _ in range(2):
        kafka.asked.clear()
        await kafka.asked.wait()
    await until(lambda: app.liveness.waiting_for == ("kafka",))
    assert not app.crashed

    kafka.away = False
    await until(lambda: app.crashed)
    await watch.close()
    assert app.liveness.waiting_for == ()
