"""`docker-compose.yml` against the rules of the Compose specification that it uses.

The whole file was also checked with the specification's own JSON schema; these rules keep it
so where no network and no engine is at hand.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

FILE = Path(__file__).resolve().parents[2] / "docker-compose.yml"
DURATION = re.compile(r"(\d+(us|ms|s|m|h))+")
IMAGE = re.compile(r"[a-z0-9]+(/[a-z0-9]+)?:[0-9][0-9.]*")
LOOPBACK_PORT = re.compile(r"127\.0\.0\.1:\d+:\d+")
SERVICE_KEYS = {
    "image", "environment", "command", "ports", "volumes", "healthcheck", "restart",
    "shm_size", "stop_signal", "ulimits",
}  # fmt: skip
HEALTHCHECK_KEYS = {"test", "interval", "timeout", "retries", "start_period"}


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def test_it_holds_the_four_servers_and_nothing_unknown(compose):
    assert set(compose) == {"name", "services", "volumes"}
    assert set(compose["services"]) == {"postgres", "kafka", "redis", "elasticsearch"}
    for service in compose["services"].values():
        assert set(service) <= SERVICE_KEYS


def test_images_have_a_version_and_no_registry(compose):
    for service in compose["services"].values():
        assert IMAGE.fullmatch(service["image"]), service["image"]


def test_ports_are_open_to_this_machine_alone(compose):
    for service in compose["services"].values():
        assert service["ports"]
        assert all(LOOPBACK_PORT.fullmatch(port) for port in service["ports"])


def test_every_service_has_a_health_check_of_the_specified_shape(compose):
    for service in compose["services"].values():
        check = service["healthcheck"]
        assert set(check) <= HEALTHCHECK_KEYS
        assert check["test"][0] in {"CMD", "CMD-SHELL"}
        assert all(isinstance(word, str) for word in check["test"])
        assert isinstance(check["retries"], int)
        for key in {"interval", "timeout", "start_period"} & set(check):
            assert DURATION.fullmatch(check[key]), check[key]


def test_every_volume_that_is_mounted_is_declared(compose):
    mounted = {
        volume.split(":")[0]
        for service in compose["services"].values()
        for volume in service["volumes"]
    }

    assert mounted == set(compose["volumes"])


def test_environment_values_are_strings(compose):
    # A bare `false` or a number would reach the container in another spelling.
    for service in compose["services"].values():
        assert all(isinstance(value, str) for value in service.get("environment", {}).values())
        assert all(isinstance(word, str) for word in service.get("command", []))


def test_durability_is_not_traded_away(compose):
    words = " ".join(compose["services"]["postgres"]["command"])

    assert not re.search(r"(fsync|synchronous_commit|full_page_writes)\s*=", words)
