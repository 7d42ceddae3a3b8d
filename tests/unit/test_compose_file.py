"""`docker-compose.yml` against the rules of the Compose specification that it uses.

The whole file was also checked with the specification's own JSON schema (of June 2026) and
loaded by its reference implementation, compose-go 2.16; these rules keep it so where no network
and no engine is at hand. Its settings are compared with the code's in `test_compose_settings`,
its command lines are run in `tests/integration/end_to_end/test_compose_commands`.
"""

from __future__ import annotations

import re
from graphlib import TopologicalSorter

import pytest

from tests.compose_file import (
    BY_HAND,
    OBSERVERS,
    ONCE,
    OURS,
    PROCESSES,
    ROOT,
    SERVERS,
    compose,
    seconds,
    service,
    size_bytes,
)

FILE = compose()
SERVICES = FILE["services"]
DURATION = re.compile(r"(\d+(us|ms|s|m|h))+")
IMAGE = re.compile(r"([a-z0-9]+/)?[a-z0-9]+:v?[0-9][0-9.]*")
OUR_IMAGE = "chronos-ledger:local"
LOOPBACK_PORT = re.compile(r"127\.0\.0\.1:(\d+):(\d+)")
SERVICE_KEYS = {
    "image", "build", "pull_policy", "user", "hostname", "profiles", "environment", "command",
    "ports", "volumes", "tmpfs", "secrets", "healthcheck", "depends_on", "restart", "shm_size",
    "stop_signal", "stop_grace_period", "ulimits", "deploy", "logging", "read_only", "cap_drop",
    "security_opt", "init", "networks",
}  # fmt: skip
HEALTHCHECK_KEYS = {
    "test", "interval", "timeout", "retries", "start_period", "start_interval", "disable",
}  # fmt: skip
DURATIONS = ("interval", "timeout", "start_period", "start_interval")


def test_it_holds_the_whole_system_and_nothing_unknown():
    extensions = {key for key in FILE if key.startswith("x-")}
    assert set(FILE) - extensions == {"name", "services", "volumes", "secrets"}
    assert set(SERVICES) == {*SERVERS, *OURS, *OBSERVERS}
    for one in SERVICES.values():
        assert set(one) <= SERVICE_KEYS


def test_only_what_is_asked_for_is_started():
    profiles = {name: one.get("profiles", []) for name, one in SERVICES.items()}

    started = {name for name, named in profiles.items() if not named}
    assert started == {*SERVERS, *PROCESSES, "migrate", "topics"}
    assert {name for name, named in profiles.items() if named == ["observability"]} == {
        *OBSERVERS
    }
    # A service that is run brings what it depends on only where they share a profile.
    assert (profiles["cli"], profiles["load"]) == (["tools"], ["load"])
    assert profiles["key"] == ["tools", "load"]


def test_images_have_a_version_and_no_registry():
    for name in (*SERVERS, *OBSERVERS):
        assert IMAGE.fullmatch(SERVICES[name]["image"]), name
    for name in OURS:
        assert SERVICES[name]["image"] == OUR_IMAGE


def test_one_service_makes_the_image_and_the_others_wait_for_it():
    assert [name for name in OURS if "build" in SERVICES[name]] == ["migrate"]
    for name in set(OURS) - {"migrate"}:
        assert SERVICES[name]["pull_policy"] == "never"
        assert "migrate" in before(name), name


def before(name: str) -> set[str]:
    """All that is up, or done, before a service is started."""
    found: set[str] = set()
    for other in SERVICES[name].get("depends_on", {}):
        found |= {other} | before(other)
    return found


def test_each_waits_until_what_it_needs_is_healthy_or_done():
    for name, one in SERVICES.items():
        for other, how in one.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert how == {"condition": wanted}, (name, other)
    TopologicalSorter(
        {name: one.get("depends_on", {}) for name, one in SERVICES.items()}
    ).prepare()


def test_the_write_side_waits_for_postgresql_alone():
    assert before("api") == {"postgres", "migrate"}


