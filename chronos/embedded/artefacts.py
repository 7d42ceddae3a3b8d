"""The locked artefacts of Kafka and Elasticsearch, fetched once into the user's cache.

`artefacts.lock.tsv` names every file with its SHA-256 and size; jgo knows where such artefacts
are published. A file enters the cache only whole and with the right checksum, by a rename, so
several starts may fetch at the same time and a start that dies leaves nothing half done.
"""

from __future__ import annotations

import errno
import hashlib
import importlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chronos.embedded.machine import Machine
from chronos.embedded.report import Report
from chronos.errors import EmbeddedFault

LOCK = Path(__file__).with_name("artefacts.lock.tsv")
_TIMEOUT_S = 60
_TRIES_MAX = 3
_THREADS = 4
_MARGIN_BYTES = 100 << 20

Fetch = Callable[["Artefact", Path, Callable[[int], None]], Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """One published file: its coordinates, its checksum, its size, the server that needs it."""

    group: str
    name: str
    version: str
    packaging: str
    sha256: str
    size_bytes: int
    used_by: str

    @property
    def file_name(self) -> str:
        """Names the file as it is published."""
        return f"{self.name}-{self.version}.{self.packaging}"


def locked_artefacts(used_by: str, lock: Path = LOCK) -> tuple[Artefact, ...]:
    """Reads the lock: the artefacts of one server, in the lock's order."""
    rows = (
        line.split("\t")
        for line in lock.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
    return tuple(
        Artefact(
            group=group,
            name=name,
            version=version,
            packaging=packaging,
            sha256=sha256,
            size_bytes=int(size),
            used_by=server,
        )
        for group, name, version, packaging, sha256, size, server in rows
        if server == used_by
    )


def fetch_with_jgo(artefact: Artefact, folder: Path, advance: Callable[[int], None]) -> Path:
    """Fetches one artefact below `folder`; `advance` is told of every piece in bytes.

    Raises:
        OSError: The network or the disk failed.
        RuntimeError: No repository has the artefact, or it arrived damaged.
    """
    jgo = importlib.import_module("jgo.maven")  # Slow to load, and needed once in a lifetime.

    @contextmanager
    def progress(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield advance

    context = jgo.MavenContext(
        resolver=jgo.PythonResolver(progress_callback=progress),
        repo_cache=folder,
        timeout=_TIMEOUT_S,
    )
    component = context.project(artefact.group, artefact.name).at_version(artefact.version)
    return Path(component.artifact(packaging=artefact.packaging).resolve())


class Artefacts:
    """The cache's artefacts. Its one call blocks; run it in a thread."""

    def __init__(self, machine: Machine, report: Report, fetch: Fetch = fetch_with_jgo):
        self._machine = machine
        self._report = report
        self._fetch = fetch
        self._lock = threading.Lock()
        self._done_bytes = 0
        self._total_bytes = 0

    def ensure(self, wanted: tuple[Artefact, ...]) -> tuple[Path, ...]:
        """Gives the files of `wanted`, in that order, fetched where the cache lacks them.

        Raises:
            EmbeddedFault: A checksum is wrong, the network does not answer, the disk is full,
                or jgo is not installed; the sentence says which and what to do.
        """
        folder = self._machine.cached("artefacts")
        missing = [a for a in wanted if not _is_whole(folder / a.file_name, a)]
        if missing:
            self._fetch_all(folder, missing)
        return tuple(folder / artefact.file_name for artefact in wanted)

    def _fetch_all(self, folder: Path, missing: list[Artefact]) -> None:
        size = sum(artefact.size_bytes for artefact in missing)
        _check_room(folder, size)
        with self._lock:
            self._total_bytes += size
        staging = Path(tempfile.mkdtemp(prefix=".fetch-", dir=folder))
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="fetch")
        try:
            # The largest first: it decides when the last thread ends.
            for _ in pool.map(
                lambda artefact: self._fetch_one(artefact, folder, staging),
                sorted(missing, key=lambda artefact: -artefact.size_bytes),
            ):
                pass
        finally:
            pool.shutdown(cancel_futures=True)
            shutil.rmtree(staging, ignore_errors=True)

    def _fetch_one(self, artefact: Artefact, folder: Path, staging: Path) -> None:
        got = self._tried(artefact, folder, staging)
        _check_sum(got, artefact)
        got.chmod(0o644)
        got.replace(folder / artefact.file_name)

    def _tried(self, artefact: Artefact, folder: Path, staging: Path) -> Path:
        tries = 0
        while True:
            tries += 1
            try:
                return self._fetch(artefact, Path(tempfile.mkdtemp(dir=staging)), self._advance)
            except (OSError, RuntimeError, ImportError) as error:
                if tries == _TRIES_MAX or isinstance(error, ImportError) or _is_full(error):
                    raise _fetch_fault(artefact, folder, error) from error

    def _advance(self, size_bytes: int) -> None:
        with self._lock:
            self._done_bytes = min(self._done_bytes + size_bytes, self._total_bytes)
            self._report.fetching(self._done_bytes, self._total_bytes)


def _is_whole(path: Path, artefact: Artefact) -> bool:
    # The checksum was compared before the file got its name; a size tells a later truncation.
    return path.is_file() and path.stat().st_size == artefact.size_bytes


def _check_room(folder: Path, size_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size_bytes + _MARGIN_BYTES:
        raise EmbeddedFault(
            f"{size_bytes >> 20} MiB are to be fetched and only {free >> 20} MiB are free in "
            f"{folder}: free some, or set CHRONOS_CACHE_DIR to a folder on a larger disk."
        )


def _check_sum(path: Path, artefact: Artefact) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != artefact.sha256:
        path.unlink()
        raise EmbeddedFault(
            f"{artefact.file_name} arrived with the SHA-256 {found} and the lock says "
            f"{artefact.sha256}: it was thrown away; try again, and if it stays so, fetch from "
            "another network, since something on this one changes the file."
        )


def _is_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def _fetch_fault(artefact: Artefact, folder: Path, error: Any) -> EmbeddedFault:
    if isinstance(error, ImportError):
        return EmbeddedFault(
            "jgo, which fetches the servers, is not installed: install "
            "'chronos-ledger[embedded]', or give the servers by address (CHRONOS_KAFKA, "
            "CHRONOS_ELASTICSEARCH_URL)."
        )
    if _is_full(error):
        return EmbeddedFault(
            f"The disk of {folder} is full while {artefact.file_name} is fetched: free some "
            "space, or set CHRONOS_CACHE_DIR to a folder on a larger disk."
        )
    return EmbeddedFault(
        f"{artefact.file_name} could not be fetched ({type(error).__name__}): check that this "
        "machine reaches its package registries and start again; what has arrived is kept."
    )
