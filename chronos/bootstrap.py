"""Makes the environment of a checkout on a bare Python, then hands over to the command line.

Standard library only. `requirements.lock` (for `test`: `tests/requirements.lock`, which holds
all of the former too) is installed by pip with its hashes into `.venv`; a stamp remembers the
checksums of the locks, so the next start is instant and needs no network. Two starts at once
take turns by a lock file. A `.venv` that was left half made carries a mark and is made anew. An
environment that has the locked versions already is used as it is.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

RUN_LOCK = "requirements.lock"
TEST_LOCK = "tests/requirements.lock"
# What the code imports first; in the locked versions they vouch for the rest.
_RUN_NAMES = (
    "aiohttp",
    "aiokafka",
    "asyncpg",
    "click",
    "faust-streaming",
    "grpcio",
    "msgspec",
    "opentelemetry-sdk",
    "protobuf",
    "rich",
)
_TEST_NAMES = (
    "grpcio-tools",
    "hypothesis",
    "mypy",
    "pytest",
    "pytest-asyncio",
    "pytest-xdist",
    "ruff",
    "schemathesis",
)
_PIN = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
_UNFINISHED = "chronos-unfinished"
_STAMP = "chronos-stamp.json"
_LOG = "chronos-pip.log"
_CHECK_S = 30

_NETWORK = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|ConnectionError|ConnectionRefused"
    # What pip says when not even a list of versions could be read.
    r"|\(from versions: none\)"
    r"|Name or service not known|name resolution|Network is unreachable|ProxyError|SSLError"
)
_FULL = re.compile(r"No space left on device|Disk quota exceeded|Errno 28|Errno 122")
_HASHES = re.compile(r"DO NOT MATCH THE HASHES")
_NO_WHEEL = re.compile(r"No matching distribution found for (\S+)")


class SetupFault(Exception):
    """Says in one sentence why the environment cannot be made, and what to do."""


def start(arguments: Sequence[str]) -> None:
    """Runs `chronos` with these arguments, in an environment that has what it needs."""
    checkout = Path(__file__).resolve().parents[1]
    lock_name = TEST_LOCK if arguments[:1] == ["test"] else RUN_LOCK
    try:
        if (checkout / RUN_LOCK).is_file() and not is_complete(checkout, lock_name):
            python = prepare(checkout, lock_name)
            _go_on_inside(python, checkout, arguments)
    except SetupFault as fault:
        sys.exit(f"chronos: {fault}")
    except KeyboardInterrupt:
        sys.exit(130)
    importlib.import_module("chronos.cli.main").main(list(arguments))


def is_complete(checkout: Path, lock_name: str) -> bool:
    """Tells whether the Python that runs now has what the lock asks for."""
    environment = checkout / ".venv"
    if Path(sys.prefix) == environment.resolve() and _is_stamped(
        environment, checkout, lock_name
    ):
        return True
    pins = read_pins((checkout / lock_name).read_text(encoding="utf-8"))
    names = _RUN_NAMES + (_TEST_NAMES if lock_name == TEST_LOCK else ())
    return all(_installed_version(name) == pins.get(name) for name in names)


def prepare(checkout: Path, lock_name: str) -> Path:
    """Makes or completes `.venv` where needed, and gives its Python.

    Raises:
        SetupFault: A part of Python is missing, pip failed, or the folder cannot be written.
    """
    environment = checkout / ".venv"
    python = environment / "bin" / "python"
    if _is_stamped(environment, checkout, lock_name) and python.exists():
        return python
    try:
        with _turn(checkout):
            if not (_is_stamped(environment, checkout, lock_name) and python.exists()):
                _make(environment, checkout, lock_name)
    except OSError as error:
        raise SetupFault(_os_sentence(error, checkout)) from error
    return python


def read_pins(lock: str) -> dict[str, str]:
    """Reads the names (in lower case) and versions of a lock file."""
    return {name.lower(): version for name, version in _PIN.findall(lock)}


def explain(log: str, log_path: Path, code: int) -> str:
    """Turns what pip wrote before it failed into one sentence that says what to do."""
    missing = _NO_WHEEL.search(log)
    if _FULL.search(log):
        advice = "the disk is full: free about 1 GiB and run the same command again"
    elif _HASHES.search(log):
        advice = (
            "a package does not have the checksum that the lock names: run the same command "
            "again, and if it stays so use another network, since this one changes packages"
        )
    elif _NETWORK.search(log):
        advice = (
            "a package registry cannot be reached: check the network (and pip's settings for "
            "a mirror or proxy), then run the same command again"
        )
    elif missing:
        advice = (
            f"there is no {missing[1]} for this Python and machine: use CPython 3.11 to 3.13 "
            "on Linux (x86-64 or ARM) or macOS"
        )
    else:
        advice = f"pip ended with exit code {code}: the end of its log says why"
    return f"The environment could not be made, because {advice}; pip's log is {log_path}."


def _make(environment: Path, checkout: Path, lock_name: str) -> None:
    python = environment / "bin" / "python"
    if (environment / _UNFINISHED).exists() or not _runs(python):
        _create(environment)
    unfinished = environment / _UNFINISHED
    unfinished.touch()
    _install(python, environment, checkout / lock_name)
    write_command(environment, checkout)
    _write_stamp(environment, checkout, lock_name)
    unfinished.unlink()


def write_command(environment: Path, checkout: Path) -> None:
    """Writes `bin/chronos`, which runs this checkout's code from any working directory."""
    python = environment / "bin" / "python"
    command = environment / "bin" / "chronos"
    command.write_text(
        "#!/bin/sh\n"
        f"export PYTHONPATH={shlex.quote(str(checkout))}${{PYTHONPATH:+:$PYTHONPATH}}\n"
        f'exec {shlex.quote(str(python))} -m chronos "$@"\n',
        encoding="utf-8",
    )
    command.chmod(0o755)


