"""The supervisor's side of the watchdog: it tells it of every child and keeps it alive."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

from chronos.embedded.process import Command

SCRIPT = Path(__file__).with_name("watchdog_process.py")
_RESTART_S = 0.2
_END_S = 5.0


class Watchdog:
    """Makes sure that no child outlives this process, even when it is killed with -9.

    `keep_alive` is to run as a task: it starts the watchdog and, should that be killed, another
    one that is told of all children anew.

    Args:
        lock_fd: The data folder's lock; the watchdog holds it too, so that the folder stays
            locked until the last child is gone.
    """

    def __init__(self, *, lock_fd: int | None = None):
        self._lock_fd = lock_fd
        self._groups: dict[int, int] = {}
        self._process: Process | None = None
        self.started = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """Gives the process id of the watchdog that runs now."""
        return self._process.pid if self._process else None

    async def keep_alive(self) -> None:
        """Runs a watchdog until cancelled, and then lets it end in peace."""
        try:
            while True:
                self._process = await self._spawn()
                for pid, number in self._groups.items():
                    self._tell(f"+ {pid} {number}")
                self.started.set()
                await self._process.wait()
                await asyncio.sleep(_RESTART_S)
        finally:
            await self._end()

    def add(self, pid: int, command: Command) -> None:
        """Puts a child under watch."""
        self._groups[pid] = command.abandon_signal
        self._tell(f"+ {pid} {int(command.abandon_signal)}")

    def remove(self, pid: int) -> None:
        """Takes a child that ended from the list: its number may soon be another's."""
        self._groups.pop(pid, None)
        self._tell(f"- {pid}")

    async def _spawn(self) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-S",
            str(SCRIPT),
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=DEVNULL,
            cwd="/",
            env={"PATH": os.defpath},
            start_new_session=True,
            pass_fds=() if self._lock_fd is None else (self._lock_fd,),
        )

    async def _end(self) -> None:
        self._tell(".")
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        try:
            async with asyncio.timeout(_END_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def _tell(self, line: str) -> None:
        if self._process is None or self._process.stdin is None:
            return
        # A watchdog that just died is replaced by one that is told everything.
        with contextlib.suppress(OSError, RuntimeError):
            self._process.stdin.write(line.encode() + b"\n")
