"""The four processes of one Chronos, each started and ended by the test itself.

`chronos up` would start what ended again, later and later: these wait for nobody.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import aiohttp

from chronos.settings import Settings
from tests.integration.end_to_end.running import eventually

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = (sys.executable, "-c", "from chronos.cli.main import main; main()")
WORDS = {
    "api": ("api",),
    "relay": ("worker", "relay"),
    "balances": ("worker", "balances"),
    "mirror": ("worker", "mirror"),
}
READY_S = 60.0
STOP_S = 60.0


class Member:
    """One role, as whatever process has it now.

    Args:
        role: "api", "relay", "balances" or "mirror".
        settings: Of this role's own sign-in.
        port: Where it tells whether it is ready.
        folder: Of its log.
    """

    def __init__(self, role: str, settings: Settings, port: int, folder: Path):
        self.role = role
        self.settings = settings
        self.url = f"http://127.0.0.1:{port}"
        self._log = folder / f"{role}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, crash_at: str = "") -> None:
        """Starts the process, which ends at a crash point or not at all."""
        assert self.process is None or self.process.poll() is not None
        settings = replace(self.settings, crash_at=crash_at)
        plain = {k: v for k, v in os.environ.items() if not k.startswith("CHRONOS_")}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*PROGRAM, *WORDS[self.role]],
                cwd=ROOT,
                env=plain | settings.to_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def exit_code(self, within_s: float) -> int:
        try:
            return await asyncio.to_thread(self.process.wait, within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.role} did not end\n{self.story()}") from None

    async def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert await self.exit_code(STOP_S) == 0, self.story()

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_S)

    async def until_ready(self) -> None:
        await eventually(self._is_ready, within_s=READY_S, what=self.story)

    async def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.story()
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http,
                http.get(f"{self.url}/readyz") as answer,
            ):
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def story(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if "request_answered" not in line)[-6000:]
