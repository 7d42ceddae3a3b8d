"""The environment, command and health check of each service of `docker-compose.yml`, run.

There is no container: the same words start the same processes on this machine, against real
servers, in the order in which compose would start them. Only places are put in: the servers'
addresses, free ports, folders, and 127.0.0.1 for the names of containers.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from chronos.embedded.machine import Machine
from chronos.embedded.ports import choose_ports
from chronos.embedded.probes import redis_serves
from chronos.embedded.redis import find_program
from chronos.store import roles
from tests.compose_file import ONCE, PROCESSES, ROOT, environment, filled, seconds, service
from tests.databases import PASSWORD

ONCE_S = 120
READY_S = 120
SERVICES = (*ONCE, *PROCESSES)
FOLDERS = {
    "/run/secrets": "secrets",
    "/var/lib/chronos/state": "state",
    "/var/lib/chronos/keys": "keys",
}
URL = re.compile(r"http://[a-z0-9.-]+:(\d+)")


@dataclass(slots=True)
class Machinery:
    """Runs services of the file as child processes, with places put in."""

    folder: Path
    values: Mapping[str, str]
    """By the value that a variable has in a container: the one that it has here."""
    ports: Mapping[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def path(self, text: str) -> str:
        for there, name in FOLDERS.items():
            text = text.replace(there, f"{self.folder}/{name}")
        return text

    def url(self, text: str) -> str:
        return URL.sub(lambda m: f"http://127.0.0.1:{self.ports[m[1]]}", text)

    def variables(self, name: str) -> dict[str, str]:
        """Gives the whole environment of a service; nothing of this process's own."""
        given = {
            key: self.values.get(value, self.path(value))
            for key, value in environment(name).items()
        }
        own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(self.folder)}
        return own | given | {"PYTHONDONTWRITEBYTECODE": "1"}

    def start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """Starts a service, with its own command when none is given."""
        command = [self.path(word) for word in words or service(name)["command"]]
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "chronos", *command],
                env=self.variables(name),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if words else log,
                stderr=log,
            )

    def to_its_end(self, name: str, *words: str) -> tuple[int, bytes]:
        process = self.start(name, *words)
        try:
            out, _ = process.communicate(timeout=ONCE_S)
        finally:
            process.kill()
        return process.returncode, out or b""

    def cli(self, *words: str) -> dict:
        code, out = self.to_its_end("cli", *words, "--json")
        assert code == 0, (words, out, self.story("cli"))
        return json.loads(out)

    def until_healthy(self, name: str) -> None:
        """Asks as its health check does, until that says yes."""
        kind, *words = service(name)["healthcheck"]["test"]
        assert (kind, words[0]) == ("CMD", "python")
        command = [sys.executable, *(self.url(filled(word)) for word in words[1:])]
        end = time.monotonic() + READY_S
        while subprocess.run(command, capture_output=True, check=False).returncode != 0:
            assert self.running[name].poll() is None, self.story(name)
            if time.monotonic() >= end:
                raise TimeoutError(self.story(name))

    def story(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]


@pytest.fixture
def machinery(servers, empty_database, namespace, tmp_path) -> Iterator[Machinery]:
    found = choose_ports(tmp_path / "ports.json", 0)
    ports = {"8080": found.api, "8090": found.admin, "50051": found.grpc}
    ports |= {"6066": found.balances, "6067": found.balances + 1}
    ports |= {"6166": found.mirror, "6266": found.relay}
    listening = {there: str(port) for there, port in ports.items()}
    values = {
        "chronos": namespace,
        "kafka:19092": servers.kafka,
        "http://elasticsearch:9200": servers.elasticsearch,
        **dict.fromkeys((*PROCESSES, "workers", "0.0.0.0"), "127.0.0.1"),  # noqa: S104 - in a container
    }
    made = Machinery(tmp_path, values | listening, listening)
    for name in FOLDERS.values():
        (tmp_path / name).mkdir()
    _write_secrets(tmp_path / "secrets", servers, empty_database)
    yield made
    for process in made.running.values():
        process.kill()
        process.wait()


