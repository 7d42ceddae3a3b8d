"""The processes that stand behind one child: itself, its group, and all that they started.

PostgreSQL's backends lead sessions of their own, so a signal to the group of the postmaster
does not reach them; they are found by their parents.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from pathlib import Path

_GONE_S = 10.0
_POLL_S = 0.01
_PS = ("ps", "-A", "-o", "pid=,ppid=,pgid=")
_PS_S = 5


def members(leader: int) -> tuple[int, ...]:
    """Gives a process, the rest of its group, and all of their descendants; it comes first."""
    family = {leader}
    table = _table()
    before = 0
    while len(family) != before:
        before = len(family)
        family |= {pid for pid, parent, group in table if parent in family or group in family}
    return (leader, *sorted(family - {leader}))


def signal_all(leader: int, number: signal.Signals) -> tuple[int, ...]:
    """Signals every member that is there, the leader first; gives whom.

    A leader that is stopped or killed starts nobody any more; so the others are looked for
    again once it has its signal.
    """
    reached: dict[int, None] = {}
    before = members(leader)
    _signal(leader, number)
    for pid in (*before, *members(leader)):
        if pid not in reached:
            reached[pid] = None
            if pid != leader:
                _signal(pid, number)
    return tuple(reached)


async def kill_all(leader: int) -> tuple[int, ...]:
    """Kills every member with SIGKILL and waits until they are gone; gives whom.

    Raises:
        TimeoutError: One of them is still there after 10 s.
    """
    # A postmaster that stands still cannot tell its backends to leave in order.
    signal_all(leader, signal.SIGSTOP)
    killed = signal_all(leader, signal.SIGKILL)
    async with asyncio.timeout(_GONE_S):
        while any(runs(pid) for pid in killed):  # noqa: ASYNC110 - others' processes tell nobody
            await asyncio.sleep(_POLL_S)
    return killed


def runs(pid: int) -> bool:
    """Tells whether a process is there and not only waits for its parent to look at it."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        return text.rpartition(")")[2].split()[0] not in ("Z", "X")
    if Path("/proc/self/stat").exists():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _table() -> list[tuple[int, int, int]]:
    """Gives id, parent and group of every process."""
    if not Path("/proc/self/stat").exists():
        out = subprocess.run(_PS, capture_output=True, check=True, timeout=_PS_S, text=True)  # noqa: S603 - a fixed command
        rows = (line.split() for line in out.stdout.splitlines())
        return [(int(pid), int(parent), int(group)) for pid, parent, group in rows]
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                text = Path(entry.path, "stat").read_text(encoding="ascii", errors="replace")
                # The name in brackets may hold anything, blanks and brackets too.
                _, parent, group = text.rpartition(")")[2].split()[:3]
                found.append((int(entry.name), int(parent), int(group)))
    return found
