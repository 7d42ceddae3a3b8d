"""The live feed on a topic in memory: no gap, no double, no one slowed down by another."""

import asyncio
import contextlib
import json
import random

import pytest

from chronos.errors import Overloaded, Unavailable
from chronos.stream.live import feed as feed_module
from chronos.stream.live import tail as tail_module
from chronos.stream.live.events import Place
from chronos.stream.live.feed import LiveFeed, Start, UnknownPlace
from chronos.stream.live.subscription import Ending, QueueBounds
from tests.unit.stream.live_parts import Bank, MemoryTopic, foreign

LONG_S = 10.0


@pytest.fixture
def topic():
    return MemoryTopic()


@pytest.fixture
def bank():
    return Bank()


@pytest.fixture
async def feed(topic):
    made = new_feed(topic)
    yield made
    await made.close()
    assert topic.readers == 0


def new_feed(topic, *, subscribers_max=10, events_max=1000):
    bounds = QueueBounds(events_max=events_max, bytes_max=1 << 20)
    return LiveFeed(topic, subscribers_max=subscribers_max, bounds=bounds)


@contextlib.asynccontextmanager
async def subscribed(feed, account_id=None, start=Start.END):
    subscription = await feed.subscribe(account_id, start)
    following = asyncio.create_task(feed.follow(subscription))
    try:
        yield subscription
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        feed.unsubscribe(subscription)


async def next_events(subscription, count):
    """Takes that many events; gives (account, version) of each, and the last place."""
    events, place = [], None
    async with asyncio.timeout(LONG_S):
        while len(events) < count:
            for event, behind in await subscription.take(1.0):
                events.append((event.account_id, event.version))
                place = behind
    return events, place


async def nothing_more(subscription):
    return await subscription.take(0.05) == []


async def until(condition):
    async with asyncio.timeout(LONG_S):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)


def named(records):
    return [(r.key.decode(), json.loads(r.value)["version"]) for r in records]


async def test_a_stream_begins_behind_what_is_there(feed, topic, bank):
    await topic.publish(*bank.pay("a0"))
    async with subscribed(feed) as stream:
        later = bank.pay("a0", "a1")
        await topic.publish(*later)

        events, _ = await next_events(stream, 4)

        assert sorted(events) == sorted(named(later))
        assert await nothing_more(stream)


async def test_a_stream_of_one_account_has_its_events_alone(feed, topic, bank):
    async with subscribed(feed, "a1") as stream:
        await topic.publish(*bank.pay("a0", "a1", "a2", "a1"))

        events, _ = await next_events(stream, 2)

        assert events == [("a1", 2), ("a1", 3)]
        assert await nothing_more(stream)


async def test_the_beginning_can_be_asked_for(feed, topic, bank):
    before = bank.pay("a0", "a1")
    await topic.publish(*before)

    async with subscribed(feed, start=Start.BEGINNING) as stream:
        after = bank.pay("a2")
        await topic.publish(*after)

        events, _ = await next_events(stream, 6)

    assert sorted(events) == sorted(named(before + after))


async def test_a_place_in_the_ring_is_gone_on_from_without_another_reader(feed, topic, bank):
    async with subscribed(feed, "a0") as first:
        await topic.publish(*bank.pay("a0", "a0", "a0"))
        events, place = await next_events(first, 3)
        await topic.publish(*bank.pay("a0", "a0"))
        await next_events(first, 2)

        async with subscribed(feed, "a0", place) as second:
            assert second.is_joined
            events += (await next_events(second, 2))[0]
            await topic.publish(*bank.pay("a0"))
            events += (await next_events(second, 1))[0]

        assert events == [("a0", version) for version in range(2, 8)]
        assert len(topic.opened) == 1


async def test_an_older_place_is_gone_on_from_by_a_reader_of_its_own(feed, topic, bank):
    async with subscribed(feed, "a0") as first:
        await topic.publish(*bank.pay("a0", "a0"))
        _, place = await next_events(first, 2)
    await topic.publish(*bank.pay("a0", "a0"))

    async with subscribed(feed, "a0", place) as second:
        events, _ = await next_events(second, 2)
        await until(lambda: second.is_joined)
        await topic.publish(*bank.pay("a0"))
        events += (await next_events(second, 1))[0]

        assert events == [("a0", 4), ("a0", 5), ("a0", 6)]
        await until(lambda: topic.readers == 1)  # its own is closed again


