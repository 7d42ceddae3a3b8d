"""One balances worker that replays a topic: how long it takes, and how much memory.

`chronos rebuild table` leaves the work to the workers' next start, so that is what is measured:
from the start of the process until it has counted every event.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp

from chronos.assembly.processes import Crew, url
from chronos.bench.report import BenchFault
from chronos.embedded.folder import DataFolder
from chronos.embedded.passwords import Passwords, keep_key_secret
from chronos.embedded.ports import choose_ports, free_block
from chronos.embedded.process import spawn, stop, tail
from chronos.settings import Settings
from chronos.store import roles

_DEADLINE_S: Final = 3_600.0
_LOOK_S: Final = 0.5
_COUNTED: Final = 'chronos_balance_events_total{outcome="'
_KIB: Final = 1024


class Replay(NamedTuple):
    """What a worker needed for all events."""

    seconds: float
    processor_seconds: float
    resident_peak_mib: float


async def measure_replay(
    settings: Settings, events: int, environment: Mapping[str, str]
) -> Replay:
    """Runs a worker until it has every event.

    Args:
        settings: The servers, PostgreSQL as its owner; the data folder; an empty table.
        events: How many the topic has.
        environment: Variables that the worker starts with.

    Raises:
        BenchFault: The worker ended, or had not all of them within an hour.
    """
    async with _worker(settings, environment) as (process, door, log):
        started_s = time.monotonic()
        while True:
            counted = await _counted(door)
            seconds = time.monotonic() - started_s
            if counted >= events:
                return Replay(seconds, _processor_s(process.pid), _peak_mib(process.pid))
            if process.returncode is not None or seconds > _DEADLINE_S:
                raise BenchFault(
                    f"The worker had {counted:,} of {events:,} events after {seconds:,.0f} s: "
                    + " / ".join(tail(log))
                )
            await asyncio.sleep(_LOOK_S)


@asynccontextmanager
async def _worker(
    settings: Settings, environment: Mapping[str, str]
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str, Path]]:
    if settings.data_dir is None:
        raise BenchFault("There is no data folder for a worker.")
    data = DataFolder(settings.data_dir)
    passwords = Passwords.kept(data.run / "secrets.json")
    keep_key_secret(data.key_secret)
    await roles.set_passwords(settings.postgres_dsn, {roles.READER: passwords.reader})
    ports = dataclasses.replace(
        choose_ports(data.run / "ports.json", None), balances=free_block()
    )
    crew = Crew(
        folder=data,
        ports=ports,
        passwords=passwords,
        settings=dataclasses.replace(
            settings, key_secret_file=data.key_secret, balances_port=ports.balances
        ),
        balances=1,
        environment=environment,
    )
    command = await next(one for one in crew.plans() if one.name == "balances").command()
    process = await spawn(command)
    try:
        yield process, url(ports.balances), command.log
    finally:
        await stop(process, command)


async def _counted(door: str) -> int:
    """Adds up what became of the events that the worker has read."""
    counted = 0.0
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
        timeout = aiohttp.ClientTimeout(total=5)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{door}/metrics") as answer,
        ):
            for line in (await answer.text()).splitlines():
                if line.startswith(_COUNTED):
                    counted += float(line.rpartition(" ")[2])
    return round(counted)


def _processor_s(pid: int) -> float:
    """Tells the time that a process has had of processors; 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _peak_mib(pid: int) -> float:
    """Tells the most memory that a process has had; 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / _KIB
    return 0.0
