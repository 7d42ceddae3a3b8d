"""Each process of `chronos up` is given its own sign-in to PostgreSQL, and no other."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from chronos.assembly.processes import Crew
from chronos.embedded.folder import DataFolder
from chronos.embedded.passwords import Passwords
from chronos.embedded.ports import choose_ports
from chronos.settings import Settings

OWNER_DSN = "postgresql://chronos_owner:o@127.0.0.1:5432/chronos"


@pytest.fixture
async def environments(tmp_path):
    """The variables of each process, by its name."""
    crew = Crew(
        folder=DataFolder(tmp_path),
        ports=choose_ports(tmp_path / "ports.json", 0),
        passwords=Passwords(),
        settings=Settings(
            postgres_dsn=OWNER_DSN, writer_dsn="postgresql://somebody@else/where"
        ),
        balances=2,
        environment={"PATH": "/bin", "CHRONOS_NAMESPACE": "not ours"},
    )
    return {plan.name: (await plan.command()).environment for plan in crew.plans()}


def role_in(dsn: str) -> str | None:
    return urlsplit(dsn).username


def test_every_process_signs_in_by_its_own_role(environments):
    roles = {name: role_in(env["CHRONOS_POSTGRES_DSN"]) for name, env in environments.items()}

    assert roles == {
        "api": "chronos_writer",
        "relay": "chronos_relay",
        "balances": "chronos_reader",
        "balances-2": "chronos_reader",
        "mirror": "chronos_reader",
    }


def test_only_the_relay_is_given_a_second_sign_in_to_expire_holds(environments):
    second = {name: env["CHRONOS_WRITER_DSN"] for name, env in environments.items()}

    relay = second.pop("relay")
    assert relay == environments["api"]["CHRONOS_POSTGRES_DSN"]
    assert set(second.values()) == {""}
    assert environments["relay"]["CHRONOS_NAMESPACE"] == "chronos"