@pytest.mark.parametrize("seed", range(5))
async def test_reconnecting_again_and_again_under_load_loses_and_doubles_nothing(
    topic, seed, monkeypatch
):
    # A ring that hardly reaches back, so that most reconnections need a reader of their own.
    monkeypatch.setattr(tail_module, "RING_EVENTS_MAX", 20)
    chance = random.Random(seed)
    bank, feed = Bank(5), new_feed(topic, events_max=50)
    for name in bank.names * 20:
        await topic.publish(*bank.pay(name))
    published = topic.count()

    async def go_on_publishing():
        while not enough.is_set():
            await topic.publish(*bank.pay(chance.choice(bank.names)))
            await asyncio.sleep(chance.choice((0, 0, 0.001)))

    enough = asyncio.Event()
    load = asyncio.create_task(go_on_publishing())
    seen, place = [], Start.BEGINNING
    async with subscribed(feed):  # keeps the tail, whatever becomes of it
        while len(seen) < published + 600:
            async with subscribed(feed, None, place) as stream:
                events, place = await next_events(stream, chance.randrange(1, 120))
                seen += events
                if chance.random() < 0.3:
                    place = stream.place
            if chance.random() < 0.3:  # stays away for more than the ring holds
                away_until = topic.count() + 60
                await until(lambda least=away_until: topic.count() >= least)
    enough.set()
    await load

    versions = {}
    for name, version in seen:
        assert version == versions.get(name, version - 1) + 1, name
        versions[name] = version
    await feed.close()


async def test_a_full_queue_ends_the_slow_reader_and_nobody_else(topic, bank):
    feed = new_feed(topic, events_max=100)
    async with subscribed(feed) as slow, subscribed(feed) as fast:
        taking = asyncio.create_task(next_events(fast, 400))
        for _ in range(200):
            await topic.publish(*bank.pay("a0"))

        events, _ = await taking

        assert len(set(events)) == 400
        await until(lambda: slow.is_over)
        assert slow.ending is Ending.SLOW
        assert await slow.take(LONG_S) == []
        assert not fast.is_over
    await feed.close()


async def test_a_burst_as_large_as_a_page_cuts_no_fast_reader_off(topic, bank):
    feed = new_feed(topic, events_max=100)
    burst = bank.pay(*["a0"] * 1000)
    async with subscribed(feed) as stream:
        taking = asyncio.create_task(next_events(stream, 2000))
        await topic.publish(*burst)

        await taking
    await feed.close()


async def test_who_catches_up_slowly_is_waited_for(topic, bank):
    await topic.publish(*bank.pay(*["a0"] * 300))
    feed = new_feed(topic, events_max=100)
    async with subscribed(feed, None, Start.BEGINNING) as stream:
        events = []
        for _ in range(6):
            events += (await next_events(stream, 100))[0]
            await asyncio.sleep(0.02)

        assert len(set(events)) == 600
        assert stream.ending is None
    await feed.close()


async def test_who_joins_with_more_behind_than_its_queue_holds_is_not_cut_off(topic, bank):
    feed = new_feed(topic, events_max=100)
    async with subscribed(feed) as fast:
        start = fast.place
        for _ in range(6):
            await topic.publish(*bank.pay(*["a0"] * 25))
            await next_events(fast, 50)

        async with subscribed(feed, None, start) as stream:
            events = []
            for _ in range(3):
                await asyncio.sleep(0.02)
                events += (await next_events(stream, 100))[0]

            assert len(events) == len(set(events)) == 300
            assert not stream.is_over
    await feed.close()


async def test_the_place_does_not_pass_what_still_waits(feed, topic, bank):
    async with subscribed(feed, "a0") as stream, subscribed(feed, "a0") as other:
        start = stream.place
        await topic.publish(*bank.pay("a0", "a0"))
        await next_events(other, 2)

        assert stream.place == start
        assert (await next_events(stream, 2))[1] == other.place


