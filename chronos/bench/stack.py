"""PostgreSQL and the command API alone, for measurements of the write side.

The same pieces that `chronos up` uses, without Kafka, the workers, Redis and Elasticsearch: the
write side needs none of them, and on a small machine they would be measured too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from chronos.assembly.processes import Crew, url
from chronos.auth.keys import new_key, read_server_secret
from chronos.client.doors import Doors
from chronos.embedded.folder import DataFolder, FolderLock
from chronos.embedded.machine import Machine
from chronos.embedded.passwords import Passwords, keep_key_secret
from chronos.embedded.ports import Ports, choose_ports
from chronos.embedded.postgres import ManagedPostgres, find_programs
from chronos.embedded.report import Report
from chronos.embedded.supervisor import Plan, Supervisor
from chronos.settings import Settings
from chronos.store import migrate, roles
from chronos.store.api_keys import open_key_office


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteSide:
    """A running write side."""

    doors: Doors
    port: int
    postgres_dsn: str
    programs: Path
    """Folder with PostgreSQL's own programs, `pgbench` among them."""
    machine: Machine
    folder: DataFolder


@asynccontextmanager
async def write_side(
    folder: Path,
    *,
    environment: Mapping[str, str],
    report: Report,
    api_processes: int,
    writer_lanes: int,
) -> AsyncIterator[WriteSide]:
    """Runs PostgreSQL and the command API on a data folder.

    Raises:
        ChronosError: One of them could not be started.
    """
    data = DataFolder(folder)
    machine = Machine.detect(environment)
    data.make(machine.run_as)
    async with AsyncExitStack() as stack:
        lock = FolderLock(data)
        await lock.take()
        stack.callback(lock.release)
        data.clear_run()
        ports = choose_ports(data.run / "ports.json", 0)
        passwords = Passwords.kept(data.run / "secrets.json")
        keep_key_secret(data.key_secret)
        postgres = ManagedPostgres(machine, data, ports.postgres, passwords.owner)
        settings = dataclasses.replace(
            _settings(data, ports, postgres.address),
            api_processes=api_processes,
            writer_lanes=writer_lanes,
        )
        crew = Crew(
            folder=data,
            ports=ports,
            passwords=passwords,
            settings=settings,
            balances=0,
            environment=environment,
        )
        supervisor = Supervisor(data, report, lock_fd=lock.fd)
        await stack.enter_async_context(supervisor)
        await supervisor.start(_postgres_plan(postgres))
        await migrate.migrate(postgres.address)
        await roles.set_passwords(postgres.address, {roles.WRITER: passwords.writer})
        await supervisor.start(next(plan for plan in crew.plans() if plan.name == "api"))
        door = url(ports.api)
        yield WriteSide(
            doors=Doors(command=door, query=door, api_key=await _key(settings)),
            port=ports.api,
            postgres_dsn=postgres.address,
            programs=find_programs(machine),
            machine=machine,
            folder=data,
        )


def _postgres_plan(postgres: ManagedPostgres) -> Plan:
    return Plan(
        name=postgres.name,
        command=postgres.command,
        probe=postgres.probe,
        ready_s=postgres.ready_s,
    )


def _settings(data: DataFolder, ports: Ports, dsn: str) -> Settings:
    return dataclasses.replace(
        Settings.from_environment(),
        postgres_dsn=dsn,
        key_secret_file=data.key_secret,
        data_dir=data.path,
        state_dir=data.state,
        api_port=ports.api,
        admin_port=ports.admin,
        grpc_port=ports.grpc,
    )


async def _key(settings: Settings) -> str:
    key = new_key(read_server_secret(settings.key_secret_file))
    async with open_key_office(settings.postgres_dsn) as office:
        await office.add(
            key.key_id, key.hmac, principal="bench", scopes=["read", "write", "admin"]
        )
    return key.text