def _create(environment: Path) -> None:
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            release = f"{sys.version_info.major}.{sys.version_info.minor}"
            raise SetupFault(
                f"This Python has no module {module}: install it (on Debian and Ubuntu: "
                f"apt-get install python{release}-venv) and run the same command again."
            )
    _tell(f"making the environment {environment}")
    shutil.rmtree(environment, ignore_errors=True)
    environment.mkdir()
    (environment / _UNFINISHED).touch()
    made = subprocess.run(  # noqa: S603 - this Python, on a folder of this checkout
        [sys.executable, "-m", "venv", str(environment)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        lines = (made.stdout + made.stderr).strip().splitlines() or ["it said nothing"]
        raise SetupFault(f"python -m venv {environment} failed: {lines[-1]}; mend that first.")


def _install(python: Path, environment: Path, lock: Path) -> None:
    log_path = environment / _LOG
    total = len(read_pins(lock.read_text(encoding="utf-8")))
    _tell(f"installing up to {total} locked packages from {lock.name}; pip's log: {log_path}")
    command = [str(python), "-m", "pip", "install", "--require-hashes", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "-r", str(lock)]
    with (
        log_path.open("w", encoding="utf-8") as log,
        subprocess.Popen(  # noqa: S603 - the environment's own pip, with fixed options
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as pip,
    ):
        progress = _Progress(total)
        for line in pip.stdout or ():
            log.write(line)
            progress.take(line)
        progress.end()
    if pip.returncode != 0:
        text = log_path.read_text(encoding="utf-8", errors="replace")
        raise SetupFault(explain(text, log_path, pip.returncode))


class _Progress:
    """Counts the packages that pip names: one moving line at a terminal, else few lines."""

    def __init__(self, total: int):
        self._total = total
        self._seen = 0
        self._live = sys.stderr.isatty()

    def take(self, line: str) -> None:
        if line.startswith(("Collecting ", "Requirement already")):
            self._seen = min(self._seen + 1, self._total)
            if self._live:
                self._show(f"  {self._seen} of {self._total} packages")
            elif self._seen % 25 == 0:
                _tell(f"  {self._seen} of {self._total} packages")
        elif line.startswith("Installing collected packages"):
            if self._live:
                self._show("  unpacking")
            else:
                _tell("  unpacking")

    def end(self) -> None:
        if self._live:
            self._show("")

    def _show(self, text: str) -> None:
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


@contextlib.contextmanager
def _turn(checkout: Path) -> Iterator[None]:
    with (checkout / ".venv.lock").open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _tell("another start is making the environment; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_stamped(environment: Path, checkout: Path, lock_name: str) -> bool:
    if (environment / _UNFINISHED).exists():
        return False
    try:
        stamp = json.loads((environment / _STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(stamp.get(lock_name) == _checksum(checkout / lock_name))


def _write_stamp(environment: Path, checkout: Path, lock_name: str) -> None:
    # The lock for tests is resolved to the same versions and has all that the other has.
    names = (RUN_LOCK, TEST_LOCK) if lock_name == TEST_LOCK else (RUN_LOCK,)
    stamp = {name: _checksum(checkout / name) for name in names}
    staging = environment / f"{_STAMP}.part"
    staging.write_text(json.dumps(stamp, indent=2) + "\n", encoding="utf-8")
    staging.replace(environment / _STAMP)


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _installed_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _runs(python: Path) -> bool:
    """Tells whether an environment's Python is recent enough and has pip."""
    script = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    try:
        tried = subprocess.run(  # noqa: S603 - the Python of this checkout's own environment
            [str(python), "-c", script], capture_output=True, check=False, timeout=_CHECK_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return tried.returncode == 0


def _os_sentence(error: OSError, checkout: Path) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return (
            f"The disk of {checkout} is full: free about 1 GiB and run the same command again."
        )
    return (
        f"The environment {checkout / '.venv'} could not be made ({error.strerror}): make "
        "that folder writable for this user, or install the package elsewhere with pip."
    )


def _go_on_inside(python: Path, checkout: Path, arguments: Sequence[str]) -> None:
    # The checkout must be found from any working directory, also by child processes.
    paths = [str(checkout), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    sys.stderr.flush()
    os.execve(  # noqa: S606 - the same program, in the environment that was just made
        python, [str(python), "-m", "chronos", *arguments], environment
    )


def _tell(line: str) -> None:
    print(f"chronos: {line}", file=sys.stderr, flush=True)
