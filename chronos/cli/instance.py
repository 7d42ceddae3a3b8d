"""Finds the Chronos that a command speaks to.

In this order: `--data DIR`; `CHRONOS_DATA_DIR`; with `CHRONOS_API_KEY`, the addresses of the
other settings; the default data folder of `chronos up`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
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
        relay_shards=settings.relay_shards,
        other_queries=tuple(_other_queries(addresses)),
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
    admin = f"http://{settings.api_host}:{settings.admin_port}"
    return Instance(
        data=None,
        names=Names(settings.namespace),
        doors=Doors(
            command=f"http://{settings.api_host}:{settings.api_port}",
            query=f"http://{settings.web_host}:{settings.balances_port}",
            api_key=settings.api_key,
        ),
        metrics=(f"{admin}/metrics",),
        postgres_dsn=settings.postgres_dsn,
        kafka=settings.kafka,
        redis_url=settings.redis_url,
        elasticsearch_url=settings.elasticsearch_url,
        partitions=settings.partitions,
        relay_shards=settings.relay_shards,
    )
