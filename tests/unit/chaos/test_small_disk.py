"""A disk that can be filled, seen by nobody but the process that mounted it."""

import os
import subprocess
import sys

import pytest

from chronos.chaos import small_disk as module
from chronos.chaos.small_disk import SmallDisk
from chronos.errors import EmbeddedFault
from chronos.home import code_folder

SIZE_BYTES = 8 << 20
# In a process of its own: what it does to its mounts is not for the tests that follow.
USE = """
import asyncio, sys
from pathlib import Path
from chronos.chaos.small_disk import SmallDisk

folder = Path(sys.argv[1])
disk = SmallDisk(8 << 20)
disk.mount(folder, None)
(folder / "row").write_bytes(b"x" * 1000)
ballast = asyncio.run(disk.fill())
try:
    (folder / "more").write_bytes(b"x" * 10_000)
    written = True
except OSError:
    written = False
freed = disk.free_bytes
(folder / "row").unlink()
again = asyncio.run(disk.fill())
disk.empty()
disk.empty()
free = disk.free_bytes
(folder / "more").write_bytes(b"x" * 10_000)
disk.unmount()
print(ballast, written, freed, again, free, list(folder.iterdir()))
"""


def may_mount() -> bool:
    tried = subprocess.run(
        ["unshare", "--mount", "true"], capture_output=True, check=False, timeout=10
    )
    return os.geteuid() == 0 and tried.returncode == 0


@pytest.mark.skipif(not may_mount(), reason="this account may not mount anything")
def test_it_is_filled_to_the_last_page_and_has_room_again(tmp_path):
    out = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path)],
        capture_output=True,
        cwd=code_folder(),
        text=True,
        timeout=60,
        check=False,
    )

    assert out.returncode == 0, out.stderr
    ballast, written, freed, again, free, left = out.stdout.strip().split(" ", 5)
    assert SIZE_BYTES - 100_000 < int(ballast) < SIZE_BYTES
    assert written == "False"
    assert int(freed) == 0
    assert int(again) > int(ballast)
    assert int(free) > SIZE_BYTES - 100_000
    assert left == "[]"
    assert list(tmp_path.iterdir()) == []


def test_it_says_why_a_machine_cannot_have_one(monkeypatch):
    disk = SmallDisk(SIZE_BYTES)
    assert disk.reason

    monkeypatch.setattr(module.sys, "platform", "darwin")
    assert disk.impossible() == "a disk of its own for PostgreSQL needs Linux"

    monkeypatch.setattr(module.sys, "platform", "linux")
    monkeypatch.setattr(module.os, "geteuid", lambda: 1000)
    assert disk.impossible() == "only root may mount a disk of its own for PostgreSQL"

    monkeypatch.setattr(module.os, "geteuid", lambda: 0)
    monkeypatch.setattr(module, "available_memory", lambda: 1 << 30)
    assert "does not fit" in disk.impossible()

    monkeypatch.setattr(module, "available_memory", lambda: 1 << 40)
    assert disk.impossible() == ""


async def test_a_disk_that_is_not_there_cannot_be_filled():
    disk = SmallDisk(SIZE_BYTES)

    with pytest.raises(EmbeddedFault):
        await disk.fill()
    disk.empty()
    disk.unmount()
