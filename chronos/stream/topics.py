"""The topics of one namespace: what they are, and how they come to exist.

Faust is not left to make them: it would take whatever partition count its settings hold at that
moment. The count of partitions is part of the contract (an account's place in Kafka depends on
it), so an existing topic with another count is a fault, never repaired in silence.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from chronos.errors import SettingFault, Unavailable
from chronos.wire.topics import Names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chronos.settings import Settings

REQUEST_TIMEOUT_MS = 20_000
_VISIBLE_TRIES_MAX = 50
_VISIBLE_PAUSE_S = 0.1
_log = structlog.get_logger(room="stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """Says what a topic must be."""

    name: str
    partitions: int
    configs: Mapping[str, str]
    setting: str
    """The setting that decides the count of partitions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """Says what became of a topic."""

    name: str
    partitions: int
    created: bool


def topic_plans(settings: Settings) -> tuple[TopicPlan, ...]:
    """Gives every topic of the namespace."""
    return tuple(
        TopicPlan(
            name=topic.name,
            partitions=settings.partitions if topic.is_by_account else settings.relay_shards,
            configs=topic.configs,
            setting="CHRONOS_PARTITIONS" if topic.is_by_account else "CHRONOS_RELAY_SHARDS",
        )
        for topic in Names(settings.namespace).topics
    )


async def ensure_topics(settings: Settings) -> tuple[TopicState, ...]:
    """Makes the topics that are missing and checks those that are there; safe to repeat.

    Raises:
        SettingFault: A topic has another count of partitions than the settings say.
        Unavailable: Kafka does not answer.
    """
    plans = topic_plans(settings)
    admin = AIOKafkaAdminClient(
        bootstrap_servers=settings.kafka, request_timeout_ms=REQUEST_TIMEOUT_MS
    )
    try:
        await admin.start()
        present = await _partition_counts(admin, plans)
        missing = tuple(plan for plan in plans if plan.name not in present)
        await _create(admin, missing)
        present |= await _wait_until_visible(admin, missing)
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable("kafka", f"topics could not be made or read: {error!r}") from error
    finally:
        await admin.close()
    for plan in plans:
        _check(plan, present[plan.name])
    return tuple(
        TopicState(name=plan.name, partitions=plan.partitions, created=plan in missing)
        for plan in plans
    )


def _check(plan: TopicPlan, partitions: int) -> None:
    if partitions != plan.partitions:
        raise SettingFault(
            plan.setting,
            f"is {plan.partitions}, but the topic {plan.name} has {partitions} partitions; "
            f"set {plan.setting}={partitions}: the count is fixed at the first start",
        )


async def _create(admin: AIOKafkaAdminClient, plans: tuple[TopicPlan, ...]) -> None:
    if not plans:
        return
    topics = [
        NewTopic(plan.name, plan.partitions, 1, topic_configs=dict(plan.configs))
        for plan in plans
    ]
    answer = await admin.create_topics(topics)
    for name, code, *detail in answer.topic_errors:
        fault: type[Any] = for_code(code)
        if code and fault is not TopicAlreadyExistsError:  # another process was faster
            raise fault(f"{name}: {detail}")
        if not code:
            _log.info("topic_created", topic=name)


async def _wait_until_visible(
    admin: AIOKafkaAdminClient, plans: tuple[TopicPlan, ...]
) -> dict[str, int]:
    # A broker answers before its own metadata holds the new topic.
    counts: dict[str, int] = {}
    for _ in range(_VISIBLE_TRIES_MAX):
        counts = await _partition_counts(admin, plans)
        if len(counts) == len(plans):
            return counts
        await asyncio.sleep(_VISIBLE_PAUSE_S)
    raise Unavailable("kafka", "topics that were just made are not visible after 5 s")


async def _partition_counts(
    admin: AIOKafkaAdminClient, plans: tuple[TopicPlan, ...]
) -> dict[str, int]:
    if not plans:
        return {}
    wanted = {plan.name for plan in plans}
    # The list of all topics, because asking for one by name may create it on some brokers.
    topics = await admin.describe_topics()
    return {
        topic["topic"]: len(topic["partitions"])
        for topic in topics
        if topic["topic"] in wanted and not topic["error_code"]
    }
