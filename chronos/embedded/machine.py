"""What the machine offers to the managed servers: an account to run as, a cache, programs.

Servers refuse to run as root, so root lends them an unprivileged account. That account cannot
enter a home of mode 700: programs that lie there are copied once into the cache, and a data
folder that lies there is refused. The mode of a folder that is not ours is never changed.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chronos.errors import EmbeddedFault, SettingFault

MEMORY_BYTES_MIN = 1536 << 20
DISK_BYTES_MIN = 2 << 30
_DEADLINE_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAs:
    """The unprivileged account of the operating system that servers run as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What was found on this machine, read once from the environment's variables."""

    run_as: RunAs | None
    cache: Path
    data: Path
    path: str
    java: str | None
    java_home: str | None
    postgres_bin: Path | None
    wal_archive: Path | None
    """Where the managed PostgreSQL keeps its log for ever; None: nowhere."""

    @classmethod
    def detect(cls, environment: Mapping[str, str]) -> Machine:
        """Finds the account, the cache and the default data folder.

        Raises:
            SettingFault: CHRONOS_RUN_AS names an account that does not exist, or root.
        """
        run_as = _run_as(environment.get("CHRONOS_RUN_AS", "nobody"))
        home = Path(environment.get("HOME") or Path.home())
        cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache") / "chronos"
        data = Path(environment.get("XDG_DATA_HOME") or home / ".local/share") / "chronos"
        if environment.get("CHRONOS_CACHE_DIR"):
            cache = Path(environment["CHRONOS_CACHE_DIR"])
        elif not enters(run_as, cache):
            cache = Path("/var/cache/chronos")
        if not enters(run_as, data):
            data = Path("/var/lib/chronos")
        postgres_bin = environment.get("CHRONOS_POSTGRES_BIN")
        wal_archive = environment.get("CHRONOS_WAL_ARCHIVE")
        return cls(
            run_as=run_as,
            cache=cache.absolute(),
            data=data.absolute(),
            path=environment.get("PATH", os.defpath),
            java=environment.get("CHRONOS_JAVA"),
            java_home=environment.get("JAVA_HOME"),
            postgres_bin=Path(postgres_bin) if postgres_bin else None,
            wal_archive=Path(wal_archive).absolute() if wal_archive else None,
        )

    def which(self, program: str) -> str | None:
        """Finds a program on PATH that the servers' account can run."""
        found = shutil.which(program, path=self.path)
        return found if found and reaches(self.run_as, Path(found)) else None

    def cached(self, *parts: str) -> Path:
        """Gives a folder of the cache, made if need be, open to every account for reading.

        Raises:
            EmbeddedFault: The folder cannot be made or the servers' account cannot enter it.
        """
        folder = self.cache
        try:
            make_open(folder)
            for part in parts:
                folder /= part
                make_open(folder)
        except OSError as error:
            raise EmbeddedFault(
                f"The cache folder {folder} cannot be made ({error.strerror}): "
                "set CHRONOS_CACHE_DIR to a folder that can be written."
            ) from error
        if not reaches(self.run_as, folder):
            raise EmbeddedFault(
                f"The account {account_name(self.run_as)!r}, which runs the servers, cannot "
                f"enter {folder}: set CHRONOS_CACHE_DIR to a folder that every user may enter."
            )
        return folder


def reaches(run_as: RunAs | None, path: Path) -> bool:
    """Tells whether the servers' account can read a file, or enter and read a folder.

    It is tried as that account, since modes alone do not tell (access lists, mounts).
    """
    if run_as is None:
        return os.access(path, os.R_OK)
    return _passes(run_as, path, 'test -r "$1" && { test ! -d "$1" || test -x "$1"; }')


def writes(run_as: RunAs | None, folder: Path) -> bool:
    """Tells whether the servers' account may make files in a folder."""
    if run_as is None:
        return os.access(folder, os.W_OK | os.X_OK)
    return _passes(run_as, folder, 'test -w "$1" && test -x "$1"')


