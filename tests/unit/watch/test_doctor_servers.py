"""Every fault of a server that the doctor knows, planted among facts that are well."""

from __future__ import annotations

import pytest

from chronos.store import roles
from chronos.store.condition import OpenTransaction
from chronos.watch.doctor.copies import judge_clock, judge_redis, judge_search
from chronos.watch.doctor.findings import Code, Severity, error
from chronos.watch.doctor.kafka import judge_kafka
from chronos.watch.doctor.postgres import judge_postgres
from tests.unit.watch.planted import (
    NAMES,
    PARTITIONS,
    SHARDS,
    all_well,
    group,
    kafka,
    postgres,
    reading,
    redis,
    role,
    search,
    the_only_fault,
    topics,
)


def judged(found):
    return judge_kafka(found, NAMES, partitions=PARTITIONS, relay_shards=SHARDS)


def with_role(name, **changed):
    return postgres(
        roles=tuple(role(one, **(changed if one == name else {})) for one in roles.LOGIN_ROLES)
    )


def test_servers_as_they_should_be_are_well():
    assert all_well(judge_postgres(postgres()))
    assert all_well(judged(kafka()))
    assert all_well(judge_redis(redis()))
    assert all_well(judge_search(search()))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fsync", "off"),
        ("full_page_writes", "off"),
        ("zero_damaged_pages", "on"),
        ("ignore_checksum_failure", "on"),
        ("synchronous_commit", "off"),
        ("in_hot_standby", "on"),
    ],
)
def test_a_setting_that_could_lose_money_is_an_error(name, value):
    wrong = the_only_fault(judge_postgres(postgres(settings={name: value})))

    assert (wrong.code, wrong.severity, wrong.about) == (
        Code.POSTGRES_SETTING,
        Severity.ERROR,
        name,
    )
    assert f"{name} is {value}" in wrong.sentence


@pytest.mark.parametrize("whose", [roles.WRITER, "all roles"])
def test_commits_that_the_writer_alone_does_not_wait_for_are_an_error(whose):
    found = postgres(overrides={whose: ("lock_timeout=3s", "synchronous_commit=off")})

    wrong = the_only_fault(judge_postgres(found))

    assert wrong.about == "synchronous_commit"
    assert roles.WRITER in wrong.sentence


def test_a_writer_that_waits_although_the_server_does_not_is_well():
    found = postgres(
        settings={"synchronous_commit": "off"},
        overrides={roles.WRITER: ("synchronous_commit=on",)},
    )

    assert all_well(judge_postgres(found))


def test_the_last_connections_are_a_warning():
    wrong = the_only_fault(judge_postgres(postgres(connections=190)))

    assert (wrong.code, wrong.severity) == (Code.POSTGRES_CONNECTIONS, Severity.WARNING)
    assert "190 of 200" in wrong.sentence


def test_a_forgotten_transaction_is_named_with_how_to_end_it():
    forgotten = OpenTransaction(age_s=733.2, role="anna", program="psql", pid=4711)

    wrong = the_only_fault(judge_postgres(postgres(oldest_transaction=forgotten)))

    assert wrong.code is Code.LONG_TRANSACTION
    assert "anna" in wrong.sentence
    assert "733 s" in wrong.sentence
    assert "pg_terminate_backend(4711)" in wrong.action


@pytest.mark.parametrize(
    ("changed", "seen", "to_do"),
    [
        (
            {"powers": ("superuser", "createdb")},
            "superuser, createdb",
            "NOSUPERUSER NOCREATEDB",
        ),
        ({"owns": ("events",)}, "owns events", "REVOKE chronos_owner"),
        ({"may_change": ("DELETE on events",)}, "DELETE on events", "REVOKE UPDATE"),
        ({"may_insert": ("accounts",)}, "accounts only", "migrate up"),
    ],
)
def test_a_writer_with_other_rights_than_it_needs_is_an_error(changed, seen, to_do):
    wrong = the_only_fault(judge_postgres(with_role(roles.WRITER, **changed)))

    assert (wrong.code, wrong.severity, wrong.about) == (
        Code.ROLE_RIGHTS,
        Severity.ERROR,
        roles.WRITER,
    )
    assert seen in wrong.sentence
    assert to_do in wrong.action


