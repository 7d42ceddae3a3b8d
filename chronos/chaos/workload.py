"""The load of a run, as the run holds it: a driver in a process of its own.

The clients share no interpreter with what injects faults and takes samples, so that neither
shows in the other's latencies.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from types import TracebackType
from typing import Final, TypeVar

import msgspec

from chronos.chaos.load.attempts import GIVE_UP_S
from chronos.chaos.load.plan import Ended, Failed, LoadPlan, Opened, Word
from chronos.errors import ChronosError
from chronos.home import code_folder

OPENING_DEADLINE_S: Final = 120.0
ENDING_DEADLINE_S: Final = GIVE_UP_S + 15.0


_W = TypeVar("_W", Opened, Ended)


class NoLoad(ChronosError):
    """Says why there was no load, or not all of it: such a run proves nothing."""


class Workload:
    """The clients of a run; an asynchronous context manager that ends them in any case."""

    def __init__(self, plan: LoadPlan):
        self._plan = plan
        self._process: Process | None = None
        self._decode = msgspec.json.Decoder(Word).decode

    async def __aenter__(self) -> Workload:
        """Starts the process, which opens the bank and begins to send.

        Raises:
            NoLoad: The bank could not be opened.
        """
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "chronos.chaos.load.driver",
            stdin=PIPE, stdout=PIPE, cwd=code_folder(),
        )  # fmt: skip
        try:
            self._order(msgspec.json.encode(self._plan) + b"\n")
            self.opened_ns = (await self._word(Opened, OPENING_DEADLINE_S)).at_ns
        except BaseException:
            await self._kill()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kills the process when it was not stopped."""
        await self._kill()

    async def stop(self) -> int:
        """Lets every client end what it has begun; gives when the last one had.

        Raises:
            NoLoad: The driver ended before it was told to, or not in time.
        """
        self._order(b"stop\n")
        ended = await self._word(Ended, ENDING_DEADLINE_S)
        await self._running().wait()
        return ended.at_ns

    @property
    def is_sending(self) -> bool:
        """Tells whether the driver runs; a run without clients is none."""
        return self._process is not None and self._process.returncode is None

    def _running(self) -> Process:
        if self._process is None:
            raise RuntimeError("the load has not been started")
        return self._process

    def _order(self, line: bytes) -> None:
        stdin = self._running().stdin
        assert stdin is not None  # noqa: S101  it was made with a pipe
        stdin.write(line)

    async def _word(self, wanted: type[_W], deadline_s: float) -> _W:
        stdout = self._running().stdout
        assert stdout is not None  # noqa: S101  it was made with a pipe
        try:
            async with asyncio.timeout(deadline_s):
                line = await stdout.readline()
        except TimeoutError as error:
            raise NoLoad(f"The clients said nothing for {deadline_s:g} s.") from error
        if not line:
            code = await self._running().wait()
            raise NoLoad(f"The process of the clients ended by itself, with exit code {code}.")
        word = self._decode(line)
        if isinstance(word, Failed):
            raise NoLoad(word.reason)
        if not isinstance(word, wanted):
            raise NoLoad(f"The clients said {word} instead of {wanted.__name__}.")
        return word

    async def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
