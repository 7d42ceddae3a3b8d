"""The live feed on a Kafka that is stopped, killed, started again, and made anew."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from chronos.settings import Settings
from chronos.stream.live import feed as feed_module
from chronos.stream.live.events import Place
from chronos.stream.live.feed import LiveFeed, Start, UnknownPlace
from chronos.stream.live.source import KafkaSource
from chronos.stream.live.subscription import Ending, QueueBounds, Subscription
from chronos.stream.topic_reader import TopicRecord
from chronos.stream.topics import ensure_topics
from chronos.wire.topics import Names
from tests.integration.relay.test_kafka_away import own_kafka
from tests.unit.stream.live_parts import Bank, foreign

LONG_S = 90.0


class Topic:
    """The events topic of one namespace, its feed, and a bank that fills it."""

    def __init__(self, kafka: str, namespace: str):
        self.settings = Settings(namespace=namespace, kafka=kafka)
        self.name = Names(namespace).events
        self.source = KafkaSource(kafka, self.name, partitions=self.settings.partitions)
        bounds = QueueBounds(events_max=1000, bytes_max=1 << 20)
        self.feed = LiveFeed(self.source, subscribers_max=10, bounds=bounds)
        self.bank = Bank()

    async def publish(self, records: Sequence[TopicRecord]) -> None:
        async with self._producer() as producer:
            for record in records:
                await producer.send_and_wait(
                    self.name,
                    key=record.key,
                    value=record.value,
                    partition=record.partition,
                    headers=list(record.headers),
                )

    @contextlib.asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(bootstrap_servers=self.settings.kafka)
        try:
            await producer.start()
            yield producer
        finally:
            await producer.stop()

    @contextlib.asynccontextmanager
    async def subscribed(
        self, account_id: str | None, start: Place | Start = Start.END
    ) -> AsyncIterator[Subscription]:
        subscription = await self.feed.subscribe(account_id, start)
        following = asyncio.create_task(self.feed.follow(subscription))
        try:
            yield subscription
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            self.feed.unsubscribe(subscription)

    async def make_anew(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka)
        await admin.start()
        try:
            await admin.delete_topics([self.name])
            async with asyncio.timeout(LONG_S):
                known = await admin.describe_topics()
                while any(topic["topic"] == self.name for topic in known):
                    known = await admin.describe_topics()
        finally:
            await admin.close()
        await ensure_topics(self.settings)


async def next_versions(subscription: Subscription, count: int) -> list[int]:
    versions: list[int] = []
    async with asyncio.timeout(LONG_S):
        while len(versions) < count:
            assert not subscription.is_over, subscription.ending
            versions += [event.version for event, _ in await subscription.take(1.0)]
    return versions


@pytest.fixture
async def topic(servers, namespace: str) -> AsyncIterator[Topic]:
    made = Topic(servers.kafka, namespace)
    await ensure_topics(made.settings)
    yield made
    await made.feed.close()


async def test_places_are_those_of_kafka(topic: Topic):
    await topic.publish(topic.bank.pay("a0", "a0"))
    partition = topic.feed.select("a0").partitions[0]
    ends = await topic.source.ends()

    async with topic.subscribed("a0", Place((ends[partition] - 1,), version=2)) as stream:
        assert await next_versions(stream, 1) == [3]
    with pytest.raises(UnknownPlace):
        await topic.feed.subscribe("a0", Place((ends[partition] + 1,), version=3))
    async with topic.subscribed(None, Start.BEGINNING) as stream:
        assert len(await next_versions(stream, 4)) == 4
        assert dict(enumerate(stream.place.offsets)) == dict(ends)


async def test_a_topic_made_anew_ends_streams_instead_of_beginning_again(topic: Topic):
    await topic.publish(topic.bank.pay("a0", "a0", "a0"))
    async with topic.subscribed("a0", Start.BEGINNING) as stream:
        await next_versions(stream, 3)
        await topic.make_anew()
        await topic.publish([foreign(stream.selection.partitions[0])])

        async with asyncio.timeout(LONG_S):
            await stream.ended.wait()
        assert stream.ending is Ending.REPLACED

    async with topic.subscribed("a0") as stream:
        await topic.publish(topic.bank.pay("a0"))
        assert await next_versions(stream, 1) == [5]


async def test_streams_outlive_a_kafka_that_is_stopped_or_killed(
    data_folder: Path, namespace: str, monkeypatch
):
    async with own_kafka(data_folder) as (supervisor, kafka):
        topic = Topic(kafka.address, namespace)
        await ensure_topics(topic.settings)
        async with topic.subscribed("a0") as stream:
            await topic.publish(topic.bank.pay("a0"))
            assert await next_versions(stream, 1) == [2]

            # Stopped: silent for longer than a request waits.
            paused = supervisor.pids["kafka"]
            os.kill(paused, signal.SIGSTOP)
            monkeypatch.setattr(feed_module, "DEADLINE_S", 1.0)
            assert await stream.take(12.0) == []
            os.kill(paused, signal.SIGCONT)
            await topic.publish(topic.bank.pay("a0"))
            assert await next_versions(stream, 1) == [3]
            place = stream.place

            # Killed: the supervisor starts it again, on the same port.
            os.kill(supervisor.pids["kafka"], signal.SIGKILL)
            async with asyncio.timeout(LONG_S):
                while supervisor.pids.get("kafka") in (None, paused):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await _published(topic, topic.bank.pay("a0"))
            assert (await next_versions(stream, 1))[0] == 4
            async with topic.subscribed("a0", place) as again:
                assert (await next_versions(again, 1))[0] == 4
        await topic.feed.close()


async def _published(topic: Topic, records: Sequence[TopicRecord]) -> None:
    """Publishes to a broker that is on its way; may do it twice."""
    async with asyncio.timeout(LONG_S):
        while True:
            try:
                await topic.publish(records)
            except KafkaError:
                await asyncio.sleep(0.2)
            else:
                return