def test_workers_wait_for_what_they_work_with():
    assert before("relay") == {"postgres", "kafka", "migrate", "topics"}
    for name in ("balances-0", "balances-1"):
        assert before(name) == {"postgres", "kafka", "redis", "migrate", "topics"}
    assert before("mirror") == {"postgres", "kafka", "elasticsearch", "migrate", "topics"}


def test_every_one_shot_has_somebody_who_waits_for_its_end():
    # `up --wait` takes the end of a container for a failure unless somebody waits for it.
    awaited = set().union(*(one.get("depends_on", {}) for one in SERVICES.values()))
    assert awaited >= {*ONCE}
    for name in (*ONCE, *BY_HAND):
        assert SERVICES[name]["restart"] == "no"


def test_ports_are_open_to_this_machine_alone_and_each_once():
    published: list[str] = []
    for one in SERVICES.values():
        for port in one.get("ports", ()):
            matched = LOOPBACK_PORT.fullmatch(port)
            assert matched, port
            published.append(matched[1])
    assert len(set(published)) == len(published)


def test_what_runs_has_a_health_check_of_the_specified_shape():
    for name in (*SERVERS, *PROCESSES, *OBSERVERS):
        check = SERVICES[name]["healthcheck"]
        assert set(check) <= HEALTHCHECK_KEYS
        assert check["test"][0] in {"CMD", "CMD-SHELL"}
        assert all(isinstance(word, str) for word in check["test"])
        assert isinstance(check["retries"], int)
        for key in DURATIONS:
            assert DURATION.fullmatch(check[key]), (name, key)
        assert seconds(check["timeout"]) <= seconds(check["interval"])
    for name in (*ONCE, *BY_HAND):
        assert SERVICES[name]["healthcheck"] == {"disable": True}


def test_every_volume_and_file_that_is_mounted_is_there():
    named: set[str] = set()
    for one in SERVICES.values():
        for volume in one.get("volumes", ()):
            source, target, *mode = volume.split(":")
            assert target.startswith("/")
            if source.startswith("."):
                assert mode == ["ro"]
                assert (ROOT / source).exists(), source
            else:
                named.add(source)
    assert named == set(FILE["volumes"])


def test_every_secret_that_is_mounted_is_declared_and_only_named_by_its_path():
    mounted = {secret for one in SERVICES.values() for secret in one.get("secrets", ())}
    assert mounted == set(FILE["secrets"])
    for name, one in SERVICES.items():
        own = {f"/run/secrets/{secret}" for secret in one.get("secrets", ())}
        words = [*one.get("environment", {}).values(), *one.get("command", [])]
        assert {word for word in words if word.startswith("/run/secrets/")} == own, name


def test_environment_and_command_are_strings():
    # A bare `false` or a number would reach the container in another spelling.
    for one in SERVICES.values():
        assert all(isinstance(value, str) for value in one.get("environment", {}).values())
        assert all(isinstance(word, str) for word in one.get("command", []))


def test_no_container_can_take_the_whole_machine():
    total = 0
    for name, one in SERVICES.items():
        limits = one["deploy"]["resources"]["limits"]
        assert set(limits) == {"memory", "pids"}, name
        assert one["logging"]["options"] == {"max-size": "20m", "max-file": "5"}
        if name in (*SERVERS, *PROCESSES):
            total += size_bytes(limits["memory"])
    # The head of the file says what is needed at most; resident, it is about half of that.
    assert total <= 8 << 30


@pytest.mark.parametrize("name", [*OURS, *OBSERVERS])
def test_what_is_ours_can_write_nowhere_and_gain_nothing(name):
    one = SERVICES[name]

    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    if name in OURS:
        assert one["user"] == "10001:10001"
        assert one["tmpfs"] == FILE["x-chronos"]["tmpfs"]


def test_each_waits_longer_for_its_end_than_docker_would():
    for name in (*SERVERS, *PROCESSES, "prometheus", "grafana"):
        assert seconds(service(name)["stop_grace_period"]) >= 30
