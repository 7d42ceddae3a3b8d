"""Finds the Chronos that a command speaks to.

In this order: `--data DIR`; `CHRONOS_DATA_DIR`; with `CHRONOS_API_KEY`, the addresses of the
other settings; the default data folder of `chronos up`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from chronos.client.doors import Doors
from chronos.client.exchange import Patience
from chronos.client.ledger_client import LedgerClient
from chronos.embedded.addresses import Addresses, read_addresses
from chronos.embedded.folder import DataFolder
from chronos.embedded.machine import Machine
from chronos.errors import MissingPart
from chronos.settings import Settings, process_environment
from chronos.wire.topics import Names

if TYPE_CHECKING:
    from chronos.audit.reconcile import Targets
    from chronos.watch.place import Place

COMMAND_DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One Chronos and where its parts are reached."""

    data: Path | None
    """Its data folder, when it has one on this machine."""
    names: Names
    doors: Doors
    metrics: tuple[str, ...]
    postgres_dsn: str = field(repr=False)
    kafka: str
    redis_url: str = field(repr=False)
    elasticsearch_url: str
    partitions: int
    relay_shards: int
    other_queries: tuple[str, ...] = ()
    """Base addresses of the balances workers but the first."""
    grpc: str = ""
    """host:port of the gRPC door."""
    pids: Mapping[str, int] = field(default_factory=dict)
    """Process ids on this machine, by name."""

    @property
    def targets(self) -> Targets:
        """Gives what an audit compares."""
        # Loads the clients of every server, which most commands have no use for.
        from chronos.audit.reconcile import Targets

        return Targets(
            names=self.names,
            postgres_dsn=self.postgres_dsn,
            kafka=self.kafka,
            redis_url=self.redis_url,
            elasticsearch_url=self.elasticsearch_url,
            doors=self.doors,
            other_queries=self.other_queries,
        )

    @property
    def place(self) -> Place:
        """Gives what is looked at from outside."""
        # Loads the clients of every server, which most commands have no use for.
        from chronos.watch.place import Place, named_processes

        return Place(
            data=self.data,
            names=self.names,
            command=self.doors.command,
            queries=(self.doors.query, *self.other_queries),
            grpc=self.grpc,
            api_key=self.doors.api_key,
            processes=named_processes(self.metrics, self.doors.query),
            postgres_dsn=self.postgres_dsn,
            kafka=self.kafka,
            redis_url=self.redis_url,
            elasticsearch_url=self.elasticsearch_url,
            partitions=self.partitions,
            relay_shards=self.relay_shards,
            pids=self.pids,
        )

    def client(self, *, read_your_writes: bool = False) -> LedgerClient:
        """Makes a client for one command of a person."""
        return LedgerClient(
            self.doors,
            connections_max=8,
            patience=Patience(deadline_s=COMMAND_DEADLINE_S, attempt_s=8.0),
            read_your_writes=read_your_writes,
        )


def find_instance(data: Path | None) -> Instance:
    """Finds the instance of a data folder, of the environment, or of the default folder.

    Raises:
        MissingPart: Nothing runs there; the text says how to start it.
        SettingFault: A `CHRONOS_*` variable cannot be used.
    """
    settings = Settings.from_environment()
    folder = data or settings.data_dir
    if folder is None and settings.api_key:
        return _from_settings(settings)
    folder = folder or default_data_folder()
    path = DataFolder(folder).addresses
    addresses = read_addresses(path) if path.exists() else None
    if addresses is None or not _lives(addresses):
        raise MissingPart(
            f"No Chronos is running on {folder}: start one with `chronos up --data {folder}`, "
            "or name another folder with --data."
        )
    return from_addresses(addresses, settings, data=folder)


def find_place(data: Path | None, metrics: tuple[str, ...]) -> Place:
    """Finds what is to be looked at: an instance, or else what the settings' addresses name.

    Args:
        data: A data folder that was named.
        metrics: URLs of processes' metrics that were named; they stand for those known.

    Raises:
        MissingPart: As `find_instance` says, and the settings name no PostgreSQL.
        SettingFault: A `CHRONOS_*` variable cannot be used.
    """
    from chronos.watch.place import named_processes

    settings = Settings.from_environment()
    try:
        place = find_instance(data).place
    except MissingPart:
        if data is not None or not settings.postgres_dsn:
            raise
        place = _from_settings(settings).place
    if not metrics:
        return place
    return dataclasses.replace(place, processes=named_processes(metrics, place.queries[0]))


def default_data_folder() -> Path:
    """Gives the folder that `chronos up` uses when none is named."""
    return Machine.detect(process_environment()).data


def from_addresses(addresses: Addresses, settings: Settings, *, data: Path | None) -> Instance:
    """Makes an instance of the addresses that `chronos up` wrote."""
    return Instance(
        data=data,
        names=Names(addresses.topics.namespace),
        doors=Doors(command=addresses.api, query=addresses.query, api_key=addresses.api_key),
        metrics=addresses.metrics,
        postgres_dsn=addresses.postgres,
        kafka=addresses.kafka,
        redis_url=addresses.redis,
        elasticsearch_url=addresses.elasticsearch,
        partitions=addresses.partitions,
        relay_shards=addresses.relay_shards or settings.relay_shards,
        other_queries=tuple(_other_queries(addresses)),
        grpc=addresses.grpc,
        pids=addresses.pids,
    )


def _other_queries(addresses: Addresses) -> Iterator[str]:
    """Gives the doors of `balances-2`, `balances-3` …: each has the port after the other."""
    host, _, port = addresses.query.rpartition(":")
    for name in addresses.pids:
        number = name.removeprefix("balances-")
        if number != name and number.isdigit():
            yield f"{host}:{int(port) + int(number) - 1}"


def _lives(addresses: Addresses) -> bool:
    """Tells whether any process of the instance lives; a killed one leaves its file behind."""
    return not addresses.pids or any(_is_process(pid) for pid in addresses.pids.values())


def _is_process(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _from_settings(settings: Settings) -> Instance:
    admin = range(settings.admin_port, settings.admin_port + settings.api_processes)
    listeners = [f"{settings.api_host}:{port}" for port in admin]
    queries = [settings.balances_port + slot for slot in range(settings.balances_workers)]
    workers = (settings.relay_port, *queries, settings.mirror_port)
    listeners += [f"{settings.web_host}:{port}" for port in workers]
    return Instance(
        data=None,
        names=Names(settings.namespace),
        doors=Doors(
            command=f"http://{settings.api_host}:{settings.api_port}",
            query=f"http://{settings.web_host}:{settings.balances_port}",
            api_key=settings.api_key,
        ),
        metrics=tuple(f"http://{listener}/metrics" for listener in listeners),
        postgres_dsn=settings.postgres_dsn,
        kafka=settings.kafka,
        redis_url=settings.redis_url,
        elasticsearch_url=settings.elasticsearch_url,
        partitions=settings.partitions,
        relay_shards=settings.relay_shards,
        other_queries=tuple(f"http://{settings.web_host}:{port}" for port in queries[1:]),
        grpc=f"{settings.api_host}:{settings.grpc_port}",
    )