def _passes(run_as: RunAs, path: Path, script: str) -> bool:
    tried = subprocess.run(  # noqa: S603 - a fixed script; the path is an argument of it
        ["/bin/sh", "-c", script, "sh", str(path)],
        user=run_as.uid,
        group=run_as.gid,
        extra_groups=[],
        cwd="/",
        check=False,
        timeout=_DEADLINE_S,
    )
    return tried.returncode == 0


def enters(run_as: RunAs | None, path: Path) -> bool:
    """Tells whether the account could reach `path` once made: its nearest parent decides."""
    if run_as is None:
        return True
    parent = path.absolute()
    while not parent.exists():
        parent = parent.parent
    return reaches(run_as, parent)


def make_open(folder: Path) -> None:
    """Makes a folder that every account may enter, whatever the umask; leaves an old one."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)


def account_name(run_as: RunAs | None) -> str:
    """Names the account that servers run as, for a sentence."""
    return run_as.name if run_as else "the user of this process"


def wheel_folder(package: str) -> Path | None:
    """Finds the folder of an installed package without importing it; None when absent."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def wheel_version(distribution: str) -> str:
    """Gives the version of an installed distribution."""
    return importlib.metadata.version(distribution)


def copied_if_hidden(machine: Machine, name: str, sources: tuple[Path, ...]) -> Path:
    """Gives the folder that holds `sources` side by side where the servers can read them.

    Where they are readable already it is their own parent, else a copy in the cache, made
    whole and then renamed into place.
    """
    if all(reaches(machine.run_as, source) for source in sources):
        return sources[0].parent
    target = machine.cached("programs") / name
    if target.is_dir():
        return target
    # Kafka and Elasticsearch may want the same Java at the same time; one rename wins.
    staging = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=target.parent))
    try:
        for source in sources:
            _copy(source, staging / source.name)
        _open_for_reading(staging)
        staging.rename(target)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        if not target.is_dir():
            raise EmbeddedFault(
                f"{name} could not be copied into {target.parent} ({error.strerror}): free "
                "disk space there, or set CHRONOS_CACHE_DIR to a folder on a larger disk."
            ) from error
    return target


def check_memory() -> None:
    """Refuses to start the servers where they would drive the machine out of memory.

    Raises:
        EmbeddedFault: Less than 1.5 GiB are available.
    """
    available = available_memory()
    if available is not None and available < MEMORY_BYTES_MIN:
        raise EmbeddedFault(
            f"Only {available >> 20} MiB of memory are available and the four servers need "
            f"{MEMORY_BYTES_MIN >> 20} MiB: close other programs and start again."
        )


def available_memory() -> int | None:
    """Gives the bytes of memory that programs may still take; None where that is not told."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None  # Not Linux: the servers say themselves what they miss.
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return None


def check_disk(folder: Path) -> None:
    """Refuses to start the servers on a disk that is nearly full.

    Raises:
        EmbeddedFault: Less than 2 GiB are free where the data lies.
    """
    free = shutil.disk_usage(folder).free
    if free < DISK_BYTES_MIN:
        raise EmbeddedFault(
            f"Only {free >> 20} MiB are free on the disk of {folder} and the servers need "
            f"{DISK_BYTES_MIN >> 20} MiB: free some, or choose another disk with --data."
        )


def _run_as(name: str) -> RunAs | None:
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise SettingFault(
            "CHRONOS_RUN_AS", f"is {name!r}, which is no account of this machine"
        ) from error
    if entry.pw_uid == 0:
        raise SettingFault("CHRONOS_RUN_AS", "is root, as whom no server runs; take nobody")
    return RunAs(name=name, uid=entry.pw_uid, gid=entry.pw_gid)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)


def _open_for_reading(tree: Path) -> None:
    for folder, _, files in os.walk(tree):
        Path(folder).chmod(0o755)
        for file in files:
            path = Path(folder, file)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
