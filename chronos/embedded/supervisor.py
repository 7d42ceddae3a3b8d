"""Keeps children alive: servers and Chronos's own processes alike.

One task for each child: it makes the child's command anew, starts it, waits for its end, and
starts it again after a back-off that doubles from 0.2 s to 30 s and forgets after a minute of
life. Two exit codes are final, since a restart would only repeat them: 70 (an invariant is
broken) and 78 (a setting is unsafe). The watchdog knows every process group, so nothing
survives this process. The process ids in `run/` are true after every restart.
"""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from chronos.embedded import process as processes
from chronos.embedded import verdicts
from chronos.embedded.addresses import Addresses
from chronos.embedded.files import write_atomically
from chronos.embedded.folder import DataFolder
from chronos.embedded.process import Command
from chronos.embedded.report import Report
from chronos.embedded.together import together
from chronos.embedded.watchdog import Watchdog
from chronos.errors import ChronosError, EmbeddedFault

BACKOFF_S_MIN = 0.2
BACKOFF_S_MAX = 5.0
"""Whoever makes room on a full disk is served again within seconds, not half a minute."""
_FORGIVEN_AFTER_S = 60.0
_START_DEATHS_MAX = 3
_POLL_S = 0.1
_BACK_POLL_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A child to keep alive.

    `command` is asked before every start and prepares what the child needs; `probe` tells
    whether it serves. Both may raise a ChronosError. Children of a higher tier are stopped
    before those of a lower one, on which they rest.
    """

    name: str
    command: Callable[[], Awaitable[Command]]
    probe: Callable[[], Awaitable[bool]]
    ready_s: float = 60.0
    tier: int = 0


@dataclass(slots=True, kw_only=True)
class _Child:
    plan: Plan
    command: Command | None = None
    process: Process | None = None
    task: asyncio.Task[None] | None = None
    deaths: int = 0
    is_ready: bool = False
    fault: ChronosError | None = None
    spawned_at: float | None = None


class Supervisor:
    """Starts, watches and stops children; an asynchronous context manager.

    Leaving it stops what still runs, last started first.
    """

    def __init__(self, folder: DataFolder, report: Report, *, lock_fd: int | None = None):
        self._folder = folder
        self._report = report
        self._watchdog = Watchdog(lock_fd=lock_fd)
        self._children: dict[str, _Child] = {}
        self._waiting: dict[str, float] = {}
        self._stack = AsyncExitStack()
        self._addresses: Addresses | None = None

    async def __aenter__(self) -> Supervisor:
        """Starts the watchdog."""
        self._tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        watch = self._tasks.create_task(self._watchdog.keep_alive(), name="watchdog")
        self._stack.callback(watch.cancel)
        self._stack.push_async_callback(self.stop_all)
        await self._watchdog.started.wait()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops every child, then the watchdog."""
        # The error is kept from the task group, which would wrap it.
        await self._stack.aclose()

    @property
    def pids(self) -> Mapping[str, int]:
        """Gives the process id of every child that runs now."""
        return {
            name: child.process.pid
            for name, child in self._children.items()
            if child.process is not None
        }

    @property
    def watchdog_pid(self) -> int | None:
        """Gives the process id of the watchdog."""
        return self._watchdog.pid

    def publish(self, addresses: Addresses) -> None:
        """Writes the file of addresses, and keeps the process ids in it true from now on."""
        self._addresses = addresses
        self._write_pids()

    async def start(self, plan: Plan) -> None:
        """Starts a child and returns when it serves.

        Raises:
            ChronosError: It could not be prepared, gave up for good, died again and again, or
                was not ready in time; the sentence holds the end of its log.
        """
        child = _Child(plan=plan)
        self._children[plan.name] = child
        child.task = self._tasks.create_task(self._keep(child), name=f"keep {plan.name}")
        await self.wait_ready(plan.name, plan.probe, plan.ready_s)

    async def start_together(self, plans: Iterable[Plan]) -> None:
        """Starts children side by side and returns when all of them serve.

        Raises:
            ChronosError: As `start` says; the first that failed.
        """
        await together(*(self.start(plan) for plan in plans))

    async def wait_ready(
        self, name: str, probe: Callable[[], Awaitable[bool]], ready_s: float
    ) -> None:
        """Waits until a server answers its probe, and reports the waiting.

        Raises:
            ChronosError: As `start` says.
        """
        loop = asyncio.get_running_loop()
        since = loop.time()
        self._waiting[name] = since
        child = self._children.get(name)
        try:
            while not ((child is None or child.process) and await probe()):
                _raise_if_hopeless(name, child)
                now = loop.time()
                # Fetching what a first start needs may take long and is not counted.
                served_since = since if child is None else child.spawned_at
                if served_since is not None and now - served_since > ready_s:
                    log = child.command.log if child and child.command else None
                    raise verdicts.not_ready(name, ready_s, log)
                self._report.waiting({n: now - at for n, at in self._waiting.items()})
                await asyncio.sleep(_POLL_S)
        finally:
            self._waiting.pop(name, None)
            if not self._waiting:
                self._report.waiting({})
        if child is not None:
            child.is_ready = True
        self._report.say(f"{name} is ready after {loop.time() - since:.1f} s")

    def fault_of(self, name: str) -> ChronosError | None:
        """Gives why a child will not be started again; None while it will be."""
        child = self._children.get(name)
        return None if child is None else child.fault

    def forgive(self, name: str) -> None:
        """Forgets the deaths of a child so far, before one that somebody causes on purpose.

        The start that follows comes after the shortest back-off then.
        """
        child = self._children.get(name)
        if child is not None:
            child.deaths = 0

    async def stop(self, name: str) -> None:
        """Stops a child for good; one that does not run is left alone."""
        await self._stop_together([name])

    async def stop_all(self) -> None:
        """Stops every child, last started first, and takes the addresses away."""
        self._addresses = None
        self._folder.addresses.unlink(missing_ok=True)
        tiers = {child.plan.tier for child in self._children.values()}
        for tier in sorted(tiers, reverse=True):
            names = [n for n, c in self._children.items() if c.plan.tier == tier]
            await self._stop_together(names[::-1])

    async def _stop_together(self, names: Iterable[str]) -> None:
        children = [self._children.pop(name, None) for name in names]
        tasks = [child.task for child in children if child is not None and child.task]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        with contextlib.suppress(OSError):  # A folder that is gone keeps nobody from stopping.
            self._write_pids()

    async def _keep(self, child: _Child) -> None:
        loop = asyncio.get_running_loop()
        while child.fault is None:
            began = loop.time()
            try:
                await self._run_once(child)
            except (ChronosError, OSError) as error:
                fault = _as_fault(child.plan.name, error)
                if not child.is_ready:
                    child.fault = fault
                    return
                self._report.say(str(fault))
            if loop.time() - began > _FORGIVEN_AFTER_S:
                child.deaths = 0
            child.deaths += 1
            if child.fault is None:
                await asyncio.sleep(backoff_s(child.deaths))

    async def _run_once(self, child: _Child) -> None:
        name = child.plan.name
        child.command = command = await child.plan.command()
        child.process = running = await processes.spawn(command)
        child.spawned_at = child.spawned_at or asyncio.get_running_loop().time()
        self._watchdog.add(running.pid, command)
        try:
            self._write_pids()
            if child.is_ready:
                self._tasks.create_task(self._say_when_back(child, running))
            code = await running.wait()
            # Its own children must not go on without it, least of all beside its successor.
            processes.kill_group(running.pid)
        finally:
            await asyncio.shield(processes.stop(running, command))
            self._watchdog.remove(running.pid)
            child.process = None
        self._judge(child, name, code, command)

    async def _say_when_back(self, child: _Child, running: Process) -> None:
        loop = asyncio.get_running_loop()
        since = loop.time()
        while child.process is running:
            if await child.plan.probe():
                self._report.say(f"{child.plan.name} is back after {loop.time() - since:.1f} s")
                return
            await asyncio.sleep(_BACK_POLL_S)

    def _judge(self, child: _Child, name: str, code: int, command: Command) -> None:
        if verdicts.is_final(code):
            child.fault = verdicts.final_fault(name, code, command.log)
            self._report.say(str(child.fault))
        elif child.is_ready:
            pause_s = backoff_s(child.deaths + 1)
            self._report.say(
                f"{name} ended with exit code {code} and starts again in {pause_s:.1f} s; "
                + verdicts.end_of(command.log)
            )

    def _write_pids(self) -> None:
        folder = self._folder.run / "pids"
        pids = self.pids
        for name, pid in pids.items():
            write_pid(folder / name, pid)
        for file in folder.iterdir():
            if file.name not in pids and not file.name.startswith("."):
                file.unlink(missing_ok=True)
        if self._addresses is not None:
            self._addresses.with_pids(pids).write(self._folder.addresses)


def _as_fault(name: str, error: ChronosError | OSError) -> ChronosError:
    if isinstance(error, ChronosError):
        return error
    return EmbeddedFault(f"{name} could not be started ({error}): mend that and start again.")


def backoff_s(deaths: int) -> float:
    """Gives the seconds before the start that follows the n-th death in a row (n from 1)."""
    return float(min(BACKOFF_S_MAX, BACKOFF_S_MIN * 2 ** min(deaths - 1, 20)))


def write_pid(path: Path, pid: int) -> None:
    """Writes one process id, where it is not there already."""
    text = f"{pid}\n"
    if not path.exists() or path.read_text(encoding="ascii") != text:
        write_atomically(path, text, mode=0o644)


def _raise_if_hopeless(name: str, child: _Child | None) -> None:
    if child is None:
        return
    if child.fault is not None:
        raise child.fault
    if child.deaths >= _START_DEATHS_MAX and child.command is not None:
        raise verdicts.died_again(name, child.deaths, child.command.log)