def _write_secrets(folder: Path, servers, owner_dsn: str) -> None:
    texts = {"owner-dsn": owner_dsn, "redis-url": servers.redis, "key-secret": "5" * 64}
    for name, role in (
        ("writer-dsn", roles.WRITER), ("relay-dsn", roles.RELAY), ("reader-dsn", roles.READER),
    ):  # fmt: skip
        texts[name] = roles.role_dsn(owner_dsn, role, PASSWORD)
    for name, text in texts.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")


def _in_order() -> list[str]:
    needs = {name: set(service(name)["depends_on"]) & {*SERVICES} for name in SERVICES}
    return list(TopologicalSorter(needs).static_order())


def test_the_whole_system_starts_works_and_stops_by_these_very_commands(machinery):
    order = _in_order()
    for name in order:
        if name in ONCE:
            assert machinery.to_its_end(name)[0] == 0, machinery.story(name)
        else:
            machinery.running[name] = machinery.start(name)
    for name in machinery.running:
        machinery.until_healthy(name)

    machinery.cli("account", "open", "bank", "--kind", "settlement")
    machinery.cli("account", "open", "alice")
    booked = machinery.cli("transfer", "bank", "alice", "125.00", "EUR")
    seen = _until_seen(machinery, booked["accounts"]["alice"]["version"])
    assert seen["booked"] == 12500
    assert machinery.to_its_end("load", *_short_load(machinery))[0] == 0, machinery.story(
        "load"
    )
    for look in ("verify", "reconcile", "doctor"):
        machinery.cli(look)

    again = [machinery.to_its_end(name)[0] for name in ONCE]
    assert again == [0] * len(ONCE)

    for name in reversed([name for name in order if name in machinery.running]):
        machinery.running[name].send_signal(signal.SIGTERM)
        given_s = seconds(service(name)["stop_grace_period"])
        assert machinery.running[name].wait(given_s) == 0, machinery.story(name)


def _short_load(machinery: Machinery) -> list[str]:
    """Gives the words of the load, for two seconds instead of minutes."""
    words = [machinery.url(word) for word in service("load")["command"]]
    for option, value in (("--seconds", "2"), ("--accounts", "20"), ("--rate", "20")):
        words[words.index(option) + 1] = value
    return words


def _until_seen(machinery: Machinery, version: int) -> dict:
    end = time.monotonic() + READY_S
    while True:
        code, out = machinery.to_its_end("cli", "balance", "alice", "--json")
        if code == 0 and json.loads(out)["version"] >= version:
            return json.loads(out)
        if time.monotonic() >= end:
            raise TimeoutError(machinery.story("balances-0"))


def test_redis_takes_this_command_line_and_its_secret(tmp_path):
    ports = choose_ports(tmp_path / "ports.json", 0)
    (tmp_path / "redis.conf").write_text('requirepass "geh-eim_1"\n', encoding="utf-8")
    file, *words = service("redis")["command"]
    assert file == "/run/secrets/redis.conf"
    place = ["--port", str(ports.redis), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    process = subprocess.Popen(
        [find_program(Machine.detect(os.environ)), tmp_path / "redis.conf", *words, *place],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        url = f"redis://:geh-eim_1@127.0.0.1:{ports.redis}/0"
        end = time.monotonic() + 30
        while not asyncio.run(redis_serves(url)):
            assert process.poll() is None, process.stdout.read()
            if time.monotonic() >= end:
                raise TimeoutError()
        cut = service("redis")["healthcheck"]["test"][1]
        assert "cut -d'\"' -f2" in cut
        told = subprocess.run(
            ["cut", '-d"', "-f2", tmp_path / "redis.conf"], capture_output=True, check=True
        )
        assert told.stdout == b"geh-eim_1\n"
    finally:
        process.terminate()
        process.communicate(timeout=30)
