"""The running pipeline as faults see it: processes by name, links by their two ends.

Names are those of the children: postgres, kafka, redis, elasticsearch, api, relay, balances,
mirror; further workers are relay-2, balances-2 and so on. Every process that is hurt here was
started by this run, and is found by the process id that its supervisor keeps.

Phases: links first, so that their ports are taken before the pipeline looks for its own; then
the pipeline. On leaving, whatever is paused goes on, for a stopped process cannot be asked to
end, and the pipeline ends before its links.
"""

from __future__ import annotations

import asyncio
import dataclasses
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType

from chronos.assembly.pipeline import Pipeline
from chronos.assembly.processes import url
from chronos.assembly.wiring import Wiring
from chronos.chaos import process_tree
from chronos.chaos.clock_shift import ClockOffset
from chronos.chaos.links import Links
from chronos.chaos.readers.primary import Primary
from chronos.chaos.small_disk import SmallDisk
from chronos.embedded.addresses import Addresses
from chronos.embedded.folder import LOCK_NAME, DataFolder
from chronos.embedded.machine import Machine
from chronos.embedded.ports import Ports, free_block
from chronos.embedded.report import Report
from chronos.embedded.supervisor import Plan
from chronos.errors import EmbeddedFault

CLOCKED = ("api", "relay", "balances")
"""Roles whose wall clock a fault can set."""
_POLL_S = 0.05


