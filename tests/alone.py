"""Lets a test have the machine to itself, where tests run in several processes at once.

Every test holds a shared lock while it runs, and one that measures the machine an exclusive
one. A file says that somebody waits for that, so that the others let it have its turn.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

LOOK_S = 0.2


@contextlib.contextmanager
def beside_others(folder: Path) -> Iterator[None]:
    """Runs a test among others, after whoever waits to be alone."""
    while (folder / "waits").exists():
        time.sleep(LOOK_S)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Runs a test when no other runs, and keeps the others waiting until it has ended."""
    (folder / "waits").touch()
    try:
        with (folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    finally:
        (folder / "waits").unlink()
