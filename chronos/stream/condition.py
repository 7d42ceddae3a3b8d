"""What Kafka says of itself to those who look for faults; nothing is changed or made.

Kafka's protocol has no question for the time. The leader of the cluster's own log, asked how
its voters do, gives itself the time stamp of that moment: the controller's clock.

Source: Apache Kafka, protocol guide, DescribeQuorum (key 55), version 1; `LeaderState` sets the
leader's own `lastCaughtUpTimestamp` to the time of the request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, KafkaError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

from chronos.clock import Clock, ClockReading
from chronos.errors import MissingPart, Unavailable
from chronos.stream.topic_reader import open_topic

_REQUEST_DEADLINE_MS: Final = 4_000
_QUORUM: Final = 55
_METADATA_TOPIC: Final = "__cluster_metadata"
BROKER_SETTINGS: Final = ("unclean.leader.election.enable", "auto.create.topics.enable")


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicCondition:
    """What a topic is."""

    name: str
    partitions: int
    replicas: int
    """Copies of the partition that has the fewest."""
    in_sync: int
    """Copies that are up to date, of the partition that has the fewest."""
    leaderless: int
    """Partitions that nobody leads: they take and give nothing."""
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupCondition:
    """Who reads as a consumer group; its members send heartbeats or are left out of it."""

    name: str
    state: str
    members: tuple[str, ...]
    """Client ids, as `balances-0`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaCondition:
    """What was found."""

    brokers: int
    topics: Mapping[str, TopicCondition]
    broker_settings: Mapping[str, str]
    """Of one broker; a setting that it does not tell is not in it."""
    groups: tuple[GroupCondition, ...]
    clock: ClockReading | None
    """None where the broker does not tell."""


async def read_kafka_condition(
    bootstrap: str, topics: Sequence[str], groups: Sequence[str], clock: Clock
) -> KafkaCondition:
    """Asks Kafka for the condition of these topics and groups.

    Raises:
        Unavailable: It does not answer.
    """
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap, request_timeout_ms=_REQUEST_DEADLINE_MS
    )
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
        brokers = [int(one["node_id"]) for one in cluster["brokers"]]
        # The list of all topics, because asking for one by name may create it.
        known = {
            one["topic"]: one
            for one in await admin.describe_topics()
            if one["topic"] in topics and not one["error_code"]
        }
        configs = await _configs(admin, known, brokers)
        return KafkaCondition(
            brokers=len(brokers),
            topics={name: _topic(one, configs.get(name, {})) for name, one in known.items()},
            broker_settings={
                name: value
                for name, value in configs.get("", {}).items()
                if name in BROKER_SETTINGS
            },
            groups=tuple([await _group(admin, group) for group in groups]),
            clock=await _read_clock(bootstrap, clock),
        )
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable("kafka", str(error) or type(error).__name__) from error
    finally:
        await admin.close()


async def count_records(bootstrap: str, topic: str) -> int | None:
    """Counts what a topic holds, up to gaps of compaction; None where it does not exist.

    Raises:
        Unavailable: Kafka does not answer.
    """
    try:
        async with open_topic(bootstrap, topic) as reader:
            begins, ends = await reader.begin_offsets(), await reader.end_offsets()
    except MissingPart:
        return None
    return sum(max(0, end - begins.get(place, 0)) for place, end in ends.items())


def _topic(raw: Mapping[str, Any], configs: Mapping[str, str]) -> TopicCondition:
    partitions = raw["partitions"]
    return TopicCondition(
        name=raw["topic"],
        partitions=len(partitions),
        replicas=min((len(one["replicas"]) for one in partitions), default=0),
        in_sync=min((len(one["isr"]) for one in partitions), default=0),
        leaderless=sum(1 for one in partitions if one["leader"] < 0),
        configs=configs,
    )


async def _configs(
    admin: Any, topics: Iterable[str], brokers: Sequence[int]
) -> dict[str, dict[str, str]]:
    """Gives the settings of topics by name, and one broker's under the empty name."""
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
    asked += [ConfigResource(ConfigResourceType.BROKER, str(node)) for node in brokers[:1]]
    found: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(asked):
        for code, _detail, kind, name, entries in answer.resources:
            if not code:
                about = name if kind == ConfigResourceType.TOPIC.value else ""
                found[about] = {entry[0]: str(entry[1]) for entry in entries}
    return found


async def _group(admin: Any, group: str) -> GroupCondition:
    try:
        # One group at a time: the client mixes up the answers for several.
        (answer,) = await admin.describe_consumer_groups([group])
    except GroupCoordinatorNotAvailableError:
        return GroupCondition(name=group, state="no coordinator", members=())
    _code, _name, state, _type, _protocol, members, *_ = answer.groups[0]
    return GroupCondition(
        name=group, state=state, members=tuple(sorted(str(member[1]) for member in members))
    )


async def _read_clock(bootstrap: str, clock: Clock) -> ClockReading | None:
    client = AIOKafkaClient(
        bootstrap_servers=bootstrap, request_timeout_ms=_REQUEST_DEADLINE_MS
    )
    try:
        await client.bootstrap()
        node = client.get_random_node()
        # Once to connect: what the second one takes is the way there and back.
        await client.send(node, _DescribeQuorum())
        asked_at = clock.now()
        answer = await client.send(node, _DescribeQuorum())
        return _leader_clock(answer.to_object(), asked_at, clock.now())
    except (KafkaError, NotImplementedError, LookupError):
        return None  # An older broker, or one that does not let us ask.
    finally:
        await client.close()


def _leader_clock(
    answer: Mapping[str, Any], asked_at: datetime, answered_at: datetime
) -> ClockReading | None:
    partition = answer["topics"][0]["partitions"][0]
    for voter in partition["current_voters"]:
        stamp_ms = voter["last_caught_up_timestamp"]
        if voter["replica_id"] == partition["leader_id"] and stamp_ms > 0:
            theirs = datetime.fromtimestamp(stamp_ms / 1000, UTC)
            return ClockReading(theirs=theirs, asked_at=asked_at, answered_at=answered_at)
    return None


_REPLICAS: Final = CompactArray(
    ("replica_id", Int32),
    ("log_end_offset", Int64),
    ("last_fetch_timestamp", Int64),
    ("last_caught_up_timestamp", Int64),
    ("tags", TaggedFields),
)


class _QuorumResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = _QUORUM
    API_VERSION = 1
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "topics",
            CompactArray(
                ("topic_name", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition_index", Int32),
                        ("error_code", Int16),
                        ("leader_id", Int32),
                        ("leader_epoch", Int32),
                        ("high_watermark", Int64),
                        ("current_voters", _REPLICAS),
                        ("observers", _REPLICAS),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _QuorumRequest(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = _QUORUM
    API_VERSION = 1
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _QuorumResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic_name", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(("partition_index", Int32), ("tags", TaggedFields)),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _DescribeQuorum(Request[_QuorumRequest]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = _QUORUM

    def build(self, request_struct_class: type[_QuorumRequest]) -> _QuorumRequest:
        """Asks for the one partition of the cluster's own log."""
        return request_struct_class([(_METADATA_TOPIC, [(0, {})], {})], {})
