"""The four servers together: managed as children, or foreign and only looked at.

Both kinds have one shape: a name, an address, a probe. A managed one also says how it is
started. The two that boot slowest, Elasticsearch and Kafka, are started first, the others while
they boot.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chronos.embedded.artefacts import Artefacts
from chronos.embedded.elasticsearch import ManagedElasticsearch
from chronos.embedded.folder import DataFolder
from chronos.embedded.kafka import KafkaListener, ManagedKafka
from chronos.embedded.machine import Machine, check_disk, check_memory
from chronos.embedded.passwords import Passwords
from chronos.embedded.ports import Ports
from chronos.embedded.postgres import ManagedPostgres
from chronos.embedded.probes import (
    elasticsearch_serves,
    kafka_serves,
    postgres_serves,
    redis_serves,
)
from chronos.embedded.process import Command
from chronos.embedded.redis import ManagedRedis
from chronos.embedded.report import Report
from chronos.embedded.supervisor import Plan, Supervisor
from chronos.embedded.together import together
from chronos.settings import Settings, read

_FOREIGN_READY_S = 30.0
_PROBES: Mapping[str, Callable[[str], Awaitable[bool]]] = {
    "elasticsearch": elasticsearch_serves,
    "kafka": kafka_serves,
    "postgres": postgres_serves,
    "redis": redis_serves,
}


class Server(Protocol):
    """What every server has, whoever runs it."""

    @property
    def name(self) -> str:
        """Names it: postgres, kafka, redis or elasticsearch."""
        ...

    @property
    def address(self) -> str:
        """Gives the address that clients use, with the password where it has one."""
        ...

    @property
    def ready_s(self) -> float:
        """Gives the longest time until it must serve, in seconds."""
        ...

    async def probe(self) -> bool:
        """Tells whether it serves now."""
        ...


class ManagedServer(Server, Protocol):
    """A server that is a child of ours."""

    async def command(self) -> Command:
        """Prepares a start and says what to run."""
        ...


@dataclass(frozen=True, slots=True)
class ForeignServer:
    """A server that others run, given by its address; it is never started or stopped."""

    name: str
    address: str
    ready_s: float = _FOREIGN_READY_S

    async def probe(self) -> bool:
        """Tells whether it serves now."""
        return await _PROBES[self.name](self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignAddresses:
    """Servers that are given by address instead of being started; None: start one."""

    postgres: str | None = None
    kafka: str | None = None
    redis: str | None = None
    elasticsearch: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> ForeignAddresses:
        """Reads the variables that name servers, or the files with their addresses.

        Raises:
            SettingFault: A `CHRONOS_*` variable cannot be used.
        """
        settings = Settings.from_environment(environment)
        named = read(environment).sources
        return cls(
            postgres=settings.postgres_dsn or None,
            kafka=(settings.kafka or None) if "kafka" in named else None,
            redis=(settings.redis_url or None) if "redis_url" in named else None,
            elasticsearch=(
                (settings.elasticsearch_url or None) if "elasticsearch_url" in named else None
            ),
        )


ALL_SERVERS = frozenset(_PROBES)


class Servers:
    """The four servers of one data folder, or only some of them."""

    def __init__(  # noqa: PLR0913  what the servers have in common, each by its name
        self,
        *,
        machine: Machine,
        folder: DataFolder,
        ports: Ports,
        passwords: Passwords,
        foreign: ForeignAddresses,
        report: Report,
        kafka_listeners: Sequence[KafkaListener] = (),
        only: Collection[str] = ALL_SERVERS,
    ):
        artefacts = Artefacts(machine, report)
        self._folder = folder
        self._managed: tuple[ManagedServer, ...] = (
            ManagedElasticsearch(
                machine,
                folder,
                artefacts,
                port=ports.elasticsearch,
                transport_port=ports.elasticsearch_transport,
            ),
            ManagedKafka(
                machine,
                folder,
                artefacts,
                port=ports.kafka,
                controller_port=ports.kafka_controller,
                more=kafka_listeners,
            ),
            ManagedPostgres(machine, folder, ports.postgres, passwords.owner),
            ManagedRedis(machine, folder, ports.redis, passwords.redis),
        )
        given = {
            name: address
            for name in _PROBES
            if name in only and (address := getattr(foreign, name)) is not None
        }
        self._managed = tuple(
            s for s in self._managed if s.name in only and s.name not in given
        )
        self._foreign = tuple(ForeignServer(name, at) for name, at in given.items())

    async def start(self, supervisor: Supervisor) -> None:
        """Starts the managed servers side by side and waits until all four serve.

        Raises:
            ChronosError: One of them cannot be started, or does not serve in time.
        """
        if self._managed:
            check_disk(self._folder.path)
            check_memory()
        foreign = [
            supervisor.wait_ready(server.name, server.probe, server.ready_s)
            for server in self._foreign
        ]
        await together(supervisor.start_together(self.plans()), *foreign)

    def plans(self) -> tuple[Plan, ...]:
        """Gives how each managed server is kept alive, the slowest to boot first."""
        return tuple(
            Plan(
                name=server.name,
                command=server.command,
                probe=server.probe,
                ready_s=server.ready_s,
            )
            for server in self._managed
        )

    def address(self, name: str) -> str:
        """Gives the address of a server by its name.

        Raises:
            KeyError: There is no server of that name.
        """
        servers: tuple[Server, ...] = (*self._managed, *self._foreign)
        return {server.name: server.address for server in servers}[name]
