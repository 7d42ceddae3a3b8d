"""What a rebuild does to topics and consumer groups, while nobody uses them.

A topic that is made anew begins at offset 0; one that is emptied goes on where it was, so that
offsets which somebody else keeps stay true.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    KafkaError,
    UnknownTopicOrPartitionError,
    for_code,
)

from chronos.errors import Unavailable

REQUEST_TIMEOUT_MS = 20_000
_TRIES_MAX = 100
_PAUSE_S = 0.1
_TO_THE_END = -1


class TopicAdmin:
    """Changes topics and groups; made by `open_admin`.

    Every method raises `Unavailable` when Kafka does not answer.
    """

    def __init__(self, bootstrap: str, admin: Any) -> None:
        self._bootstrap = bootstrap
        self._admin = admin

    async def members(self, group: str) -> int:
        """Counts the members of a consumer group; those that were killed stay for a while.

        A broker that has just started knows no coordinator for a moment; it is asked again.
        """
        for _ in range(_TRIES_MAX):
            try:
                # One group at a time: the client mixes up the answers for several.
                (answer,) = await self._admin.describe_consumer_groups([group])
            except GroupCoordinatorNotAvailableError:
                await asyncio.sleep(_PAUSE_S)
            else:
                return len(answer.groups[0][5])
        raise Unavailable("kafka", f"no coordinator for the consumer group {group} after 10 s")

    async def delete(self, topics: Sequence[str]) -> None:
        """Deletes topics that are there, and waits until they are gone."""
        there = await self._present(topics)
        if not there:
            return
        answer = await self._admin.delete_topics(sorted(there))
        for _, code in answer.topic_error_codes:
            fault: type[Any] = for_code(code)
            if code and fault is not UnknownTopicOrPartitionError:
                raise fault
        for _ in range(_TRIES_MAX):
            if not await self._present(topics):
                return
            await asyncio.sleep(_PAUSE_S)
        raise Unavailable("kafka", "topics that were just deleted are there after 10 s")

    async def empty_compacted(self, topic: str) -> None:
        """Deletes every record of a compacted topic; its next record has the next offset.

        Kafka deletes records of a topic only where it may delete old ones, so the topic is such
        a one for the moment.
        """
        numbers = (await self._present([topic])).get(topic)
        if numbers is None:
            return
        await self._set_policy(topic, "delete")
        try:
            places = {
                TopicPartition(topic, number): RecordsToDelete(before_offset=_TO_THE_END)
                for number in numbers
            }
            await self._admin.delete_records(places)
        finally:
            await self._set_policy(topic, "compact")

    async def read_from_beginning(self, group: str, topic: str) -> None:
        """Has a group without members read a topic from its beginning at its next start."""
        numbers = (await self._present([topic])).get(topic, ())
        places = [TopicPartition(topic, number) for number in numbers]
        if not places:
            return
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, group_id=group, enable_auto_commit=False
        )
        try:
            await consumer.start()
            consumer.assign(places)
            await consumer.commit(await consumer.beginning_offsets(places))
        finally:
            await consumer.stop()

    async def _set_policy(self, topic: str, policy: str) -> None:
        change = ConfigResource(
            ConfigResourceType.TOPIC, topic, configs={"cleanup.policy": policy}
        )
        for answer in await self._admin.alter_configs([change]):
            for code, detail, *_ in answer.resources:
                if code:
                    fault: type[Any] = for_code(code)
                    raise fault(detail)

    async def _present(self, topics: Sequence[str]) -> dict[str, list[int]]:
        known = await self._admin.describe_topics()
        return {
            one["topic"]: sorted(partition["partition"] for partition in one["partitions"])
            for one in known
            if one["topic"] in topics and not one["error_code"]
        }


@asynccontextmanager
async def open_admin(bootstrap: str) -> AsyncIterator[TopicAdmin]:
    """Opens a client for changes.

    Raises:
        Unavailable: Kafka does not answer, here or in the block.
    """
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_TIMEOUT_MS
    )
    try:
        await admin.start()
        yield TopicAdmin(bootstrap, admin)
    except (KafkaError, OSError) as error:
        raise Unavailable("kafka", str(error) or type(error).__name__) from error
    finally:
        await admin.close()
