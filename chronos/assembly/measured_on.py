"""What a figure was measured on: without it a figure says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from chronos.home import code_folder


def machine_facts() -> dict[str, str | int]:
    """Gives processors, memory, system and Python of this machine."""
    return {
        "processors": processors(),
        "processor": _processor(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def processors() -> int:
    """Tells how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def commit() -> str:
    """Gives the commit of the checkout, with a mark when files differ from it."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],  # noqa: S607 - whichever git there is
            cwd=code_folder(),
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")
