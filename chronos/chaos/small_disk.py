"""A disk of its own for PostgreSQL's data, small enough to be filled and emptied in a moment.

It is a file system in memory, mounted in a private mount namespace of this process: nobody
else sees it, and it is gone with the last process of the run, however that ends. The namespace
is that of the thread that enters it and of what it starts from then on, so it is entered before
anything else is started; threads that were there before see the folder without the disk.

PostgreSQL's fsync costs nothing there, which changes latencies and no promise that a killed
process can break: what was written stays in the kernel's hands as on any other disk.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import sys
from pathlib import Path

from chronos.embedded.machine import RunAs, available_memory
from chronos.errors import EmbeddedFault

BALLAST = "ballast"
MEMORY_KEPT_BYTES = 2 << 30
"""Memory that must be left for everything else."""
# A checkpoint begins before the log has this part of the disk; a burst may go beyond it.
_WAL_SHARE = 6
_CLONE_NEWNS = 0x00020000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_PIECE_BYTES = 32 << 20
_PIECE_BYTES_MIN = 4096


class SmallDisk:
    """A file system of a fixed size on one folder.

    Args:
        size_bytes: How much fits.
    """

    def __init__(self, size_bytes: int):
        self.size_bytes = size_bytes
        self._folder: Path | None = None
        self.reason = "no disk of its own was mounted for PostgreSQL"
        """Why it is not there; empty while it is."""

    @property
    def wal_bytes_max(self) -> int:
        """Gives how much of it PostgreSQL may plan to use for its log (WAL)."""
        return self.size_bytes // _WAL_SHARE

    def impossible(self) -> str:
        """Says why this machine cannot have one; empty when it can."""
        if sys.platform != "linux":
            return "a disk of its own for PostgreSQL needs Linux"
        if os.geteuid() != 0:
            return "only root may mount a disk of its own for PostgreSQL"
        available = available_memory()
        if available is not None and available < self.size_bytes + MEMORY_KEPT_BYTES:
            return (
                f"a disk of {self.size_bytes >> 20} MiB in memory does not fit: "
                f"{available >> 20} MiB are available and {MEMORY_KEPT_BYTES >> 20} MiB stay "
                "free"
            )
        return ""

    def mount(self, folder: Path, run_as: RunAs | None) -> None:
        """Puts the disk on an empty folder, owned by the servers' account.

        Raises:
            EmbeddedFault: The system refuses, for all that it is root who asks (a container
                without the right to mount); the sentence says what it said.
        """
        owner = run_as or RunAs(name="", uid=os.getuid(), gid=os.getgid())
        options = f"size={self.size_bytes},mode=0700,uid={owner.uid},gid={owner.gid}"
        libc = ctypes.CDLL(None, use_errno=True)
        _done(libc.unshare(_CLONE_NEWNS), "A mount namespace of its own")
        # What is mounted from here on is not to reach the namespace that this one came from.
        flags = ctypes.c_ulong(_MS_REC | _MS_PRIVATE)
        _done(libc.mount(b"none", b"/", None, flags, None), "Making the mounts private")
        place = os.fsencode(folder)
        _done(
            libc.mount(b"tmpfs", place, b"tmpfs", ctypes.c_ulong(0), options.encode()),
            "Mounting a disk in memory",
        )
        self._folder, self.reason = folder, ""

    def unmount(self) -> None:
        """Takes the disk away with everything on it; the folder is empty then."""
        if self._folder is not None:
            libc = ctypes.CDLL(None, use_errno=True)
            lazily = 2
            _done(libc.umount2(os.fsencode(self._folder), lazily), "Taking the disk away")
            self._folder = None

    @property
    def free_bytes(self) -> int:
        """Tells how much fits still."""
        return shutil.disk_usage(self._mounted()).free

    async def fill(self) -> int:
        """Fills it to the last page, also what became free since; gives the ballast's size."""
        # On this thread, piece by piece: another thread may be of the old namespace.
        descriptor = os.open(self._mounted() / BALLAST, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            size, piece = os.fstat(descriptor).st_size, _PIECE_BYTES
            while piece >= _PIECE_BYTES_MIN:
                try:
                    os.posix_fallocate(descriptor, size, piece)
                    size += piece
                except OSError:
                    piece //= 2
                await asyncio.sleep(0)
        finally:
            os.close(descriptor)
        return size

    def empty(self) -> None:
        """Takes away what `fill` put there; nothing happens when that is not there."""
        if self._folder is not None:
            (self._folder / BALLAST).unlink(missing_ok=True)

    def _mounted(self) -> Path:
        if self._folder is None:
            raise EmbeddedFault("PostgreSQL has no disk of its own, so none can be filled.")
        return self._folder


def _done(code: int, what: str) -> None:
    if code != 0:
        said = os.strerror(ctypes.get_errno())
        raise EmbeddedFault(f"{what} was refused by the system ({said}).")