async def test_what_the_relay_published_twice_comes_once(feed, topic, bank):
    twice = bank.pay("a0", "a1")
    async with subscribed(feed) as everything, subscribed(feed, "a0") as one:
        await topic.publish(*twice, *twice, *bank.pay("a0"))

        events, _ = await next_events(everything, 6)
        own, place = await next_events(one, 2)

        assert len(events) == len(set(events)) == 6
        assert own == [("a0", 2), ("a0", 3)]
        assert await nothing_more(everything)

    # An account's place knows what was sent, also to who begins again elsewhere.
    await topic.publish(*twice, *bank.pay("a0"))
    async with subscribed(feed, "a0", place) as again:
        assert (await next_events(again, 1))[0] == [("a0", 4)]


async def test_foreign_records_are_passed_over_and_the_place_moves_on(feed, topic):
    async with subscribed(feed) as stream:
        before = stream.place
        await topic.publish(*(foreign(partition) for partition in range(8)))

        await until(lambda: stream.place.offsets == tuple(o + 1 for o in before.offsets))
        assert await nothing_more(stream)


async def test_the_place_of_a_quiet_account_moves_on(feed, topic):
    async with subscribed(feed, "quiet") as stream:
        partition = stream.selection.partitions[0]
        await topic.publish(foreign(partition), foreign(partition))

        await until(lambda: stream.place.offsets == (2,))


async def test_a_place_behind_the_end_is_unknown(feed, topic, bank):
    await topic.publish(*bank.pay("a0"))
    partition = feed.select("a0").partitions[0]
    end = len(topic.logs[partition])

    with pytest.raises(UnknownPlace):
        await feed.subscribe("a0", Place((end + 1,), version=9))
    async with subscribed(feed, "a0", Place((end,), version=2)) as stream:
        await topic.publish(*bank.pay("a0"))
        assert (await next_events(stream, 1))[0] == [("a0", 3)]


async def test_there_is_room_for_so_many_and_again_when_one_leaves(topic):
    feed = new_feed(topic, subscribers_max=2)
    async with subscribed(feed):
        async with subscribed(feed):
            with pytest.raises(Overloaded):
                await feed.subscribe(None, Start.END)
        async with subscribed(feed):
            pass
    await feed.close()


async def test_the_last_subscriber_takes_the_reader_along(feed, topic):
    async with subscribed(feed):
        await until(lambda: topic.readers == 1)
        async with subscribed(feed):
            assert topic.readers == 1
        assert topic.readers == 1

    await until(lambda: topic.readers == 0)


async def test_a_stream_goes_on_when_kafka_is_back(feed, topic, bank):
    async with subscribed(feed, "a0") as stream:
        await topic.publish(*bank.pay("a0"))
        await next_events(stream, 1)
        topic.is_away = True
        assert await nothing_more(stream)
        await topic.publish(*bank.pay("a0"))
        topic.is_away = False

        assert (await next_events(stream, 1))[0] == [("a0", 3)]


async def test_nobody_begins_while_kafka_is_away(feed, topic, monkeypatch):
    monkeypatch.setattr(feed_module, "DEADLINE_S", 0.1)
    topic.is_away = True

    with pytest.raises(Unavailable, match="kafka"):
        await feed.subscribe(None, Start.END)
    topic.is_away = False
    async with subscribed(feed):
        pass


async def test_a_topic_made_anew_ends_every_stream_and_new_ones_begin(feed, topic, bank):
    await topic.publish(*bank.pay("a0", "a0"))
    async with subscribed(feed) as joined, subscribed(feed, "a0") as other:
        await until(lambda: topic.readers == 1)
        for log in topic.logs:
            log.clear()
        await topic.publish()

        await until(lambda: joined.is_over and other.is_over)
        assert joined.ending is other.ending is Ending.REPLACED
    async with subscribed(feed, "a0") as stream:
        await topic.publish(*bank.pay("a0"))
        assert (await next_events(stream, 1))[0] == [("a0", 4)]


async def test_a_bug_in_the_tail_ends_every_stream_and_is_not_swallowed(feed, topic):
    async with subscribed(feed) as stream:
        await topic.publish(*(foreign(0)._replace(headers=None),))

        await until(lambda: stream.is_over)
        assert stream.ending is Ending.FAILED


async def test_a_stopping_worker_ends_every_stream_and_begins_none(feed):
    async with subscribed(feed) as stream:
        feed.leave()

        assert stream.ending is Ending.STOPPING
        with pytest.raises(Unavailable):
            await feed.subscribe(None, Start.END)
