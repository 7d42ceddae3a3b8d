"""PostgreSQL away, processes killed, a process told to stop: nothing lost, nothing doubled."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chronos.store.locks import blocking_locks
from chronos.wire.booking import Needs
from tests.databases import Database
from tests.integration.api.running import (
    STOP_S,
    Inspector,
    RunningApi,
    is_ready,
    make_key,
    running_api,
    wait_until,
)
from tests.integration.api.wire import Door, connect, new_key, read_answer

HEAL_S = 20


class Proxy:
    """Stands between the API and PostgreSQL, and can be cut."""

    def __init__(self, dsn: str):
        parts = urlsplit(dsn)
        self._target = (parts.hostname, parts.port)
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.port = 0
        self.mend()
        self.dsn = dsn.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{self.port}")

    def mend(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self._listener, self.port = listener, listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        assert self._listener is not None
        for end in (self._listener, *self._open):
            _shut(end)
            end.close()
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            self._open |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    for end in (source, sink):
        _shut(end)


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side may have been first
        end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(own_database: Database) -> Iterator[Proxy]:
    made = Proxy(own_database.writer_dsn)
    yield made
    made.cut()


@pytest.fixture(scope="module")
def api_key(own_database: Database) -> str:
    return make_key(own_database, "client", "read", "write")


def fill(door: Door, *names: str) -> None:
    for name in names:
        assert door.open_account(name, kind="settlement").status in (201, 409)


def test_without_postgresql_a_command_gets_503_and_later_succeeds_with_its_key(
    own_database: Database, proxy: Proxy, api_key: str, tmp_path: Path
) -> None:
    with running_api(own_database, tmp_path, dsn=proxy.dsn) as api:
        door, key = api.door(api_key), new_key()
        fill(door, "north", "south")

        proxy.cut()
        refused = door.transfer("north", "south", 5, key=key)
        read = door.get("/v1/accounts/north")
        unready = Door(port=api.admin_port, api_key="").get("/readyz")

        for answer in (refused, read, unready):
            assert (answer.status, answer.json["code"]) == (503, "unavailable")
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json["retryable"] is True
        assert Door(port=api.admin_port, api_key="").get("/healthz").status == 200
        proxy.mend()
        wait_until(lambda: is_ready(api.admin_port), HEAL_S, api.log.read_text)
        assert door.transfer("north", "south", 5, key=key).status == 201
        assert door.transfer("north", "south", 5, key=key).headers["idempotent-replayed"]
        assert api.stop() == 0


def test_an_api_that_starts_before_postgresql_waits_for_it(
    own_database: Database, proxy: Proxy, api_key: str, tmp_path: Path
) -> None:
    proxy.cut()
    with running_api(own_database, tmp_path, dsn=proxy.dsn, ready=False) as api:
        admin = Door(port=api.admin_port, api_key="")
        wait_until(lambda: is_listening(api.port), HEAL_S, api.log.read_text)

        assert admin.get("/healthz").status == 200
        assert admin.get("/readyz").status == 503
        assert api.door(api_key).get("/v1/accounts/north").status == 503
        proxy.mend()
        wait_until(lambda: is_ready(api.admin_port), HEAL_S, api.log.read_text)
        assert api.stop() == 0


def test_an_unsafe_role_ends_the_process_with_78(
    own_database: Database, tmp_path: Path
) -> None:
    with running_api(
        own_database, tmp_path, dsn=own_database.owner_dsn, ready=False, api_processes=2
    ) as api:
        assert api.process.wait(STOP_S) == 78


@pytest.mark.parametrize("setting", ["partitions", "relay_shards"])
def test_who_would_deal_the_outbox_out_in_another_way_ends_with_78(
    own_database: Database, api_key: str, tmp_path: Path, setting: str
) -> None:
    with running_api(own_database, tmp_path) as first:
        fill(first.door(api_key), "east", "west")
        assert first.stop() == 0

    with running_api(own_database, tmp_path, ready=False, **{setting: 3}) as other:
        assert other.process.wait(STOP_S) == 78
        assert f"CHRONOS_{setting.upper()}: is 3, but the outbox" in other.log.read_text()
    with running_api(own_database, tmp_path) as again:
        assert again.stop() == 0


def test_a_stopping_process_answers_what_it_has_taken(
    own_database: Database, api_key: str, tmp_path: Path
) -> None:
    with running_api(own_database, tmp_path) as api, Inspector(own_database) as inspector:
        door, key = api.door(api_key), new_key()
        fill(door, "east", "west")
        lock = min(
            blocking_locks(
                Needs(accounts=("east",), transfers=(), external_ids=(), events_max=0)  # type: ignore[arg-type]
            )
        )
        inspector.fetch("SELECT pg_advisory_lock($1)", lock)
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            answer = thread.submit(door.transfer, "east", "west", 9, key=key)
            wait_until(lambda: waits_for_a_lock(inspector), HEAL_S, api.log.read_text)
            api.process.send_signal(signal.SIGTERM)
            wait_until(lambda: not is_listening(api.port), HEAL_S, api.log.read_text)
            inspector.fetch("SELECT pg_advisory_unlock($1)", lock)
            assert answer.result(STOP_S).status == 201
            assert answer.result().headers["connection"] == "close"
        assert api.process.wait(STOP_S) == 0


def test_several_processes_share_a_port_and_a_dead_one_is_replaced(
    own_database: Database, api_key: str, tmp_path: Path
) -> None:
    with running_api(own_database, tmp_path, api_processes=2) as api:
        door, key = api.door(api_key), new_key()
        wait_until(lambda: is_ready(api.admin_port + 1), HEAL_S, api.log.read_text)
        fill(door, "left", "right")
        with concurrent.futures.ThreadPoolExecutor(50) as threads:
            answers = list(
                threads.map(lambda _: door.transfer("left", "right", 1, key=key), range(50))
            )
        booked = {answer.body for answer in answers if answer.status == 201}
        assert len(booked) == 1
        assert {answer.status for answer in answers} <= {201, 409}
        assert door.get("/v1/accounts/right").json["version"] == 2

        before = children(api)
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: len(set(children(api)) - set(before)) == 1, HEAL_S)
        for number in range(2):
            wait_until(
                lambda port=api.admin_port + number: is_ready(port), HEAL_S, api.log.read_text
            )
        assert api.stop() == 0


def test_children_do_not_outlive_a_parent_that_is_killed(
    own_database: Database, tmp_path: Path
) -> None:
    with running_api(own_database, tmp_path, api_processes=2) as api:
        wait_until(lambda: is_ready(api.admin_port + 1), HEAL_S, api.log.read_text)
        pids = children(api)
        assert len(pids) == 2

        api.process.kill()
        api.process.wait(STOP_S)

        wait_until(lambda: not any(is_alive(pid) for pid in pids), HEAL_S)
        wait_until(lambda: not is_listening(api.port), HEAL_S)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_taken_port_ends_the_process_in_one_sentence(
    own_database: Database, tmp_path: Path, processes: int
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with running_api(
            own_database, tmp_path, ready=False, api_port=port, api_processes=processes
        ) as api:
            assert api.process.wait(STOP_S) == 1
            assert f"Port {port}" in api.log.read_text().splitlines()[-1]


def test_a_slow_head_does_not_keep_others_waiting(
    own_database: Database, api_key: str, tmp_path: Path
) -> None:
    with (
        running_api(own_database, tmp_path, body_deadline_s=1) as api,
        connect(api.port) as slow,
    ):
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost:")

        assert api.door(api_key).get("/healthz").status == 200
        answer = read_answer(slow)

        assert (answer.status, answer.json["code"]) == (408, "request_timeout")
        assert slow.recv(1) == b""


def test_a_broken_invariant_is_told_once_and_ends_the_process_with_70(
    own_database: Database, api_key: str, tmp_path: Path
) -> None:
    with running_api(own_database, tmp_path) as api, Inspector(own_database) as inspector:
        door = api.door(api_key)
        fill(door, "whole", "torn")
        made = door.transfer("whole", "torn", 4)
        inspector.fetch("ALTER TABLE events DISABLE TRIGGER ALL")
        inspector.fetch(
            "INSERT INTO events SELECT (jsonb_populate_record(event, jsonb_build_object("
            "  'transfer_id', 'half', 'version', event.version + 1, 'position', 999999999"
            "))).* FROM events AS event WHERE transfer_id = $1 AND leg = 0",
            made.json["id"],
        )

        answer = door.get("/v1/transfers/half")

        assert (answer.status, answer.json["code"]) == (500, "internal_error")
        assert api.process.wait(STOP_S) == 70
        assert "chronos verify" in api.log.read_text().splitlines()[-1]


def children(api: RunningApi) -> list[int]:
    tasks = Path(f"/proc/{api.process.pid}/task/{api.process.pid}/children")
    return [int(pid) for pid in tasks.read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def is_listening(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def waits_for_a_lock(inspector: Inspector) -> bool:
    return bool(
        inspector.fetch(
            "SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
            "WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
        )
    )
