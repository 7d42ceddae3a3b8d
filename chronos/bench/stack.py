"""Only those parts of Chronos that a measurement is about, on servers of their own.

The same pieces that `chronos up` uses. The write side needs neither Kafka, the workers, Redis
nor Elasticsearch, reads of balances need no Elasticsearch: on a small machine whatever runs is
measured too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chronos.assembly.processes import Crew, url
from chronos.auth.keys import new_key, read_server_secret
from chronos.bench.stages.processes import processor_s
from chronos.client.doors import Doors
from chronos.embedded.folder import DataFolder, FolderLock
from chronos.embedded.machine import Machine
from chronos.embedded.passwords import Passwords, keep_key_secret
from chronos.embedded.ports import Ports, choose_ports
from chronos.embedded.report import Report
from chronos.embedded.servers import ForeignAddresses, Servers
from chronos.embedded.supervisor import Plan, Supervisor
from chronos.settings import Settings
from chronos.store import migrate, roles
from chronos.store.api_keys import open_key_office
from chronos.stream.topics import ensure_topics


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What of Chronos runs."""

    api_processes: int = 1
    writer_lanes: int = 1
    workers: int = 0
    """Balances workers; with any of them a relay, Kafka and Redis."""

    @property
    def servers(self) -> frozenset[str]:
        """Names the servers that these parts need."""
        return frozenset({"postgres", "kafka", "redis"} if self.workers else {"postgres"})

    @property
    def processes(self) -> frozenset[str]:
        """Names the kinds of processes that run."""
        return frozenset({"api", "relay", "balances"} if self.workers else {"api"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What is measured: a Chronos that runs, started for it or given."""

    doors: Doors
    queries: tuple[str, ...] = ()
    """Base addresses of the balances workers."""
    partitions: int = 0
    postgres_dsn: str = ""
    """The journal, as its owner sees it; empty: out of reach."""
    machine: Machine
    log: Path
    """Folder for what programs say that are run beside it."""
    facts: Mapping[str, Any]
    """What a report tells of it among its settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """Servers with a schema and topics; Chronos's own processes come and go on them."""

    crew: Crew
    supervisor: Supervisor
    machine: Machine

    @property
    def settings(self) -> Settings:
        """Gives the settings, with PostgreSQL as its owner sees it."""
        return self.crew.settings

    def crew_with(self, **changes: Any) -> Crew:
        """Gives the crew with other settings."""
        return dataclasses.replace(
            self.crew, settings=dataclasses.replace(self.settings, **changes)
        )

    def processor_s(self, *names: str) -> float:
        """Tells the time that children and their descendants have had of processors."""
        pids = self.supervisor.pids
        return sum(processor_s(pids[name]) for name in names if name in pids)

    @asynccontextmanager
    async def running(self, *plans: Plan) -> AsyncIterator[None]:
        """Runs processes, and stops them afterwards.

        Raises:
            ChronosError: One of them could not be started.
        """
        try:
            await self.supervisor.start_together(plans)
            yield
        finally:
            for plan in reversed(plans):
                await self.supervisor.stop(plan.name)


@asynccontextmanager
async def started_side(
    folder: Path, parts: Parts, *, environment: Mapping[str, str], report: Report
) -> AsyncIterator[Side]:
    """Runs the parts on a data folder.

    Raises:
        ChronosError: One of them could not be started.
    """
    async with open_stand(folder, parts, environment=environment, report=report) as stand:
        wanted = parts.processes
        await stand.supervisor.start_together(
            plan for plan in stand.crew.plans() if plan.name.partition("-")[0] in wanted
        )
        yield await _side(stand.crew, stand.machine, parts)


@asynccontextmanager
async def open_stand(
    folder: Path, parts: Parts, *, environment: Mapping[str, str], report: Report
) -> AsyncIterator[Stand]:
    """Runs the servers that the parts need, and none of the parts.

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
        servers = Servers(
            machine=machine,
            folder=data,
            ports=ports,
            passwords=passwords,
            foreign=ForeignAddresses(),
            report=report,
            only=parts.servers,
        )
        crew = Crew(
            folder=data,
            ports=ports,
            passwords=passwords,
            settings=_settings(data, ports, servers, parts),
            balances=parts.workers,
            environment=environment,
        )
        supervisor = Supervisor(data, report, lock_fd=lock.fd)
        await stack.enter_async_context(supervisor)
        await servers.start(supervisor)
        await prepare_database(crew)
        if crew.balances:
            await ensure_topics(crew.settings)
        yield Stand(crew=crew, supervisor=supervisor, machine=machine)


async def _side(crew: Crew, machine: Machine, parts: Parts) -> Side:
    settings, ports = crew.settings, crew.ports
    door = url(ports.api)
    queries = tuple(url(ports.balances + slot) for slot in range(parts.workers))
    return Side(
        doors=Doors(
            command=door, query=next(iter(queries), door), api_key=await bench_key(settings)
        ),
        queries=queries,
        partitions=settings.partitions,
        postgres_dsn=settings.postgres_dsn,
        machine=machine,
        log=crew.folder.log,
        facts=dataclasses.asdict(parts),
    )


def _settings(data: DataFolder, ports: Ports, servers: Servers, parts: Parts) -> Settings:
    settings = dataclasses.replace(
        Settings.from_environment(),
        postgres_dsn=servers.address("postgres"),
        key_secret_file=data.key_secret,
        data_dir=data.path,
        state_dir=data.state,
        api_processes=parts.api_processes,
        writer_lanes=parts.writer_lanes,
        api_port=ports.api,
        admin_port=ports.admin,
        grpc_port=ports.grpc,
        relay_port=ports.relay,
        balances_port=ports.balances,
    )
    if not parts.workers:
        return settings
    return dataclasses.replace(
        settings, kafka=servers.address("kafka"), redis_url=servers.address("redis")
    )


async def prepare_database(crew: Crew) -> None:
    """Brings the crew's database to the schema, and has the crew's roles sign in to it.

    Raises:
        ChronosError: PostgreSQL does not answer, or a migration failed.
    """
    settings, passwords = crew.settings, crew.passwords
    await migrate.migrate(settings.postgres_dsn)
    await roles.set_passwords(
        settings.postgres_dsn,
        {
            roles.WRITER: passwords.writer,
            roles.RELAY: passwords.relay,
            roles.READER: passwords.reader,
        },
    )


async def bench_key(settings: Settings) -> str:
    """Makes an API key that may do what a measurement does.

    Raises:
        Unavailable: PostgreSQL does not answer.
    """
    key = new_key(read_server_secret(settings.key_secret_file))
    async with open_key_office(settings.postgres_dsn) as office:
        await office.add(
            key.key_id, key.hmac, principal="bench", scopes=["read", "write", "admin"]
        )
    return key.text