def test_a_reader_that_may_write_the_journal_is_an_error():
    wrong = the_only_fault(judge_postgres(with_role(roles.READER, may_insert=("events",))))

    assert wrong.about == roles.READER
    assert "may INSERT into events" in wrong.sentence


def test_a_role_that_does_not_exist_is_an_error():
    found = postgres(roles=tuple(role(name) for name in (roles.WRITER, roles.READER)))

    assert the_only_fault(judge_postgres(found)).about == roles.RELAY


def test_a_topic_that_does_not_exist_is_an_error():
    found = topics()
    del found[NAMES.rejections]

    wrong = the_only_fault(judged(kafka(topics=found)))

    assert (wrong.code, wrong.about) == (Code.TOPIC, NAMES.rejections)


def test_another_count_of_partitions_is_an_error_with_both_numbers():
    wrong = the_only_fault(judged(kafka(topics=topics(partitions=5))))

    assert wrong.code is Code.TOPIC_PARTITIONS
    assert "has 5 partitions, not 8" in wrong.sentence
    assert "CHRONOS_PARTITIONS=5" in wrong.action


def test_another_count_of_shards_is_said_to_be_one_of_relays():
    found = judge_kafka(kafka(), NAMES, partitions=PARTITIONS, relay_shards=SHARDS + 1)
    wrong = the_only_fault(found)

    assert (wrong.code, wrong.about) == (Code.TOPIC_PARTITIONS, NAMES.relay_control)
    assert f"has {SHARDS} partitions, not {SHARDS + 1}" in wrong.sentence
    assert "account" not in wrong.sentence
    assert "shard" in wrong.sentence
    assert f"CHRONOS_RELAY_SHARDS={SHARDS}" in wrong.action


@pytest.mark.parametrize(
    ("name", "value"), [("cleanup.policy", "compact"), ("retention.ms", "604800000")]
)
def test_a_topic_of_events_that_forgets_is_an_error(name, value):
    plan = topics()[NAMES.events].configs

    wrong = the_only_fault(judged(kafka(topics=topics(configs={**plan, name: value}))))

    assert wrong.code is Code.TOPIC_SETTINGS
    assert f"{name} of {NAMES.events} is {value}" in wrong.sentence


@pytest.mark.parametrize(
    ("changed", "severity", "seen"),
    [
        ({"leaderless": 2}, Severity.ERROR, "2 of 8 partitions"),
        ({"in_sync": 1}, Severity.ERROR, "1 copies in step"),
        ({"in_sync": 2}, Severity.WARNING, "2 of 3 copies"),
        ({"replicas": 1, "in_sync": 1, "configs": {}}, Severity.WARNING, "1 copies"),
        (
            {"configs": {"min.insync.replicas": "1"}},
            Severity.WARNING,
            "min.insync.replicas is 1",
        ),
    ],
)
def test_copies_of_a_topic_that_are_missing_or_not_waited_for_are_told(changed, severity, seen):
    if "configs" in changed:
        changed["configs"] = {**topics()[NAMES.events].configs, **changed["configs"]}
        if changed.get("replicas") == 1:
            changed["configs"]["min.insync.replicas"] = "1"

    wrong = the_only_fault(judged(kafka(topics=topics(**changed))))

    assert (wrong.code, wrong.severity) == (Code.TOPIC_REPLICAS, severity)
    assert seen in wrong.sentence


