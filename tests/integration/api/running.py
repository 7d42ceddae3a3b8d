"""A command API as a child process over a database of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import asyncpg

from chronos.auth.keys import new_key
from chronos.store.api_keys import open_key_office
from tests import waiting
from tests.databases import Database, _run
from tests.integration.api.wire import Door

SECRET = b"a secret of the server, only for tests"
READY_S = 60
STOP_S = 40
_MAIN = "from chronos.cli.main import main; main(['api'])"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningApi:
    """One `chronos api`, its address, and the database behind it."""

    process: subprocess.Popen[bytes]
    port: int
    grpc_port: int
    admin_port: int
    database: Database
    log: Path

    def door(self, api_key: str) -> Door:
        return Door(port=self.port, api_key=api_key)

    def stop(self) -> int:
        """Sends SIGTERM and gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)


@contextlib.contextmanager
def running_api(
    database: Database,
    folder: Path,
    *,
    dsn: str | None = None,
    ready: bool = True,
    **settings: Any,
) -> Iterator[RunningApi]:
    """Runs the API until the end of the block, and kills what is left of it."""
    secret, log = folder / "secret", folder / "api.log"
    secret.write_bytes(SECRET)
    port = consecutive_ports(2 + settings.get("api_processes", 1))
    grpc_port, admin_port = port + 1, port + 2
    variables = {
        "postgres_dsn": dsn or database.writer_dsn,
        "key_secret_file": secret,
        "api_port": port,
        "grpc_port": grpc_port,
        "admin_port": admin_port,
        "log_level": "info",
        **settings,
    }
    environment = {f"CHRONOS_{name.upper()}": str(text) for name, text in variables.items()}
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("CHRONOS_")}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", _MAIN], env=inherited | environment, stderr=stream
        )
    api = RunningApi(
        process=process,
        port=port,
        grpc_port=grpc_port,
        admin_port=admin_port,
        database=database,
        log=log,
    )
    try:
        if ready:
            doors = range(admin_port, admin_port + settings.get("api_processes", 1))
            wait_until(lambda: all(map(is_ready, doors)), READY_S, log.read_text)
        yield api
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(STOP_S)


def make_key(database: Database, principal: str, *scopes: str, revoked: bool = False) -> str:
    """Makes an API key and gives its text."""

    async def make() -> str:
        made = new_key(SECRET)
        async with open_key_office(database.owner_dsn) as office:
            await office.add(made.key_id, made.hmac, principal=principal, scopes=scopes)
            if revoked:
                await office.revoke(made.key_id)
        return made.text

    return _run(make())


class Inspector:
    """Looks into a database as its owner, over one connection and a loop of its own."""

    def __init__(self, database: Database):
        self._runner = asyncio.Runner()
        self._connection = self._runner.run(asyncpg.connect(database.owner_dsn, timeout=10))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._connection.close(timeout=5))
        self._runner.close()

    def fetch(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Gives the rows of a query."""
        rows = self._runner.run(self._connection.fetch(query, *arguments, timeout=20))
        return [tuple(row) for row in rows]

    def execute(self, script: str) -> None:
        """Runs statements that give nothing."""
        self._runner.run(self._connection.execute(script, timeout=20))


def is_ready(admin_port: int) -> bool:
    try:
        return Door(port=admin_port, api_key="").get("/readyz").status == 200
    except OSError:
        return False


def wait_until(
    condition: Callable[[], bool], deadline_s: float, why: Callable[[], str] | None = None
) -> None:
    """Waits for a condition, and fails at the deadline."""
    waiting.wait_until(condition, why or str, within_s=deadline_s, pause_s=0.02)


def consecutive_ports(count: int) -> int:
    """Gives the first of so many free ports, below those that the system hands out itself."""
    while True:
        first = random.randrange(20_000, 32_000)
        try:
            with contextlib.ExitStack() as stack:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
                return first
        except OSError:
            continue
