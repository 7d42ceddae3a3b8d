"""The servers of a stopped instance without its processes, for work that needs them still."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from chronos.embedded.folder import DataFolder, FolderLock
from chronos.embedded.leftovers import end_leftovers
from chronos.embedded.machine import Machine
from chronos.embedded.passwords import Passwords
from chronos.embedded.ports import choose_ports
from chronos.embedded.report import Report
from chronos.embedded.servers import ForeignAddresses, Servers
from chronos.embedded.supervisor import Supervisor
from chronos.errors import MissingPart
from chronos.settings import Settings


@asynccontextmanager
async def servers_only(
    folder: Path, *, environment: Mapping[str, str], report: Report
) -> AsyncIterator[Settings]:
    """Runs the four servers of a data folder, on the ports and with the data that they had.

    Gives the settings of the instance, signed in to PostgreSQL as its owner.

    Raises:
        MissingPart: There never was an instance on the folder.
        EmbeddedFault: One is running on it, or a server cannot be started.
    """
    async with servers_on(_known_folder(folder), environment, report) as settings:
        yield settings


@asynccontextmanager
async def servers_on(
    data: DataFolder, environment: Mapping[str, str], report: Report
) -> AsyncIterator[Settings]:
    """Runs the four servers of a data folder, which is made when it is not there.

    Raises:
        EmbeddedFault: An instance is running on it, or a server cannot be started.
    """
    machine = Machine.detect(environment)
    await asyncio.to_thread(data.make, machine.run_as)
    async with AsyncExitStack() as stack:
        lock = FolderLock(data)
        await lock.take()
        stack.callback(lock.release)
        end_leftovers(data)
        data.clear_run()
        servers = Servers(
            machine=machine,
            folder=data,
            ports=choose_ports(data.run / "ports.json", None),
            passwords=Passwords.kept(data.run / "secrets.json"),
            foreign=ForeignAddresses.from_environment(environment),
            report=report,
        )
        supervisor = await stack.enter_async_context(Supervisor(data, report, lock_fd=lock.fd))
        await servers.start(supervisor)
        yield dataclasses.replace(
            Settings.from_environment(environment),
            postgres_dsn=servers.address("postgres"),
            kafka=servers.address("kafka"),
            redis_url=servers.address("redis"),
            elasticsearch_url=servers.address("elasticsearch"),
            data_dir=data.path,
            state_dir=data.state,
        )


def _known_folder(folder: Path) -> DataFolder:
    data = DataFolder(folder)
    if not (data.run / "secrets.json").exists():
        raise MissingPart(
            f"{folder} is not the data folder of an instance: name one with --data, or give "
            "the addresses of its servers (CHRONOS_POSTGRES_DSN, CHRONOS_KAFKA …)."
        )
    return data
