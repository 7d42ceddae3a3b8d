"""The data folder of one instance: its layout, its lock, who owns what in it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from chronos.embedded.machine import RunAs, account_name, make_open, reaches
from chronos.errors import EmbeddedFault

LOCK_NAME = "chronos.lock"
_STAND_IN_LINK = "servers"
_FIRST_SERVER = "postgres"
_STAND_INS = Path("/var/lib/chronos-servers")
_CLEANING_S = 15.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Names the places in a data folder; `README.md` of this room draws it."""

    path: Path
    """Absolute: a child that tries the folder stands elsewhere."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", self.path.absolute())

    @property
    def run(self) -> Path:
        """Holds addresses, ports, passwords and process ids."""
        return self.path / "run"

    @property
    def log(self) -> Path:
        """Holds one log file for each process."""
        return self.path / "log"

    @property
    def state(self) -> Path:
        """Holds the workers' disk-backed tables."""
        return self.path / "state"

    @property
    def addresses(self) -> Path:
        """Is the file with the addresses, there while an instance is ready."""
        return self.run / "addresses.json"

    @property
    def key_secret(self) -> Path:
        """Is the file with the secret that API keys are hashed with."""
        return self.run / "key.secret"

    def make(self, run_as: RunAs | None) -> None:
        """Makes the folder at its first use.

        Raises:
            EmbeddedFault: It cannot be made, or holds something else.
        """
        try:
            self._make(run_as)
        except OSError as error:
            raise EmbeddedFault(
                f"The data folder {self.path} cannot be used ({error.strerror}): choose one "
                "that you may write with --data."
            ) from error

    def server(self, name: str, run_as: RunAs | None) -> Path:
        """Gives a server's own folder, made at first use and owned by the servers' account."""
        folder = self._servers_home(run_as) / name
        make_owned(folder, run_as)
        return folder

    @property
    def stand_in(self) -> Path | None:
        """Gives the folder elsewhere that holds the servers' data, if there is one."""
        link = self.path / _STAND_IN_LINK
        return link.readlink() if link.is_symlink() else None

    def clear_run(self) -> None:
        """Takes away what a former instance left that says it is running."""
        self.addresses.unlink(missing_ok=True)
        shutil.rmtree(self.run / "pids", ignore_errors=True)
        (self.run / "pids").mkdir()

    def _servers_home(self, run_as: RunAs | None) -> Path:
        """Gives the parent of the servers' folders: this folder, or one that they can enter.

        Root's folders are often closed to the account that runs the servers, and the mode of a
        folder above ours is not ours to change. Then a folder of their own stands in, and a
        link here names it; its name is drawn by chance, so no other folder ever meets its data.
        """
        if self.stand_in is not None:
            return self.stand_in
        if reaches(run_as, self.path):
            return self.path
        if (self.path / _FIRST_SERVER).exists():
            raise EmbeddedFault(
                f"The account {account_name(run_as)!r}, which runs the servers, cannot enter "
                f"{self.path} any more, and the servers' data is there: let every user enter "
                "it and the folders above it, or set CHRONOS_RUN_AS."
            )
        try:
            make_open(_STAND_INS)
            home = Path(tempfile.mkdtemp(prefix="servers-", dir=_STAND_INS))
            home.chmod(0o755)
            (self.path / _STAND_IN_LINK).symlink_to(home)
        except OSError as error:
            raise EmbeddedFault(
                f"The account {account_name(run_as)!r}, which runs the servers, cannot enter "
                f"{self.path}, and {_STAND_INS} cannot be made ({error.strerror}): choose a "
                "folder with --data that every user may enter, or set CHRONOS_RUN_AS."
            ) from error
        return home

    def _make(self, run_as: RunAs | None) -> None:
        if not self.path.is_dir():
            self.path.mkdir(parents=True)
            if run_as is not None:
                self.path.chmod(0o755)
        elif not (self.path / LOCK_NAME).exists() and any(self.path.iterdir()):
            raise EmbeddedFault(
                f"{self.path} holds files that are not of Chronos: choose an empty or a new "
                "folder with --data."
            )
        for folder in (self.run, self.log, self.state):
            folder.mkdir(mode=0o700, exist_ok=True)


def make_owned(folder: Path, run_as: RunAs | None) -> None:
    """Makes a folder that only the servers' account may enter."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if run_as is not None:
        os.chown(folder, run_as.uid, run_as.gid)


def write_owned(path: Path, text: str, run_as: RunAs | None) -> None:
    """Writes a configuration file that only the servers' account may read."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        if run_as is not None:
            os.fchown(file.fileno(), run_as.uid, run_as.gid)


class FolderLock:
    """Holds a data folder for one instance; `fd` is inherited by the watchdog alone."""

    def __init__(self, folder: DataFolder):
        self._path = folder.path / LOCK_NAME
        self.fd = -1

    async def take(self) -> None:
        """Takes the lock.

        A holder that was killed leaves it to its watchdog for the seconds in which that ends
        the children; only then is the lock waited for.

        Raises:
            EmbeddedFault: Another instance runs on the folder.
        """
        self.fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _CLEANING_S
        while not self._try():
            holder = self._holder()
            if (holder is not None and _lives(holder)) or loop.time() > deadline:
                self.release()
                raise EmbeddedFault(
                    f"Another Chronos (process {holder}) runs on {self._path.parent}: use it, "
                    "stop it, or choose another folder with --data."
                )
            await asyncio.sleep(_POLL_S)
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Gives the lock back."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _try(self) -> bool:
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> int | None:
        with contextlib.suppress(ValueError):
            return int(os.pread(self.fd, 32, 0))
        return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
