"""Ends processes that outlived both their supervisor and its watchdog."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from chronos.embedded.folder import DataFolder
from chronos.embedded.process import kill_group

_GONE_S = 5.0
_POLL_S = 0.02


def end_leftovers(folder: DataFolder) -> tuple[str, ...]:
    """Kills what a former instance of this data folder left running, and names it.

    Only a process whose working directory still lies in the folder is ours: its number may
    long belong to another program. Where the system does not tell (no /proc) nothing is done.
    It blocks, for 5 s at most, until they are gone.
    """
    ended: dict[str, int] = {}
    for file in _files(folder.run / "pids"):
        with contextlib.suppress(ValueError, OSError):
            pid = int(file.read_text(encoding="ascii"))
            if _works_in(pid, folder):
                kill_group(pid)
                ended[file.name] = pid
    deadline = time.monotonic() + _GONE_S
    while any(_works_in(pid, folder) for pid in ended.values()):
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_S)
    return tuple(ended)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _works_in(pid: int, folder: DataFolder) -> bool:
    try:
        place = Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return False
    homes = [folder.path.resolve(), *filter(None, [folder.stand_in])]
    return any(place.is_relative_to(home) for home in homes)
