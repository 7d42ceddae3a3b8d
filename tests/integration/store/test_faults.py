"""A connection lost at the worst moment: nothing is half done, nothing is done twice."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from chronos.domain.chart import AccountKind
from chronos.errors import DeadlineExceeded, Unavailable
from chronos.store.locks import blocking_locks, key_lock
from tests.builders import attempt, open_account, transfer
from tests.journals import SIZES, document, needs_of, store_on

COMMIT = b"COMMIT\0"
COUNT_MOVED = "SELECT count(*) FROM events WHERE amount IS NOT NULL"
LANES = """
SELECT pid
FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'chronos-api-lane-%'
"""


class Wire:
    """Stands between the store and PostgreSQL, and cuts when it sees what it waits for."""

    def __init__(self, host: str, port: int):
        self._place = (host, port)
        self.cut_before = None
        self.cut_after = None
        self.is_deaf = False

    async def carry(self, reader, writer):
        to_reader, to_writer = await asyncio.open_connection(*self._place)
        done = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._up(reader, to_writer, done))
            group.create_task(self._down(to_reader, writer, done))
            await done.wait()
            for end in (writer, to_writer):
                end.close()

    async def _up(self, reader, to_writer, done):
        while data := await _read(reader):
            if self.cut_before and self.cut_before in data:
                self.cut_before = None
                break
            to_writer.write(data)
            if self.cut_after and self.cut_after in data:
                self.cut_after = None
                self.is_deaf = True
        done.set()

    async def _down(self, to_reader, writer, done):
        while data := await _read(to_reader):
            if self.is_deaf:
                self.is_deaf = False
                break
            writer.write(data)
        done.set()


async def _read(reader) -> bytes:
    try:
        return await reader.read(65536)
    except ConnectionError:
        return b""


@asynccontextmanager
async def wire_to(dsn: str):
    """Gives a wire and the address of its near end."""
    parts = urlsplit(dsn)
    wire = Wire(parts.hostname, parts.port)
    server = await asyncio.start_server(wire.carry, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    place = f"{parts.username}:{parts.password}@127.0.0.1:{port}"
    async with server:
        yield wire, urlunsplit(parts._replace(netloc=place))


@pytest.fixture
async def wired(database):
    async with (
        wire_to(database.writer_dsn) as (wire, dsn),
        store_on(dsn) as store,
    ):
        for name in ("alice", "bob"):
            opening = attempt(open_account(name, kind=AccountKind.SETTLEMENT), f"open-{name}")
            assert (await store.journal.submit(opening)).status == 201
        yield wire, store.journal


async def test_an_answer_lost_after_commit_is_given_again_to_the_retry(wired, owner):
    wire, journal = wired
    wire.cut_after = COMMIT

    with pytest.raises(Unavailable):
        await journal.submit(attempt(transfer("alice", "bob", 250)))
    again = await journal.submit(attempt(transfer("alice", "bob", 250)))

    assert (again.status, again.replayed) == (201, True)
    assert await owner.fetchval(COUNT_MOVED) == 2


async def test_a_connection_lost_before_commit_leaves_nothing(wired, owner):
    wire, journal = wired
    wire.cut_before = COMMIT

    with pytest.raises(Unavailable):
        await journal.submit(attempt(transfer("alice", "bob", 250)))

    assert await owner.fetchval(COUNT_MOVED) == 0
    again = await journal.submit(attempt(transfer("alice", "bob", 250)))
    assert (again.status, again.replayed) == (201, False)


async def test_killed_backends_are_replaced_at_the_next_command(funded, owner):
    for lane in await owner.fetch(LANES):
        await owner.execute("SELECT pg_terminate_backend($1)", lane["pid"])

    async with asyncio.timeout(1):
        while True:
            try:
                receipt = await funded.submit(attempt(transfer("alice", "bob", 250)))
                break
            except Unavailable:
                continue

    assert receipt.status == 201
    assert await owner.fetchval(COUNT_MOVED) == 2


async def test_killed_readers_are_replaced_at_the_next_read(store, funded, owner):
    assert await store.reads.is_known("alice")
    await owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'chronos-api-reads' AND datname = current_database()"
    )

    async with asyncio.timeout(1):
        while True:
            try:
                assert await store.reads.is_known("alice")
                break
            except Unavailable:
                continue

    assert (await funded.submit(attempt(transfer("alice", "bob", 250)))).status == 201


async def test_a_lock_that_is_not_given_back_ends_in_a_deadline(funded, owner):
    needs = needs_of(transfer("alice", "bob"))
    async with owner.transaction():
        for lock in blocking_locks(needs):
            await owner.execute("SELECT pg_advisory_xact_lock($1)", lock)

        with pytest.raises(DeadlineExceeded):
            await funded.submit(attempt(transfer("alice", "bob", 250)))

    assert (await funded.submit(attempt(transfer("alice", "bob", 250)))).status == 201


async def test_a_key_that_another_process_works_on_is_in_progress(funded, owner):
    moving = attempt(transfer("alice", "bob", 250))
    async with owner.transaction():
        await owner.execute("SELECT pg_advisory_xact_lock($1)", key_lock(moving.key))

        busy = await funded.submit(moving)

    assert (busy.status, busy.retry_after_s) == (409, 1)
    assert document(busy)["code"] == "idempotency_in_progress"
    assert (await funded.submit(moving)).status == 201


async def test_a_server_that_is_not_there_is_unavailable_and_its_lanes_live_on():
    async with store_on("postgresql://chronos_writer:x@127.0.0.1:1/none", SIZES) as store:
        for _ in range(3):
            with pytest.raises(Unavailable):
                await store.journal.submit(attempt(open_account("alice")))
        with pytest.raises(Unavailable):
            await store.journal.preview(attempt(open_account("alice")))
        with pytest.raises(Unavailable):
            await store.reads.account("alice")
        for _ in range(2):
            with pytest.raises(Unavailable):
                await store.reads.balance("alice")


async def test_a_mistake_in_the_rights_is_not_called_unavailable(owner, funded):
    await owner.execute("REVOKE INSERT (body) ON events FROM chronos_writer")

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await funded.submit(attempt(transfer("alice", "bob", 250)))
