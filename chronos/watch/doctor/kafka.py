"""Judges Kafka: topics as the contract has them, copies, and who reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chronos.stream.condition import GroupCondition, KafkaCondition, TopicCondition
from chronos.watch.doctor.findings import Code, Finding, error, ok, warning
from chronos.wire.topics import Names, Topic

_IN_SYNC_MIN: Final = "min.insync.replicas"
_UNCLEAN: Final = "unclean.leader.election.enable"
_AUTO_CREATE: Final = "auto.create.topics.enable"
ROLES: Final = ("relay", "balances", "mirror")


def judge_kafka(
    found: KafkaCondition, names: Names, *, partitions: int, relay_shards: int
) -> Iterator[Finding]:
    """Judges what Kafka said of itself.

    Args:
        found: What it said.
        names: The topics and groups of the instance.
        partitions: How many each topic by account has to have.
        relay_shards: How many partitions the topic of the relays has to have.
    """
    for topic in names.topics:
        there = found.topics.get(topic.name)
        if there is None:
            yield error(
                Code.TOPIC,
                topic.name,
                f"the topic {topic.name} does not exist",
                "Run `chronos topics` with the settings of this instance; when it was there "
                "before, run `chronos rebuild kafka`, which fills it from PostgreSQL.",
            )
            continue
        yield _count(topic, there, partitions if topic.is_by_account else relay_shards)
        yield from _settings(topic, there)
        yield from _copies(there, found.brokers)
    yield from _broker(found)
    for role, group in zip(ROLES, found.groups, strict=True):
        yield _workers(role, group)


def _count(topic: Topic, there: TopicCondition, wanted: int) -> Finding:
    setting = "CHRONOS_PARTITIONS" if topic.is_by_account else "CHRONOS_RELAY_SHARDS"
    if there.partitions == wanted:
        return ok(Code.TOPIC_PARTITIONS, topic.name, f"{topic.name} has {wanted} partitions")
    harm = (
        "events of one account would lie in two of them, and their order is lost"
        if topic.is_by_account
        else "each shard of the outbox needs one, by which Kafka says who relays it"
    )
    return error(
        Code.TOPIC_PARTITIONS,
        topic.name,
        f"{topic.name} has {there.partitions} partitions, not {wanted}: {harm}",
        f"If the topic is right, set {setting}={there.partitions} everywhere; if it was "
        "changed, stop the workers and run `chronos rebuild kafka`.",
    )


def _settings(topic: Topic, there: TopicCondition) -> Iterator[Finding]:
    wrong = {
        name: there.configs.get(name, "unknown")
        for name, wanted in topic.configs.items()
        if there.configs.get(name, "unknown") != wanted
    }
    for name, value in wrong.items():
        wanted = topic.configs[name]
        yield error(
            Code.TOPIC_SETTINGS,
            topic.name,
            f"{name} of {topic.name} is {value}, not {wanted}: Kafka may drop records that are "
            "still needed, or keep what it should not",
            f"Set it: `kafka-configs --alter --entity-type topics --entity-name {topic.name} "
            f"--add-config {name}={wanted}`; if records are gone, run `chronos rebuild kafka`.",
        )
    if not wrong:
        said = ", ".join(f"{name}={value}" for name, value in topic.configs.items())
        yield ok(Code.TOPIC_SETTINGS, topic.name, f"{topic.name} has {said}")


def _copies(there: TopicCondition, brokers: int) -> Iterator[Finding]:
    name, least = there.name, int(there.configs.get(_IN_SYNC_MIN, "1"))
    if there.leaderless:
        yield error(
            Code.TOPIC_REPLICAS,
            name,
            f"{there.leaderless} of {there.partitions} partitions of {name} have no leader: "
            "nothing can be published or read there",
            "Bring the brokers that hold them back; see Kafka's own log.",
        )
    elif there.in_sync < least:
        yield error(
            Code.TOPIC_REPLICAS,
            name,
            f"a partition of {name} has {there.in_sync} copies in step, and {_IN_SYNC_MIN} is "
            f"{least}: Kafka takes no records for it",
            f"Bring the missing brokers back, or lower {_IN_SYNC_MIN}.",
        )
    elif there.replicas < min(brokers, 2) or (there.replicas > 1 and least < 2):
        yield warning(
            Code.TOPIC_REPLICAS,
            name,
            f"{name} has {there.replicas} copies on {brokers} brokers and {_IN_SYNC_MIN} is "
            f"{least}: one lost broker may lose records that were published",
            "Give the topic three copies and min.insync.replicas=2. Money is safe either way: "
            "`chronos rebuild kafka` makes the topics anew from PostgreSQL.",
        )
    elif there.in_sync < there.replicas:
        yield warning(
            Code.TOPIC_REPLICAS,
            name,
            f"a partition of {name} has {there.in_sync} of {there.replicas} copies in step",
            "See which broker is away or slow.",
        )
    else:
        yield ok(
            Code.TOPIC_REPLICAS, name, f"{name} has {there.replicas} of {there.replicas} copies"
        )


def _broker(found: KafkaCondition) -> Iterator[Finding]:
    harms = {
        _UNCLEAN: "a broker that is behind may become leader, and records are lost",
        _AUTO_CREATE: "a misspelt name makes a topic with whatever partition count",
    }
    for name, harm in harms.items():
        value = found.broker_settings.get(name)
        if value == "true":
            yield warning(
                Code.KAFKA_SETTING,
                name,
                f"{name} is true: {harm}",
                f"Set {name}=false in the brokers' settings.",
            )
        elif value is not None:
            yield ok(Code.KAFKA_SETTING, name, f"{name} is {value}")


def _workers(role: str, group: GroupCondition) -> Finding:
    if not group.members:
        return error(
            Code.WORKERS,
            group.name,
            f"the group {group.name} is {group.state.lower()} and has no members: no {role} "
            "worker has sent a heartbeat lately",
            f"Start one with `chronos worker {role}`, or see why it ended in its log.",
        )
    said = f"{group.name} is {group.state.lower()} with {', '.join(group.members)}"
    if group.state != "Stable":
        return warning(
            Code.WORKERS,
            group.name,
            f"{said}: its partitions are being shared out anew",
            "Ask again in a few seconds; if it stays, see whether a worker keeps ending.",
        )
    return ok(Code.WORKERS, group.name, said)
