"""Facts of a healthy instance, for tests that plant one fault in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from chronos.clock import ClockReading
from chronos.mirror.condition import RedisCondition, SearchCondition
from chronos.store import roles
from chronos.store.condition import JOURNAL, PostgresCondition, RoleCondition
from chronos.store.pipeline_state import PipelineState, ShardState
from chronos.stream.condition import GroupCondition, KafkaCondition, TopicCondition
from chronos.watch.doctor.findings import Code, Finding, Severity, is_well
from chronos.watch.doctor.kafka import ROLES
from chronos.wire.topics import Names

NAMES = Names("bank")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHARDS = 2
PARTITIONS = 8


def reading(skew_s: float = 0.0, *, took_s: float = 0.01) -> ClockReading:
    answered_at = NOW + timedelta(seconds=took_s)
    theirs = NOW + timedelta(seconds=took_s / 2 + skew_s)
    return ClockReading(theirs=theirs, asked_at=NOW, answered_at=answered_at)


def role(name: str, **changed: object) -> RoleCondition:
    facts = {
        "name": name,
        "powers": (),
        "owns": (),
        "may_change": (),
        "may_insert": JOURNAL if name == roles.WRITER else (),
    }
    return RoleCondition(**facts | changed)


def postgres(**changed: object) -> PostgresCondition:
    settings = {
        "fsync": "on",
        "full_page_writes": "on",
        "zero_damaged_pages": "off",
        "ignore_checksum_failure": "off",
        "synchronous_commit": "on",
        "max_connections": "200",
        "in_hot_standby": "off",
    }
    facts = {
        "settings": settings | changed.pop("settings", {}),
        "overrides": {roles.RELAY: ("synchronous_commit=off",)},
        "roles": tuple(role(name) for name in roles.LOGIN_ROLES),
        "connections": 12,
        "oldest_transaction": None,
        "held_shards": frozenset(range(SHARDS)),
        "clock": reading(),
    }
    return PostgresCondition(**facts | changed)


def topics(**changed: object) -> dict[str, TopicCondition]:
    """The topics of the contract; `changed` is planted in the topic of events."""
    found = {}
    for topic in NAMES.topics:
        facts = {
            "name": topic.name,
            "partitions": PARTITIONS if topic.is_by_account else SHARDS,
            "replicas": 3,
            "in_sync": 3,
            "leaderless": 0,
            "configs": {"min.insync.replicas": "2", **topic.configs},
        }
        planted = changed if topic.name == NAMES.events else {}
        found[topic.name] = TopicCondition(**facts | planted)
    return found


def group(name: str, *members: str, state: str = "Stable") -> GroupCondition:
    return GroupCondition(name=NAMES.app_id(name), state=state, members=members)


def kafka(**changed: object) -> KafkaCondition:
    facts = {
        "brokers": 3,
        "topics": topics(),
        "broker_settings": {
            "unclean.leader.election.enable": "false",
            "auto.create.topics.enable": "false",
        },
        "groups": tuple(group(name, f"{name}-0") for name in ROLES),
        "clock": reading(),
    }
    return KafkaCondition(**facts | changed)


def redis(**changed: object) -> RedisCondition:
    facts = {"eviction": "noeviction", "used_bytes": 1 << 20, "max_bytes": 0}
    return RedisCondition(**facts | {"clock": reading()} | changed)


def search(**changed: object) -> SearchCondition:
    facts = {
        "status": "green",
        "aliases": {NAMES.entries_alias: True, NAMES.accounts_alias: True},
        "blocked": (),
        "disk_free_share": 0.5,
        "clock": reading(),
    }
    return SearchCondition(**facts | changed)


def outbox(unpublished: int = 0, *, age_s: float = 0.0) -> PipelineState:
    """Shard 0 is empty; shard 1 has so many rows, the oldest of that age."""
    oldest = NOW - timedelta(seconds=age_s) if unpublished else None
    shards = [
        ShardState(shard=0, epoch=1, unpublished=0, oldest_recorded_at=None),
        ShardState(shard=1, epoch=4, unpublished=unpublished, oldest_recorded_at=oldest),
    ]
    return PipelineState(position=900, recorded_at=NOW, shards=tuple(shards))


def the_only_fault(findings: object) -> Finding:
    """Gives the one finding that is not well; everything has a sentence and something to do."""
    (wrong,) = [one for one in findings if one.severity is not Severity.OK]
    assert wrong.sentence.endswith(".")
    assert wrong.action.endswith((".", "`."))
    assert isinstance(wrong.code, Code)
    return wrong


def all_well(findings: object) -> bool:
    found = list(findings)
    return bool(found) and is_well(found)
