"""Memory and processor time of processes on this machine, with all of their children.

Linux tells it in `/proc`; elsewhere, and of processes that are gone, nothing is known. Pages
that children share with each other (PostgreSQL's buffers) are counted once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_FIELDS_AFTER_NAME: Final = 22
_PARENT, _USER, _SYSTEM, _START = 1, 11, 12, 19
"""Fields of /proc/PID/stat behind the name, from 0. Source: proc_pid_stat(5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process uses, its children included."""

    pid: int
    memory_bytes: int
    cpu_s: float
    """Processor time of those that live now."""
    up_s: float
    """Since the process itself began."""
    open_files_max: int | None
    """Its limit of file descriptors; None where it may not be read."""


@dataclass(frozen=True, slots=True)
class _Row:
    parent: int
    cpu_s: float
    began_s: float
    own_bytes: int
    shared_bytes: int


def read_usage(pids: Mapping[str, int]) -> dict[str, Usage]:
    """Reads what each named process uses; one that does not live is left out."""
    table = dict(_rows()) if pids else {}
    up_s = _up_s()
    found: dict[str, Usage] = {}
    for name, pid in pids.items():
        if pid in table:
            rows = [table[one] for one in _family(pid, table)]
            found[name] = Usage(
                pid=pid,
                memory_bytes=sum(row.own_bytes for row in rows)
                + max(row.shared_bytes for row in rows),
                cpu_s=sum(row.cpu_s for row in rows),
                up_s=max(0.0, up_s - table[pid].began_s),
                open_files_max=_open_files_max(pid),
            )
    return found


def _family(pid: int, table: Mapping[int, _Row]) -> list[int]:
    children: dict[int, list[int]] = {}
    for one, row in table.items():
        children.setdefault(row.parent, []).append(one)
    family = [pid]
    for one in family:
        # The table was not read in one moment: it may say that somebody is its own ancestor.
        family.extend(child for child in children.get(one, ()) if child not in family)
    return family


def _rows() -> Iterator[tuple[int, _Row]]:
    if not _PROC.is_dir():
        return
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # A program's name may hold anything, spaces and brackets too.
            fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            pages = [int(one) for one in (folder / "statm").read_text().split()]
        except (OSError, ValueError):
            continue  # It ended meanwhile.
        if len(fields) >= _FIELDS_AFTER_NAME:
            yield (
                int(folder.name),
                _Row(
                    parent=int(fields[_PARENT]),
                    cpu_s=(int(fields[_USER]) + int(fields[_SYSTEM])) / ticks,
                    began_s=int(fields[_START]) / ticks,
                    own_bytes=(pages[1] - pages[2]) * page,
                    shared_bytes=pages[2] * page,
                ),
            )


def _up_s() -> float:
    try:
        return float((_PROC / "uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0.0


def _open_files_max(pid: int) -> int | None:
    try:
        for line in (_PROC / str(pid) / "limits").read_text().splitlines():
            if line.startswith("Max open files"):
                return int(line.split()[3])
    except (OSError, ValueError, IndexError):
        return None
    return None
