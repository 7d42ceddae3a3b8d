"""A wiring leads a role another way to a server, and brings a process up in another way."""

from __future__ import annotations

import sys

from chronos.assembly.processes import Crew
from chronos.assembly.wiring import Wiring, at_port
from chronos.embedded.folder import DataFolder
from chronos.embedded.passwords import Passwords
from chronos.embedded.ports import Ports
from chronos.settings import Settings

SETTINGS = Settings(
    postgres_dsn="postgresql://chronos_owner:o@127.0.0.1:5432/chronos",
    kafka="127.0.0.1:9092",
    redis_url="redis://:secret@127.0.0.1:6379/0",
    elasticsearch_url="http://127.0.0.1:9200",
)


def crew_of(tmp_path, wiring=None):
    return Crew(
        folder=DataFolder(tmp_path),
        ports=Ports.at(20_000),
        passwords=Passwords(),
        settings=SETTINGS,
        balances=2,
        environment={},
        **({} if wiring is None else {"wiring": wiring}),
    )


async def command_of(crew, name):
    plan = next(plan for plan in crew.plans() if plan.name == name)
    return await plan.command()


async def test_without_a_wiring_everybody_goes_straight(tmp_path):
    command = await command_of(crew_of(tmp_path), "mirror")

    assert command.argv == (sys.executable, "-m", "chronos", "worker", "mirror")
    assert command.environment["CHRONOS_KAFKA"] == SETTINGS.kafka


async def test_a_role_goes_its_own_way_to_one_server_and_straight_to_the_others(tmp_path):
    crew = crew_of(tmp_path, Wiring(ports={("relay", "kafka"): 1, ("relay", "postgres"): 2}))

    relay = (await command_of(crew, "relay")).environment
    mirror = (await command_of(crew, "mirror")).environment

    assert relay["CHRONOS_KAFKA"] == "127.0.0.1:1"
    assert "@127.0.0.1:2/chronos" in relay["CHRONOS_POSTGRES_DSN"]
    assert "@127.0.0.1:2/chronos" in relay["CHRONOS_WRITER_DSN"]
    assert relay["CHRONOS_REDIS_URL"] == SETTINGS.redis_url
    assert mirror["CHRONOS_KAFKA"] == SETTINGS.kafka
    assert crew.settings.kafka == SETTINGS.kafka


async def test_all_processes_of_a_role_go_the_same_way(tmp_path):
    crew = crew_of(tmp_path, Wiring(ports={("balances", "redis"): 3}))

    for name in ("balances", "balances-2"):
        command = await command_of(crew, name)
        assert command.environment["CHRONOS_REDIS_URL"] == "redis://:secret@127.0.0.1:3/0"


async def test_a_process_is_launched_as_its_name_or_else_its_role_says(tmp_path):
    launches = {"balances": ("sh", "role"), "balances-2": ("sh", "name")}
    crew = crew_of(tmp_path, Wiring(launches=launches))

    assert (await command_of(crew, "balances")).argv == ("sh", "role", "worker", "balances")
    assert (await command_of(crew, "balances-2")).argv == ("sh", "name", "worker", "balances")


async def test_a_second_relay_listens_where_nobody_else_does(tmp_path):
    crew = crew_of(tmp_path)

    plan = crew.relay(1)
    environment = (await plan.command()).environment

    port = int(environment["CHRONOS_RELAY_PORT"]) + int(environment["CHRONOS_SLOT"])
    assert plan.name == "relay-2"
    assert port not in crew.doors().values()
    assert 20_000 < port < 20_100


def test_an_address_keeps_everything_but_its_port():
    assert at_port("postgresql://o:a%40b@127.0.0.1:5/x?y=z", 6) == (
        "postgresql://o:a%40b@127.0.0.1:6/x?y=z"
    )
    assert at_port("http://127.0.0.1:5", 6) == "http://127.0.0.1:6"
    assert at_port("127.0.0.1:5", 6) == "127.0.0.1:6"
