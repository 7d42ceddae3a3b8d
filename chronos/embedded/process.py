"""Child processes: how one is started, stopped, and what its log says when it dies.

Every child leads its own session and process group, so that a signal to the group reaches its
own children too and Ctrl-C at the terminal reaches none of them: who started them stops them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chronos.embedded.machine import RunAs
from chronos.errors import EmbeddedFault

_TAIL_BYTES = 16_384
_TAIL_LINES = 5
_LINE_MAX = 4000
_LOG_BYTES_MAX = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run and how to end it.

    `stop_signal` asks for an orderly end within `stop_s` seconds; `abandon_signal` is what the
    watchdog sends when the supervisor itself was killed.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    run_as: RunAs | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_s: float = 20.0
    abandon_signal: signal.Signals = signal.SIGKILL


async def spawn(command: Command) -> Process:
    """Starts a child whose output goes to the end of its log file.

    Raises:
        EmbeddedFault: The program cannot be executed.
    """
    _turn_over(command.log)
    with command.log.open("ab") as log:
        return await _execute(command, stdin=DEVNULL, stdout=log, stderr=log)


async def stop(process: Process, command: Command) -> None:
    """Ends a child and all of its group: asks, waits at most `stop_s`, then kills."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(command.stop_signal)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(command.stop_s):
                await process.wait()
    kill_group(process.pid)
    await process.wait()


def kill_group(leader: int) -> None:
    """Kills what is left of a process group, at once."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


async def run_to_end(
    command: Command, *, purpose: str, deadline_s: float, text: str = ""
) -> str:
    """Runs a short program to its end, with `text` as its input, and gives its output.

    Raises:
        EmbeddedFault: It ended with another code than 0 or not in time; the last lines of its
            output are in the sentence.
    """
    process = await _execute(command, stdin=PIPE, stdout=PIPE, stderr=STDOUT)
    try:
        async with asyncio.timeout(deadline_s):
            output, _ = await process.communicate(text.encode())
    except TimeoutError as error:
        raise EmbeddedFault(
            f"{purpose} did not end within {deadline_s:.0f} s: the machine is too busy or the "
            "disk hangs; start again when it is quieter."
        ) from error
    finally:
        kill_group(process.pid)
        await process.wait()
    said = output.decode(errors="replace")
    if process.returncode != 0:
        last = " / ".join(_last_lines(said, _TAIL_LINES))
        raise EmbeddedFault(f"{purpose} failed with exit code {process.returncode}: {last}")
    return said


def tail(log: Path, lines_max: int = _TAIL_LINES) -> tuple[str, ...]:
    """Gives the last lines of a log file that are not empty; none when there is no file."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ()
    return _last_lines(text, lines_max)


async def _execute(command: Command, **options: Any) -> Process:
    if command.run_as is not None:
        run_as = command.run_as
        options |= {"user": run_as.uid, "group": run_as.gid, "extra_groups": []}
    options |= {"env": dict(command.environment), "cwd": command.folder}
    options |= {"start_new_session": True, "umask": 0o077}
    program, *arguments = command.argv
    try:
        return await asyncio.create_subprocess_exec(program, *arguments, **options)
    except OSError as error:
        raise EmbeddedFault(
            f"{command.argv[0]} could not be executed ({error.strerror}): check that the file "
            "exists and may be run, or install the requirements anew."
        ) from error


def _last_lines(text: str, lines_max: int) -> tuple[str, ...]:
    lines = [line.rstrip()[:_LINE_MAX] for line in text.splitlines() if line.strip()]
    return tuple(lines[-lines_max:])


def _turn_over(log: Path) -> None:
    # One older file is kept, so that logs take a bounded part of the disk.
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_BYTES_MAX:
            log.replace(log.with_name(f"{log.name}.1"))
