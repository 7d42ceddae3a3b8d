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
    homes = [folder.path, *filter(None, [folder.stand_in])]
    ended: dict[str, int] = {}
    for file in _files(folder.run / "pids"):
        with contextlib.suppress(ValueError, OSError):
            pid = int(file.read_text(encoding="ascii"))
            if works_in(pid, *homes):
                kill_group(pid)
                ended[file.name] = pid
    deadline = time.monotonic() + _GONE_S
    while any(works_in(pid, *homes) for pid in ended.values()):
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_S)
    return tuple(ended)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def works_in(pid: int, *folders: Path) -> bool:
    """Tells whether a process works in one of the folders; false where it is not known."""
    try:
        place = Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return False
    return any(place.is_relative_to(folder.resolve()) for folder in folders)
