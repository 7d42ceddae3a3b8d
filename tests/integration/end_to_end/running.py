"""A whole Chronos as a child process, addressed as its users address it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from chronos.client.doors import Doors
from chronos.client.exchange import Patience
from chronos.client.ledger_client import LedgerClient
from chronos.client.refusals import Refused
from chronos.errors import ChronosError
from tests import waiting

READY_S = 180
STOP_S = 60
ROOT = Path(__file__).resolve().parents[3]


class Running:
    """Starts `chronos up` on a folder, finds its addresses, kills parts of it."""

    def __init__(self, data: Path, *arguments: str):
        self.data = data
        self._log = data.parent / f"{data.name}.log"
        self.arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._spawn()
        await self.until_ready()

    def _spawn(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "chronos", "up", "--data", self.data, *self.arguments],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    async def until_ready(self) -> None:
        await eventually(self._is_ready, within_s=READY_S, what=self._story)

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, STOP_S)

    async def kill(self, name: str) -> None:
        """Kills one process with -9 and waits until another stands in its place."""
        before = self.addresses["pids"][name]
        os.kill(before, signal.SIGKILL)
        await eventually(
            lambda: self._replaced(name, before), within_s=READY_S, what=self._story
        )

    @property
    def addresses(self) -> dict[str, Any]:
        return json.loads((self.data / "run/addresses.json").read_text())

    def client(self, *, deadline_s: float = 120.0) -> LedgerClient:
        addresses = self.addresses
        doors = Doors(
            command=addresses["api"], query=addresses["query"], api_key=addresses["api_key"]
        )
        return LedgerClient(doors, patience=Patience(deadline_s=deadline_s, attempt_s=5.0))

    async def command(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Runs `chronos … --json` and gives its exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "chronos", *arguments, "--data", str(self.data), "--json",
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), READY_S)
        assert out, err.decode()
        return process.returncode, json.loads(out)

    async def _is_ready(self) -> bool:
        assert self.process.poll() is None, self._story()
        if not (self.data / "run/addresses.json").exists():
            return False
        try:
            async with self.client(deadline_s=2.0) as client:
                for door in (self.addresses["api"], self.addresses["query"]):
                    await client.readiness(door)
        except (ChronosError, Refused):
            return False
        return all(alive(pid) for pid in self.addresses["pids"].values())

    async def _replaced(self, name: str, before: int) -> bool:
        now = self.addresses["pids"].get(name)
        return now not in (None, before) and alive(now) and await self._is_ready()

    def _story(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]


@asynccontextmanager
async def started(data: Path, *arguments: str) -> AsyncIterator[Running]:
    """A `chronos up` that runs, and is stopped at the end if it still does."""
    instance = Running(data, *arguments)
    try:
        await instance.start()
        yield instance
    finally:
        if instance.process is not None and instance.process.poll() is None:
            await instance.stop()


def alive(pid: int) -> bool:
    """Tells whether a process runs (a zombie does not)."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def eventually(condition, *, within_s: float, what=lambda: "") -> None:
    """Waits until an asynchronous condition holds."""
    await waiting.until(condition, what, within_s=within_s, pause_s=0.1)
