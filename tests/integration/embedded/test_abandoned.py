"""What a killed supervisor leaves behind: nothing, and data that is whole."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from chronos.embedded.folder import DataFolder, FolderLock
from chronos.embedded.leftovers import end_leftovers

WITHIN_S = 60
# Redis and PostgreSQL: the two that start fast, and the one whose children lead own groups.
OWNER = """
import asyncio, os, sys
from pathlib import Path
from chronos.embedded.folder import DataFolder, FolderLock
from chronos.embedded.machine import Machine
from chronos.embedded.passwords import Passwords
from chronos.embedded.ports import choose_ports
from chronos.embedded.postgres import ManagedPostgres
from chronos.embedded.redis import ManagedRedis
from chronos.embedded.report import Silence
from chronos.embedded.supervisor import Plan, Supervisor

async def main():
    machine = Machine.detect(os.environ)
    folder = DataFolder(Path(sys.argv[1]))
    folder.make(machine.run_as)
    lock = FolderLock(folder)
    await lock.take()
    folder.clear_run()
    ports = choose_ports(folder.run / "ports.json", None)
    passwords = Passwords.kept(folder.run / "secrets.json")
    servers = (
        ManagedPostgres(machine, folder, ports.postgres, passwords.owner),
        ManagedRedis(machine, folder, ports.redis, passwords.redis),
    )
    async with Supervisor(folder, Silence(), lock_fd=lock.fd) as supervisor:
        await supervisor.start_together(
            Plan(name=s.name, command=s.command, probe=s.probe) for s in servers
        )
        print(supervisor.watchdog_pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


class Owner:
    """A process that runs a supervisor with two servers."""

    def __init__(self, folder: Path):
        self.folder = folder

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", OWNER, self.folder), stdout=PIPE
        )
        async with asyncio.timeout(WITHIN_S):
            self.watchdog = int(await self._process.stdout.readline())

    async def end(self, number: signal.Signals) -> int:
        self._process.send_signal(number)
        async with asyncio.timeout(WITHIN_S):
            return await self._process.wait()


@pytest.fixture
async def owner(data_folder):
    made = Owner(data_folder)
    await made.start()
    yield made
    if made._process.returncode is None:
        await made.end(signal.SIGKILL)
    await until(lambda: not workers_in(data_folder))


def workers_in(folder: Path) -> set[int]:
    """Every process that works in a folder: servers, their own children, their children."""
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                place = Path(os.readlink(process / "cwd"))  # noqa: PTH115 - raises the same
            except OSError:
                continue
            if place.is_relative_to(folder):
                found.add(int(process.name))
    return found


async def until(condition) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():  # noqa: ASYNC110 - processes set no event of ours
            await asyncio.sleep(0.05)


async def test_a_killed_supervisor_leaves_no_process_behind(owner, data_folder):
    assert len(workers_in(data_folder)) > 3  # PostgreSQL alone has several.

    await owner.end(signal.SIGKILL)

    await until(lambda: not workers_in(data_folder))


async def test_the_folder_can_be_used_again_as_soon_as_its_owner_is_killed(owner, data_folder):
    await owner.end(signal.SIGKILL)

    again = Owner(data_folder)
    await again.start()

    assert workers_in(data_folder)
    await again.end(signal.SIGKILL)


async def test_what_outlived_even_the_watchdog_is_ended_by_the_next_start(owner, data_folder):
    os.kill(owner.watchdog, signal.SIGKILL)
    await owner.end(signal.SIGKILL)
    left = workers_in(data_folder)
    folder = DataFolder(data_folder)

    lock = FolderLock(folder)
    await lock.take()
    ended = end_leftovers(folder)
    lock.release()

    if left:  # A watchdog that was replaced just in time has ended them already.
        assert set(ended) <= {"postgres", "redis"}
    await until(lambda: not workers_in(data_folder))
