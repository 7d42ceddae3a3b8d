"""What a process and its children have used, as Linux tells it; nothing where it does not."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")
_KIB: Final = 1024


class Used(NamedTuple):
    """What one process has used."""

    pid: int
    parent: int
    processor_s: float


def tree(pid: int) -> tuple[int, ...]:
    """Gives a process that runs, and all of its descendants."""
    found = {used.pid: used for used in _all()}
    family = [pid] if pid in found else []
    for member in family:
        family += [used.pid for used in found.values() if used.parent == member]
    return tuple(family)


def processor_s(pid: int) -> float:
    """Tells the time that a process and its descendants have had of processors."""
    found = {used.pid: used for used in _all()}
    return sum(found[member].processor_s for member in tree(pid) if member in found)


def resident_mib(pid: int) -> float:
    """Tells the memory that one process has now."""
    return _memory_mib(pid, "VmRSS:")


def peak_mib(pid: int) -> float:
    """Tells the most memory that one process has had."""
    return _memory_mib(pid, "VmHWM:")


def _memory_mib(pid: int, line_begins: str) -> float:
    with contextlib.suppress(OSError):
        for line in (_PROC / str(pid) / "status").read_text(encoding="ascii").splitlines():
            if line.startswith(line_begins):
                return round(int(line.split()[1]) / _KIB, 1)
    return 0.0


def _all() -> list[Used]:
    found = []
    for folder in _PROC.iterdir() if _PROC.is_dir() else ():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            found.append(_used(int(folder.name), text))
    return found


def _used(pid: int, stat: str) -> Used:
    # The name in brackets may hold spaces and brackets itself.
    fields = stat.rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return Used(pid, int(fields[1]), (user + system) / os.sysconf("SC_CLK_TCK"))
