"""The whole pipeline as one object: servers, schema, topics, indices, processes.

Phases: lock the data folder → choose ports and passwords → start the servers → migrate, make
topics and indices side by side → make the owner's API key → start Chronos's own processes →
publish the addresses. Leaving it goes the way back. It is bounded by the deadlines of each
child's plan; the supervisor keeps everything alive in between.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType

from chronos.assembly.processes import Crew, url
from chronos.assembly.wiring import PLAIN, Wiring
from chronos.auth.keys import new_key, read_server_secret
from chronos.auth.principals import Scope
from chronos.embedded.addresses import Addresses, TopicNames
from chronos.embedded.files import write_atomically
from chronos.embedded.folder import DataFolder, FolderLock
from chronos.embedded.leftovers import end_leftovers
from chronos.embedded.machine import Machine
from chronos.embedded.passwords import Passwords, keep_key_secret
from chronos.embedded.ports import (
    API_PROCESSES_MAX,
    BALANCES_MAX,
    LOOPBACK,
    Ports,
    check_free,
    choose_ports,
)
from chronos.embedded.report import Report, Silence
from chronos.embedded.servers import ForeignAddresses, Servers
from chronos.embedded.supervisor import Plan, Supervisor
from chronos.embedded.together import together
from chronos.errors import SettingFault
from chronos.mirror.elasticsearch import ElasticsearchMirror
from chronos.settings import Settings
from chronos.store import migrate, roles
from chronos.store.api_keys import open_key_office
from chronos.store.outbox_layout import Layout, agree_on, compare_on
from chronos.stream.topics import ensure_topics
from chronos.wire.topics import Names

_OWNER = "owner"


class Pipeline:
    """Runs everything on one data folder; an asynchronous context manager.

    Args:
        folder: The data folder; made when it is not there.
        environment: The variables to read settings, foreign servers and paths from.
        report: Where to tell what happens.
        port: First port of the block; 0: any free block; None: the well-known ports, or those
            that the folder had before.
        api_processes: Processes of the command API.
        balances: Balances workers.
        wiring: How the processes are launched and reach the servers.
    """

    def __init__(  # noqa: PLR0913  the choices of a pipeline, each by its name
        self,
        folder: Path,
        *,
        environment: Mapping[str, str],
        report: Report | None = None,
        port: int | None = 0,
        api_processes: int = 1,
        balances: int = 1,
        wiring: Wiring = PLAIN,
    ):
        _check_count("--api-processes", api_processes, API_PROCESSES_MAX)
        _check_count("--balances", balances, BALANCES_MAX)
        self.folder = DataFolder(folder)
        self._environment = environment
        self._report = report or Silence()
        self._port = port
        self._api_processes = api_processes
        self._balances = balances
        self._wiring = wiring
        self._addresses: Addresses | None = None
        self._stack = AsyncExitStack()

    @property
    def addresses(self) -> Addresses:
        """Gives where everything is, as of the last start of each process.

        Raises:
            RuntimeError: The pipeline has not been started.
        """
        if self._addresses is None:
            raise RuntimeError("the pipeline is not running")
        return self._addresses.with_pids(self._supervisor.pids)

    @property
    def supervisor(self) -> Supervisor:
        """Gives what keeps the children alive; there once the pipeline was entered."""
        return self._supervisor

    @property
    def crew(self) -> Crew:
        """Gives the plans of Chronos's processes, and with `settings` the owner's own."""
        return self._crew

    @property
    def plans(self) -> Mapping[str, Plan]:
        """Gives the plan of every child by its name, to start one anew that was stopped."""
        plans = (*self._servers.plans(), *self._crew.plans())
        return {plan.name: plan for plan in plans}

    async def __aenter__(self) -> Pipeline:
        """Starts everything and returns when all of it is ready.

        Raises:
            ChronosError: A part could not be started; what had been started is stopped again.
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops everything in reverse order."""
        self._addresses = None
        await self._stack.aclose()

    async def _start(self) -> None:
        settings = Settings.from_environment(self._environment)
        machine = Machine.detect(self._environment)
        folder = self.folder
        await asyncio.to_thread(folder.make, machine.run_as)
        lock = FolderLock(folder)
        await lock.take()
        self._stack.callback(lock.release)
        end_leftovers(folder)
        folder.clear_run()
        ports = choose_ports(folder.run / "ports.json", self._port)
        passwords = Passwords.kept(folder.run / "secrets.json")
        keep_key_secret(folder.key_secret)
        servers = Servers(
            machine=machine,
            folder=folder,
            ports=ports,
            passwords=passwords,
            foreign=ForeignAddresses.from_environment(self._environment),
            report=self._report,
            kafka_listeners=self._wiring.kafka_listeners,
        )
        crew = Crew(
            folder=folder,
            ports=ports,
            passwords=passwords,
            settings=self._settings(settings, ports, servers),
            balances=self._balances,
            environment=self._environment,
            wiring=self._wiring,
        )
        self._servers, self._crew = servers, crew
        # Before anything is fetched or started: a busy port is to be known at once.
        for purpose, port in crew.doors().items():
            check_free(port, purpose)
        supervisor = Supervisor(folder, self._report, lock_fd=lock.fd)
        self._supervisor = await self._stack.enter_async_context(supervisor)
        await servers.start(supervisor)
        await self._prepare_servers(crew)
        key = await _owner_key(folder, crew.settings)
        await supervisor.start_together(crew.plans())
        self._addresses = _addresses(crew, servers, key)
        supervisor.publish(self._addresses)

    def _settings(self, given: Settings, ports: Ports, servers: Servers) -> Settings:
        return dataclasses.replace(
            given,
            postgres_dsn=servers.address("postgres"),
            kafka=servers.address("kafka"),
            redis_url=servers.address("redis"),
            elasticsearch_url=servers.address("elasticsearch"),
            key_secret_file=self.folder.key_secret,
            data_dir=self.folder.path,
            state_dir=self.folder.state,
            api_processes=self._api_processes,
            api_port=ports.api,
            admin_port=ports.admin,
            grpc_port=ports.grpc,
            relay_port=ports.relay,
            mirror_port=ports.mirror,
            balances_port=ports.balances,
        )

    async def _prepare_servers(self, crew: Crew) -> None:
        settings, passwords = crew.settings, crew.passwords
        await together(
            _prepare_database_and_topics(settings, passwords),
            _prepare_indices(settings),
        )
        self._report.say("schema, topics and indices are there")


async def _prepare_database_and_topics(settings: Settings, passwords: Passwords) -> None:
    # In this order: topics with other counts than the database's would be in everybody's way,
    # and of a database from before the decision the topics tell what it must be.
    dsn, layout = settings.postgres_dsn, Layout.of(settings)
    await _prepare_database(dsn, passwords)
    await compare_on(dsn, layout)
    await ensure_topics(settings)
    await agree_on(dsn, layout, topics_agree=True)


async def _prepare_database(owner_dsn: str, passwords: Passwords) -> None:
    await migrate.migrate(owner_dsn)
    await roles.set_passwords(
        owner_dsn,
        {
            roles.WRITER: passwords.writer,
            roles.RELAY: passwords.relay,
            roles.READER: passwords.reader,
        },
    )


async def _prepare_indices(settings: Settings) -> None:
    mirror = ElasticsearchMirror(settings.elasticsearch_url, Names(settings.namespace))
    try:
        await mirror.ensure_indices()
    finally:
        await mirror.close()


async def _owner_key(folder: DataFolder, settings: Settings) -> str:
    """Gives the API key of the folder's owner, made anew when the database does not know it."""
    path = folder.run / "owner.key"
    async with open_key_office(settings.postgres_dsn) as office:
        if path.exists():
            text = path.read_text(encoding="ascii").strip()
            known = {key.key_id for key in await office.list() if key.revoked_at is None}
            if text.split("_")[1] in known:
                return text
        key = new_key(read_server_secret(settings.key_secret_file))
        scopes = [scope.value for scope in Scope]
        # A file without its key is made anew by the next start; a key without its file would
        # open the doors to nobody, for ever.
        write_atomically(path, key.text + "\n", mode=0o600)
        await office.add(key.key_id, key.hmac, principal=_OWNER, scopes=scopes)
    return key.text


def _addresses(crew: Crew, servers: Servers, api_key: str) -> Addresses:
    names = Names(crew.settings.namespace)
    return Addresses(
        api=url(crew.ports.api),
        query=url(crew.ports.balances),
        grpc=f"{LOOPBACK}:{crew.ports.grpc}",
        metrics=crew.metrics(),
        postgres=servers.address("postgres"),
        kafka=servers.address("kafka"),
        redis=servers.address("redis"),
        elasticsearch=servers.address("elasticsearch"),
        api_key=api_key,
        topics=TopicNames(
            events=names.events,
            rejections=names.rejections,
            dead_letters=names.dead_letters,
        ),
        partitions=crew.settings.partitions,
        relay_shards=crew.settings.relay_shards,
        pids={},
    )


def _check_count(option: str, count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise SettingFault(option, f"is {count}; it takes 1 to {most}")
