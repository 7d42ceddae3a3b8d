"""Each worker has exactly the agents, tables, topics and views that are written down here.

A module that is not imported, or a name that is left to a default, changes what a worker does
without an error: this list is where such a change has to be said.
"""

from pathlib import Path

import pytest

from chronos.assembly.worker import build_app
from chronos.errors import SettingFault
from chronos.settings import Settings
from web.routes.table import ROUTES

AGENTS = {
    "relay": {
        "relay.publish": (),
        "relay.control": ("chronos.relay-control.v1",),
        "expiry.expire": (),
    },
    "balances": {"balances": ("chronos.events.v1",)},
    "mirror": {
        "mirror-entries": ("chronos.events.v1",),
        "mirror-accounts": ("chronos-balances-balances-changelog",),
    },
}
TABLES = {
    "relay": {},
    "balances": {"balances": ("chronos-balances-balances-changelog", 8)},
    "mirror": {},
}
OPEN_VIEWS = {"/healthz", "/readyz", "/metrics"}
VIEWS = {
    "relay": OPEN_VIEWS,
    "balances": OPEN_VIEWS
    | {
        "/openapi.json",
        "/v1/accounts",
        "/v1/accounts/{account_id}/balance",
        "/v1/accounts/{account_id}/entries",
        "/v1/accounts/{account_id}/holds",
        "/v1/pipeline",
        "/v1/stream",
        "/v1/transfers",
    },
    "mirror": OPEN_VIEWS,
}
INTERNALS = {"/table", "/router", "/graph", "/performance"}


@pytest.fixture(params=["relay", "balances", "mirror"])
def role(request) -> str:
    return request.param


@pytest.fixture
async def app(role: str, tmp_path: Path):
    secret = tmp_path / "key-secret"
    secret.write_bytes(b"only for tests, and long enough for one")
    return build_app(Settings(key_secret_file=secret, state_dir=tmp_path), role)


async def test_the_agents_are_those_of_the_list(app, role):
    found = {name: tuple(sorted(agent.get_topic_names())) for name, agent in app.agents.items()}
    assert found == AGENTS[role]


async def test_the_tables_are_those_of_the_list(app, role):
    found = {
        name: (table.changelog_topic.get_topic_name(), table.partitions)
        for name, table in app.tables.items()
    }
    assert found == TABLES[role]


async def test_the_views_are_those_of_the_list_and_no_internal_is_served(app, role):
    assert set(app.web.views) == VIEWS[role]
    app.web.init_server()
    served = {route.resource.canonical for route in app.web.web_app.router.routes()}
    assert not [path for path in served if path.startswith(tuple(INTERNALS))]


def test_the_query_side_serves_what_its_table_of_routes_has():
    assert {route.path for route in ROUTES} == VIEWS["balances"]


async def test_every_agent_takes_raw_bytes_one_at_a_time_and_crashes_its_process(app):
    for agent in app.agents.values():
        assert agent.concurrency == 1
        strategy = agent.supervisor_strategy or app.conf.agent_supervisor
        assert strategy.__name__ == "CrashingSupervisor"
        if agent.get_topic_names():
            channel = agent.channel
            assert (channel.key_type, channel.value_type) == (bytes, bytes)


async def test_the_settings_that_correctness_rests_on_are_set(app, role):
    conf = app.conf
    assert str(conf.processing_guarantee.value) == "at_least_once"
    port = {"balances": 6066, "mirror": 6166, "relay": 6266}[role]
    assert conf.consumer_group_instance_id == f"{role}-0-{port}"
    assert conf.autodiscover is False
    assert (conf.web_tables_enabled, conf.web_router_enabled) == (False, False)
    assert conf.broker_max_poll_interval >= 24 * 3600
    assert conf.consumer_auto_offset_reset == "earliest"
    assert conf.store.scheme == "rocksdb"
    assert conf.table_standby_replicas == 0
    assert conf.stream_wait_empty is True


def test_an_unknown_role_is_a_fault_that_names_the_roles():
    with pytest.raises(SettingFault, match="relay, balances, mirror"):
        build_app(Settings(), "clerk")
