"""Runs a command of Chronos on the pipeline of the run, as a person at the keyboard does."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from typing import Any

import msgspec

from chronos.chaos.fault import FaultFailed
from chronos.chaos.scene import Scene
from chronos.home import code_folder

_SAID_MAX = 400


async def chronos(scene: Scene, *words: str, within_s: float) -> tuple[int, dict[str, Any]]:
    """Gives the exit code of a command and what it printed as JSON.

    Raises:
        FaultFailed: It did not end in time, or printed something else.
    """
    place = ("--data", os.fspath(scene.pipeline.folder.path), "--json")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chronos", *words, *place),
        cwd=scene.folder,
        env={**scene.pipeline.crew.environment, "PYTHONPATH": os.fspath(code_folder())},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        async with asyncio.timeout(within_s):
            out, err = await process.communicate()
    except TimeoutError as error:
        raise FaultFailed(
            f"`chronos {' '.join(words)}` did not end within {within_s:.0f} s."
        ) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        said = msgspec.json.decode(out, type=dict[str, Any])
    except msgspec.DecodeError as error:
        said_text = err.decode(errors="replace")[-_SAID_MAX:]
        raise FaultFailed(
            f"`chronos {' '.join(words)}` ended with exit code {process.returncode}, and "
            f"without a report: {said_text}"
        ) from error
    return process.returncode or 0, said
