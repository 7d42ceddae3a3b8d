"""What all tests share: one set of real servers, folders that they may enter, own names.

The servers start when the first test asks for them and run on a loop of their own in a thread,
so that no test's loop decides over their life. A developer who has servers running names them
in a JSON file (keys postgres, kafka, redis, elasticsearch) by TEST_SERVERS_FILE, and a single
test starts at once.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from chronos.embedded.folder import DataFolder, FolderLock
from chronos.embedded.machine import Machine
from chronos.embedded.passwords import Passwords
from chronos.embedded.ports import choose_ports
from chronos.embedded.report import Screen
from chronos.embedded.servers import ForeignAddresses, Servers
from chronos.embedded.supervisor import Supervisor
from tests.alone import alone, beside_others

ENVIRONMENT = os.environ
# How long an example takes says something of the machine, not of the code.
settings.register_profile(
    "shared machine",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("shared machine")
STOP_S = 120
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddresses:
    """Where the four servers of this test run are."""

    postgres: str
    kafka: str
    redis: str
    elasticsearch: str


@pytest.fixture(scope="session")
def servers() -> Iterator[ServerAddresses]:
    """One set of the four real servers, as their owner sees them."""
    given = ENVIRONMENT.get("TEST_SERVERS_FILE")
    if given:
        known = json.loads(Path(given).read_text(encoding="utf-8"))
        names = ("postgres", "kafka", "redis", "elasticsearch")
        yield ServerAddresses(**{name: known[name] for name in names})
        return
    with _open_folder() as folder, _Background(folder) as addresses:
        yield addresses


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """A folder for `chronos up` that the servers' account can enter; pytest's own it cannot."""
    with _open_folder() as folder:
        yield folder


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test has."""
    return f"test{os.getpid()}n{next(_numbers)}"


@pytest.fixture(autouse=True)
def place(request, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the other processes of this run waiting while a test marked `alone` runs."""
    if "PYTEST_XDIST_WORKER" not in ENVIRONMENT:
        yield
        return
    folder = tmp_path_factory.getbasetemp().parent
    is_alone = request.node.get_closest_marker("alone") is not None
    with (alone if is_alone else beside_others)(folder):
        yield


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A command sets the log up for its own process; a test must not leave that behind."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


class _open_folder:  # noqa: N801 - used like a function
    """A temporary folder that other accounts may enter, removed at the end."""

    def __enter__(self) -> Path:
        self._made = Path(tempfile.mkdtemp(prefix="chronos-test-"))
        self._made.chmod(0o711)
        return self._made / "data"

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._made, ignore_errors=True)


class _Background:
    """Runs the servers on a loop in a thread from entering to leaving."""

    def __init__(self, folder: Path):
        self._folder = DataFolder(folder)
        self._ready: concurrent.futures.Future[ServerAddresses] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._main, name="servers")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None

    def __enter__(self) -> ServerAddresses:
        self._thread.start()
        return self._ready.result()

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._end is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(STOP_S)
        assert not self._thread.is_alive(), "the servers did not stop"

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:  # noqa: BLE001 - it is given to the waiting test
            if not self._ready.done():
                self._ready.set_exception(error)

    async def _run(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        machine = Machine.detect(ENVIRONMENT)
        folder = self._folder
        folder.make(machine.run_as)
        lock = FolderLock(folder)
        await lock.take()
        folder.clear_run()
        with Screen() as screen:
            async with Supervisor(folder, screen, lock_fd=lock.fd) as supervisor:
                servers = Servers(
                    machine=machine,
                    folder=folder,
                    ports=choose_ports(folder.run / "ports.json", 0),
                    passwords=Passwords.kept(folder.run / "secrets.json"),
                    foreign=ForeignAddresses(),
                    report=screen,
                )
                await servers.start(supervisor)
                names = ("postgres", "kafka", "redis", "elasticsearch")
                self._ready.set_result(
                    ServerAddresses(**{name: servers.address(name) for name in names})
                )
                await self._end.wait()
        lock.release()
