"""What the metrics say of a read model's lag, also while Kafka says nothing."""

import pytest

from chronos.errors import MissingPart, Unavailable
from chronos.mirror.lag import GroupLag, PartitionLag
from chronos.mirror.lag_watch import STALE_AFTER_S, LagWatch
from chronos.telemetry.metrics import REGISTRY
from chronos.wire.topics import Names
from tests.unit.auth.test_keys import HandClock


class FakeLag:
    """Answers for every group alike; or not at all."""

    def __init__(self):
        self.fault = None
        self.records, self.seconds = 0, 0.0
        self.asked = []

    async def measure(self, group, topic):
        self.asked.append((group, topic))
        if self.fault:
            raise self.fault
        place = PartitionLag(partition=0, committed=0, end=self.records)
        return GroupLag(group=group, topic=topic, partitions=(place,), seconds=self.seconds)


@pytest.fixture
def lag():
    return FakeLag()


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def watch(lag, clock):
    return LagWatch(lag, Names("bank"), clock)


def shown(sink):
    events = REGISTRY.get_sample_value("chronos_sink_lag_events", {"sink": sink})
    return events, REGISTRY.get_sample_value("chronos_sink_lag_seconds", {"sink": sink})


async def test_every_worker_tells_of_every_group(watch, lag):
    lag.records, lag.seconds = 7, 1.5

    await watch.look()

    names = Names("bank")
    assert lag.asked == [
        (names.app_id("balances"), names.events),
        (names.app_id("mirror"), names.events),
        (names.app_id("mirror"), names.balances_changelog),
    ]
    assert [shown(sink) for sink in ("table", "entries", "accounts")] == [(7, 1.5)] * 3


@pytest.mark.parametrize("fault", [Unavailable("kafka", "away"), MissingPart("no topic")])
async def test_a_lag_grows_older_while_kafka_does_not_answer(watch, lag, clock, fault):
    lag.records, lag.seconds = 7, 1.5
    await watch.look()
    lag.fault = fault

    clock.seconds += STALE_AFTER_S + 60
    await watch.look()

    assert shown("entries") == (7, 61.5)


async def test_nothing_behind_stays_nothing_while_kafka_does_not_answer(watch, lag, clock):
    lag.records, lag.seconds = 0, 0.0
    await watch.look()
    lag.fault = Unavailable("kafka", "away")

    clock.seconds += 3600
    await watch.look()

    assert shown("entries") == (0, 0.0)


async def test_an_age_that_could_not_be_read_leaves_the_last_one(watch, lag):
    lag.records, lag.seconds = 7, 1.5
    await watch.look()
    lag.records, lag.seconds = 9, None

    await watch.look()

    assert shown("table") == (9, 1.5)
