"""Topics are made once, with the partitions and the retention that the rest relies on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from click.testing import CliRunner

from chronos.cli.topics import command
from chronos.errors import SettingFault, Unavailable
from chronos.settings import Settings
from chronos.stream.topics import ensure_topics
from chronos.wire.topics import Names
from tests.integration.relay.harness import free_port

EXPECTED = {
    "events.v1": 4,
    "rejections.v1": 4,
    "dead-letters.v1": 4,
    "relay-control.v1": 2,
}


@pytest.fixture
def settings(servers, namespace: str) -> Settings:
    return Settings(namespace=namespace, kafka=servers.kafka, partitions=4)


async def test_missing_topics_are_made_and_a_second_time_changes_nothing(settings):
    first = await ensure_topics(settings)
    second = await ensure_topics(settings)

    found = {state.name.removeprefix(f"{settings.namespace}."): state for state in first}
    for name, partitions in EXPECTED.items():
        assert (found[name].partitions, found[name].created) == (partitions, True)
    assert {state.name for state in second} == {state.name for state in first}
    assert not any(state.created for state in second)


async def test_another_count_of_partitions_is_refused_and_the_way_out_is_named(settings):
    await ensure_topics(settings)

    with pytest.raises(SettingFault, match="CHRONOS_PARTITIONS=4") as refused:
        await ensure_topics(replace(settings, partitions=8))
    assert refused.value.exit_code == 78
    with pytest.raises(SettingFault, match="CHRONOS_RELAY_SHARDS=2"):
        await ensure_topics(replace(settings, relay_shards=3))


async def test_only_the_changelog_is_compacted_and_events_are_kept_for_ever(settings):
    await ensure_topics(settings)
    names = Names(settings.namespace)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    await admin.start()
    try:
        events = await configs(admin, names.events)
        changelog = await configs(admin, names.balances_changelog)
    finally:
        await admin.close()
    assert (events["cleanup.policy"], events["retention.ms"]) == ("delete", "-1")
    assert changelog["cleanup.policy"] == "compact"


async def test_a_broker_that_does_not_answer_is_named(settings):
    with pytest.raises(Unavailable, match="kafka is unavailable"):
        await ensure_topics(replace(settings, kafka=f"127.0.0.1:{free_port()}"))


def test_the_command_lists_topics_with_their_partitions(settings):
    answer = CliRunner().invoke(command, ["--json"], env=settings.to_environment())
    assert answer.exit_code == 0, answer.output
    assert f'"{settings.namespace}.events.v1", "partitions": 4' in answer.output


async def configs(admin, topic: str) -> dict[str, str]:
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    entries = answer.resources[0][4]
    return {entry[0]: entry[1] for entry in entries}