def test_one_copy_on_one_broker_is_all_that_can_be():
    found = kafka(brokers=1)
    one = {
        name: type(topic)(
            name=name,
            partitions=topic.partitions,
            replicas=1,
            in_sync=1,
            leaderless=0,
            configs={**topic.configs, "min.insync.replicas": "1"},
        )
        for name, topic in found.topics.items()
    }

    assert all_well(judged(kafka(brokers=1, topics=one)))


@pytest.mark.parametrize(
    "name", ["unclean.leader.election.enable", "auto.create.topics.enable"]
)
def test_a_broker_that_loses_or_invents_is_a_warning(name):
    wrong = the_only_fault(judged(kafka(broker_settings={name: "true"})))

    assert (wrong.code, wrong.about) == (Code.KAFKA_SETTING, name)


def test_a_group_without_a_heartbeat_is_an_error_and_one_in_a_rebalance_a_warning():
    others = (group("relay", "relay-0"), group("balances", "balances-0"))

    gone = the_only_fault(judged(kafka(groups=(*others, group("mirror", state="Empty")))))
    moving = the_only_fault(
        judged(kafka(groups=(*others, group("mirror", "m", state="PreparingRebalance"))))
    )

    assert (gone.code, gone.severity) == (Code.WORKERS, Severity.ERROR)
    assert "no mirror worker" in gone.sentence
    assert moving.severity is Severity.WARNING


def test_a_redis_that_drops_balances_is_a_warning():
    wrong = the_only_fault(judge_redis(redis(eviction="allkeys-lru")))

    assert (wrong.code, wrong.severity) == (Code.REDIS_EVICTION, Severity.WARNING)
    assert "allkeys-lru" in wrong.sentence


def test_a_redis_that_is_nearly_full_is_a_warning():
    wrong = the_only_fault(judge_redis(redis(used_bytes=95 << 20, max_bytes=100 << 20)))

    assert wrong.code is Code.REDIS_MEMORY
    assert "95 MiB of 100 MiB" in wrong.sentence


@pytest.mark.parametrize(
    ("changed", "code", "severity"),
    [
        ({"aliases": {NAMES.entries_alias: False}}, Code.INDICES, Severity.ERROR),
        ({"status": "red"}, Code.SEARCH_HEALTH, Severity.ERROR),
        ({"blocked": ("bank-entries-v1",)}, Code.SEARCH_HEALTH, Severity.ERROR),
        ({"disk_free_share": 0.03}, Code.SEARCH_HEALTH, Severity.WARNING),
    ],
)
def test_an_elasticsearch_that_cannot_be_searched_or_written_is_told(changed, code, severity):
    wrong = the_only_fault(judge_search(search(**changed)))

    assert (wrong.code, wrong.severity) == (code, severity)


@pytest.mark.parametrize("server", ["postgresql", "kafka", "redis", "elasticsearch"])
@pytest.mark.parametrize(
    ("skew_s", "severity"),
    [
        (0.9, Severity.OK),
        (-0.9, Severity.OK),
        (2.0, Severity.WARNING),
        (-2.0, Severity.WARNING),
        (3600.0, Severity.ERROR),
    ],
)
def test_a_clock_is_judged_by_its_skew_and_the_tolerance_is_said(server, skew_s, severity):
    found = judge_clock(server, reading(skew_s))

    assert (found.code, found.severity, found.about) == (Code.CLOCK, severity, server)
    assert f"{abs(skew_s):.3f} s {'ahead' if skew_s > 0 else 'behind'}" in found.sentence
    assert "1 s are tolerated" in found.sentence


def test_a_slow_answer_makes_no_skew():
    assert judge_clock("kafka", reading(1.8, took_s=2.0)).severity is Severity.OK


def test_a_clock_that_is_not_told_is_not_judged():
    assert judge_clock("kafka", None).severity is Severity.OK


def test_no_finding_repeats_a_password():
    said = error(Code.SERVER, "redis", "no answer of redis://:geheim@host:1/0", "Start it.")

    assert "geheim" not in said.sentence
