"""Kills the children of a supervisor that died without stopping them.

Runs as a process of its own, by path, on the standard library alone. Its standard input is a
pipe whose other end only the supervisor holds, so the end of the input means that the
supervisor is gone, however it went. Lines: `+ PID SIGNAL` (a new process group, and what to
send it first), `- PID` (it ended), `.` (an orderly stop: nothing is to be killed).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

GRACE_S = 6.0
_POLL_S = 0.05


def main() -> None:
    """Keeps the list of groups until the input ends, then ends every group in it."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    groups: dict[int, int] = {}
    for line in sys.stdin:
        match line.split():
            case ["+", pid, number]:
                groups[int(pid)] = int(number)
            case ["-", pid]:
                groups.pop(int(pid), None)
            case ["."]:
                return
            case _:
                continue
    _end(groups)


def _end(groups: dict[int, int]) -> None:
    for pid, number in groups.items():
        _signal(pid, number)
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline and any(_lives(pid) for pid in groups):
        time.sleep(_POLL_S)
    for pid in groups:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, number)


def _lives(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