class Scene:
    """Runs a pipeline that can be hurt; an asynchronous context manager.

    Args:
        folder: The folder of the run; the pipeline's data lies in `pipeline` below it.
        environment: The variables that the pipeline reads its settings from.
        report: Where the pipeline tells what happens.
        launches: What brings up a process, where it is not `python -m chronos`: by its name
            or its role, as `Wiring` says. By default those of `CLOCKED` come up under clocks
            that a fault can set; who replaces that may call `clock.shift_this_process`.
        balances: Balances workers at the start.
        disk: Where PostgreSQL's data lies, if this machine can mount it; it is entered by the
            thread that starts the scene, which is to have started nothing before. None: beside
            the rest.
    """

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str],
        report: Report | None = None,
        launches: Mapping[str, tuple[str, ...]] | None = None,
        balances: int = 1,
        disk: SmallDisk | None = None,
    ):
        self.folder = folder
        self._environment = environment
        self._report = report
        self._launches = launches or {}
        self._balances = balances
        self.disk = disk
        self._added: dict[str, Plan] = {}
        self._paused: dict[str, tuple[int, ...]] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Scene:
        """Starts links and pipeline; returns when everything is ready.

        Raises:
            ChronosError: A part could not be started.
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
        """Lets everything go on that is paused, and stops everything."""
        await self._stack.aclose()

    @property
    def pipeline(self) -> Pipeline:
        """Gives the pipeline: its supervisor, crew and folder."""
        return self._pipeline

    @property
    def links(self) -> Links:
        """Gives the proxies between processes and servers."""
        return self._links

    @property
    def clock(self) -> ClockOffset:
        """Gives by how much the wall clocks of the processes of `CLOCKED` are off."""
        return self._clock

    @property
    def addresses(self) -> Addresses:
        """Gives the direct addresses, for tools and checkers: no link is on their way."""
        return self._pipeline.addresses

    @property
    def client_addresses(self) -> Addresses:
        """Gives the addresses with the doors that clients take, through their links."""
        ports = self._links.ports
        return dataclasses.replace(
            self.addresses,
            api=url(ports["clients", "api"]),
            query=url(ports["clients", "balances"]),
        )

    @property
    def pids(self) -> Mapping[str, int]:
        """Gives the process id of every child that runs now."""
        return self._pipeline.supervisor.pids

    def pid(self, name: str) -> int:
        """Gives the process id of a child.

        Raises:
            EmbeddedFault: It does not run now.
        """
        pid = self.pids.get(name)
        if pid is None:
            raise EmbeddedFault(f"{name} does not run now, so it cannot be hurt.")
        return pid

    async def kill(self, name: str) -> int:
        """Kills a child and all of its processes with SIGKILL; gives the child's process id.

        Returns when they are gone; the supervisor starts it again a moment later.

        Raises:
            EmbeddedFault: It does not run now.
            TimeoutError: The system does not end its processes.
        """
        pid = self.pid(name)
        self._paused.pop(name, None)
        self._pipeline.supervisor.forgive(name)
        await process_tree.kill_all(pid)
        # Who asks for the child's id next must not be given the dead one.
        while self.pids.get(name) == pid:  # noqa: ASYNC110 - the supervisor tells nobody
            await asyncio.sleep(_POLL_S)
        return pid

    def pause(self, name: str) -> int:
        """Stops a child and all of its processes with SIGSTOP; gives the child's process id.

        Raises:
            EmbeddedFault: It does not run now.
        """
        pid = self.pid(name)
        self._paused[name] = process_tree.signal_all(pid, signal.SIGSTOP)
        return pid

    def resume(self, name: str) -> None:
        """Lets a paused child go on; nothing happens to one that is not paused."""
        pids = self._paused.pop(name, ())
        if pids and self.pids.get(name) == pids[0]:
            process_tree.signal_all(pids[0], signal.SIGCONT)

    async def take_down(self, name: str) -> int:
        """Kills a child with SIGKILL and keeps it down; gives the process id that it had.

        Raises:
            EmbeddedFault: It does not run now.
            TimeoutError: The system does not end its processes.
        """
        pid = self.pid(name)
        self._paused.pop(name, None)
        await process_tree.kill_all(pid)
        await self._pipeline.supervisor.stop(name)
        return pid

    async def stop(self, name: str) -> None:
        """Stops a child in order and keeps it down; nothing happens to one that is not up."""
        self.resume(name)
        await self._pipeline.supervisor.stop(name)

    async def bring_up(self, name: str) -> None:
        """Starts a child that was taken down or stopped, and waits until it serves.

        Nothing happens to one that is up.

        Raises:
            ChronosError: It could not be started.
        """
        if name not in self.pids and name in self.plans:
            await self._pipeline.supervisor.stop(name)
            await self._pipeline.supervisor.start(self.plans[name])

    async def add(self, plan: Plan) -> None:
        """Starts a further worker, of a plan of the crew: `scene.pipeline.crew.relay(1)`.

        Raises:
            ChronosError: It could not be started.
        """
        self._added[plan.name] = plan
        await self._pipeline.supervisor.start(plan)

    async def remove(self, name: str) -> None:
        """Stops a worker that was added; nothing happens to one that was not."""
        if self._added.pop(name, None) is not None:
            await self.stop(name)

    @property
    def plans(self) -> Mapping[str, Plan]:
        """Gives the plan of every child, of the added ones too."""
        return {**self._pipeline.plans, **self._added}

    async def is_ready(self, name: str) -> bool:
        """Tells whether a child serves now."""
        return name in self.pids and await self.plans[name].probe()

    async def until_ready(self, name: str, within_s: float) -> float:
        """Waits until a child serves, and tells how many seconds that took.

        Raises:
            EmbeddedFault: It does not serve in time, or was given up for good; the sentence
                says which.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not await self.is_ready(name):
            fault = self._pipeline.supervisor.fault_of(name)
            if fault is not None:
                raise fault
            if loop.time() - began > within_s:
                log = self._pipeline.folder.log / f"{name}.log"
                raise EmbeddedFault(
                    f"{name} does not serve again after {within_s:.0f} s; its log is {log}."
                )
            await asyncio.sleep(_POLL_S)
        return loop.time() - began

    async def _start(self) -> None:
        if self.disk is not None:
            self._mount(self.disk)
        base = free_block()
        apart = free_block()
        while apart == base:
            apart = free_block()
        self._links = await self._stack.enter_async_context(Links(apart, Ports.at(base)))
        await asyncio.to_thread(self.folder.mkdir, parents=True, exist_ok=True)
        self._clock = ClockOffset(self.folder / "clock-offset")
        self._clock.step(0)
        wiring = Wiring(
            ports=self._links.ports,
            kafka_listeners=self._links.kafka_listeners,
            launches={role: self._clock.launch() for role in CLOCKED} | dict(self._launches),
        )
        self._pipeline = Pipeline(
            self.folder / "pipeline",
            environment=self._environment,
            report=self._report,
            port=base,
            balances=self._balances,
            wiring=wiring,
        )
        await self._stack.enter_async_context(self._pipeline)
        if self.disk is not None and not self.disk.reason:
            await Primary(self.addresses.postgres).change_setting(
                "max_wal_size", f"{self.disk.wal_bytes_max >> 20}MB"
            )
        self._stack.callback(self._resume_all)

    def _mount(self, disk: SmallDisk) -> None:
        """Puts PostgreSQL on a disk of its own; where that fails, the disk says why."""
        disk.reason = disk.impossible()
        if disk.reason:
            return
        machine = Machine.detect(self._environment)
        data = DataFolder(self.folder / "pipeline")
        data.make(machine.run_as)
        # The mark by which the pipeline knows the folder for its own.
        (data.path / LOCK_NAME).touch()
        try:
            disk.mount(data.server("postgres", machine.run_as), machine.run_as)
        except EmbeddedFault as fault:
            disk.reason = str(fault)
        else:
            self._stack.callback(disk.unmount)

    def _resume_all(self) -> None:
        for name in tuple(self._paused):
            self.resume(name)
