"""Between the events and their outbox rows there is nothing but one statement of PostgreSQL.

A trigger of this test stops the statement where rows of one table are there and those of
another are not; then the API, or the backend that works for it, is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator

import aiohttp
import asyncpg
import pytest

from tests.integration.api.running import make_key, running_api
from tests.integration.end_to_end.running import eventually

GATE = 4711
TABLES = ("accounts", "events", "outbox_0", "receipts")
# One point, met at each of its four tables.
TIMES = max(1, int(os.environ.get("TEST_CRASHES", "2")) // len(TABLES))
# To open an account takes one row of each table. A sequence keeps count of them, also of those
# that are taken back.
PREPARE = f"""
CREATE SEQUENCE rows_begun;
CREATE FUNCTION count_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  PERFORM nextval('rows_begun');
  RETURN NEW;
END
$$;
CREATE FUNCTION stop_here() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared({GATE});
  RETURN NEW;
END
$$;
""" + "".join(
    f"CREATE TRIGGER a_count BEFORE INSERT ON {table}"
    " FOR EACH ROW EXECUTE FUNCTION count_row();"
    for table in TABLES
)
STOP_AT = """
SELECT setval('rows_begun', 1, false);
CREATE TRIGGER b_stop BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION stop_here()
"""
GO_ON_AT = "DROP TRIGGER b_stop ON {table}"
WAITING = """
SELECT pid
FROM pg_locks
WHERE locktype = 'advisory' AND objid = $1 AND NOT granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
BUSY = """
SELECT count(*)
FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'chronos-writer' AND state <> 'idle'
"""
COUNTS = f"SELECT {', '.join(f'(SELECT count(*) FROM {table})' for table in TABLES)}"


class Half:
    """An API whose inserts can be stopped half-way."""

    def __init__(self, owner: asyncpg.Connection, database, folder):
        self.owner = owner
        self._database = database
        self._folder = folder
        self._key = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[object]:
        stack = contextlib.ExitStack()
        api = await asyncio.to_thread(
            stack.enter_context, running_api(self._database, self._folder)
        )
        try:
            yield api
        finally:
            await asyncio.to_thread(stack.close)

    async def send(self, api, name: str) -> int:
        """Opens an account; the status, or 0 when there was no answer."""
        if self._key is None:
            self._key = await asyncio.to_thread(
                make_key, self._database, "tester", "read", "write"
            )
        headers = {"Authorization": f"Bearer {self._key}", "Idempotency-Key": name}
        url = f"http://127.0.0.1:{api.port}/v1/accounts"
        body = json.dumps({"id": name, "currency": "EUR"})
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http,
                http.post(
                    url, data=body, headers={**headers, "Content-Type": "application/json"}
                ) as answer,
            ):
                return answer.status
        except aiohttp.ClientError:
            return 0

    async def succeeds(self, api, name: str) -> None:
        """Sends twice what was not answered: it is done once."""
        before = await self.counts()
        assert [await self.send(api, name) for _ in range(2)] == [201, 201]
        assert await self.counts() == tuple(count + 1 for count in before)

    async def stopped(self) -> int:
        """The backend that waits half-way."""
        found: list[int] = []

        async def waits() -> bool:
            found[:] = [row["pid"] for row in await self.owner.fetch(WAITING, GATE)]
            return bool(found)

        await eventually(waits, within_s=20)
        return found[0]

    def stops(self) -> list[tuple[str, str]]:
        """Each table to stop at, each time with another account to open."""
        return [(table, f"{table}-{n}") for table in TABLES for n in range(TIMES)]

    @contextlib.asynccontextmanager
    async def stopping_at(self, table: str) -> AsyncIterator[None]:
        """Stops whoever inserts into a table, before its first row, until the block ends."""
        await self.owner.execute(STOP_AT.format(table=table))
        await self.owner.execute(f"SELECT pg_advisory_lock({GATE})")
        try:
            yield
        finally:
            await self.owner.execute(f"SELECT pg_advisory_unlock({GATE})")
            await self.owner.execute(GO_ON_AT.format(table=table))

    async def tables_written(self) -> int:
        """Into how many of the tables the stopped statement has inserted."""
        return await self.owner.fetchval("SELECT last_value - 1 FROM rows_begun")

    async def is_quiet(self) -> bool:
        return not await self.owner.fetchval(BUSY)

    async def counts(self) -> tuple[int, ...]:
        return tuple(await self.owner.fetchrow(COUNTS))


@pytest.fixture
async def half(database, tmp_path) -> AsyncIterator[Half]:
    owner = await asyncpg.connect(database.owner_dsn, timeout=10)
    await owner.execute(PREPARE)
    yield Half(owner, database, tmp_path)
    await owner.close(timeout=5)


async def test_an_api_that_dies_inside_the_statement_leaves_no_half_of_it(half, figures):
    began_s, there = time.monotonic(), []
    unanswered = None
    for table, name in half.stops():
        async with half.running() as api:
            if unanswered is not None:
                await half.succeeds(api, unanswered)
            before = await half.counts()
            async with half.stopping_at(table):
                sent = asyncio.create_task(half.send(api, name))
                await half.stopped()
                there.append(await half.tables_written())
                api.process.send_signal(signal.SIGKILL)
                assert await sent == 0
            await asyncio.to_thread(api.process.wait, 10)
        await eventually(half.is_quiet, within_s=20)
        assert await half.counts() == before
        unanswered = name
    async with half.running() as api:
        await half.succeeds(api, unanswered)
    assert sorted(there) == sorted(TIMES * [0, 1, 2, 3]), "the halves were not all seen"
    figures.append(_figures("api", len(there), began_s))


async def test_a_backend_that_dies_inside_the_statement_leaves_no_half_of_it(half, figures):
    began_s, there = time.monotonic(), []
    async with half.running() as api:
        for table, name in half.stops():
            before = await half.counts()
            async with half.stopping_at(table):
                sent = asyncio.create_task(half.send(api, name))
                backend = await half.stopped()
                there.append(await half.tables_written())
                await half.owner.execute(f"SELECT pg_terminate_backend({backend})")
                assert await sent == 503
                assert await half.counts() == before
            await half.succeeds(api, name)
    assert sorted(there) == sorted(TIMES * [0, 1, 2, 3]), "the halves were not all seen"
    figures.append(_figures("backend of postgresql", len(there), began_s))


def _figures(process: str, hits: int, began_s: float) -> dict[str, object]:
    # Each hit is one command, and each was acknowledged when it was sent again.
    return {
        "process": process,
        "point": "inside the insert, at each of its four tables",
        "hits": hits,
        "acknowledged": hits,
        "violations": 0,
        "seconds": round(time.monotonic() - began_s, 1),
    }
