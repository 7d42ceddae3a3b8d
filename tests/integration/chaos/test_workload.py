"""The clients against a real API and PostgreSQL, with an outage on the way."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from pathlib import Path

import asyncpg
import msgspec
import pytest
from aiohttp import web

from chronos.audit.verify import verify
from chronos.chaos.bank import accounts
from chronos.chaos.history import Kind, Operation, Outcome, read_history
from chronos.chaos.load.plan import LoadPlan
from chronos.chaos.readers.snapshots import Snapshot, SnapshotReader
from chronos.chaos.workload import NoLoad, Workload
from tests.integration.api.running import make_key, running_api, wait_until

CLIENTS = 4
REFUSALS = {
    "insufficient_funds",
    "currency_mismatch",
    "hold_not_open",
    "already_reversed",
    "not_reversible",
}


class Way:
    """The clients' way to the API, which can be cut."""

    def __init__(self, port: int):
        self._to = port
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self, port: int = 0) -> int:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", port)
        return self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        gone = (writer.wait_closed() for writer in self._writers)
        await asyncio.gather(*gone, return_exceptions=True)

    async def _carry(self, reader, writer):
        back, forth = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers |= {writer, forth}
        await asyncio.gather(_copy(reader, forth), _copy(back, writer))


async def _copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


@pytest.fixture
async def query_side():
    """A query side that answers every second question, and lets the others wait."""
    numbers = iter(range(1_000_000))

    async def balance(request: web.Request) -> web.Response:
        if next(numbers) % 2:
            await asyncio.sleep(30)
        return web.json_response({"version": int(request.query["min_version"])})

    app = web.Application()
    app.router.add_get("/v1/accounts/{id}/balance", balance)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest.fixture
def api(database, tmp_path: Path):
    with running_api(database, tmp_path) as running:
        yield running


def plan(api, tmp_path: Path, *, command: int, query: int) -> LoadPlan:
    return LoadPlan(
        seed=11,
        clients=CLIENTS,
        command=f"http://127.0.0.1:{command}",
        query=f"http://127.0.0.1:{query}",
        postgres_dsn=api.database.reader_dsn,
        api_key=make_key(api.database, "chaos", "read", "write"),
        history=str(tmp_path / "history.jsonl"),
    )


async def until_lines(path: Path, more: int) -> None:
    """Waits until so many more lines are in the history."""
    wanted = _lines(path) + more
    await asyncio.to_thread(wait_until, lambda: _lines(path) >= wanted, 60)


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


async def load_with_an_outage(api, query_side, tmp_path) -> list[Operation]:
    """Sends, cuts the way to the API for a while, and ends after it has healed."""
    way = Way(api.port)
    port = await way.open()
    load_plan = await asyncio.to_thread(plan, api, tmp_path, command=port, query=query_side)
    history = tmp_path / "history.jsonl"
    async with Workload(load_plan) as load:
        await until_lines(history, 2_000)
        await way.cut()
        await until_lines(history, 4 * CLIENTS)
        assert load.is_sending
        await way.open(port)
        await until_lines(history, 1_000)
        ended_ns = await load.stop()
        assert not load.is_sending
    await way.cut()
    operations = read_history(history)
    assert all(a.completed_ns <= ended_ns for one in operations for a in one.attempts)
    return operations


async def test_a_load_with_an_outage_is_known_to_the_end(api, query_side, tmp_path):
    operations = await load_with_an_outage(api, query_side, tmp_path)

    assert {one.kind for one in operations} == set(Kind)
    commands = [one for one in operations if one.key]
    assert any(len(one.attempts) > 1 for one in commands)
    check_outcomes(operations)
    check_retries(commands)
    assert (await verify(api.database.owner_dsn)).is_clean
    owner = await asyncpg.connect(api.database.owner_dsn)
    booked = await owner.fetchval("SELECT count(*) FROM receipts WHERE status < 300")
    await owner.close(timeout=5)
    granted = {one.key for one in commands if one.outcome is Outcome.OK}
    assert booked == len(granted)


def check_outcomes(operations: list[Operation]) -> None:
    commands = [one for one in operations if one.key]
    assert {one.outcome for one in commands} == {Outcome.OK, Outcome.FAIL}
    refusals = Counter(one.answered.code for one in commands if one.outcome is Outcome.FAIL)
    assert set(refusals) <= REFUSALS
    assert refusals["currency_mismatch"] > 0
    projected = {one.outcome for one in operations if one.kind is Kind.PROJECTED}
    assert projected == {Outcome.OK, Outcome.INFO}
    snapshots = [one for one in operations if one.kind is Kind.SNAPSHOT]
    assert all(sums_to_zero(one.answered.reply) for one in snapshots)


def check_retries(commands: list[Operation]) -> None:
    first = {one.key: one.answered for one in commands if one.kind is not Kind.RETRY}
    for again in (one.answered for one in commands if one.kind is Kind.RETRY):
        assert again.replayed
    for one in commands:
        kept, got = first[one.key], one.answered
        assert (got.status, got.reply, got.location) == (
            kept.status, kept.reply, kept.location,
        )  # fmt: skip


def sums_to_zero(reply: str) -> bool:
    snapshot = msgspec.json.decode(reply, type=Snapshot)
    sums: Counter[str] = Counter()
    for account in accounts():
        sums[account.currency] += snapshot.accounts[account.account_id][1]
    return snapshot.position > 0 and set(sums.values()) == {0}


async def test_a_driver_that_cannot_open_the_bank_says_why(api, tmp_path):
    load_plan = await asyncio.to_thread(plan, api, tmp_path, command=api.port, query=api.port)
    foreign = msgspec.structs.replace(load_plan, api_key="chr_nobody_knows_this")

    with pytest.raises(NoLoad, match="open-settlement-EUR was answered with 401"):
        async with Workload(foreign):
            pass


async def test_a_snapshot_of_a_server_that_is_away_is_unknown_within_its_deadline():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        dsn = f"postgresql://x:y@127.0.0.1:{deaf.getsockname()[1]}/z"
        async with asyncio.timeout(5), SnapshotReader(dsn, ["hot-0"]) as reader:
            answers = await asyncio.gather(*(reader.read() for _ in range(9)))
    assert {(a.outcome, a.code) for a in answers} == {(Outcome.INFO, "timeout")}

    async with SnapshotReader(dsn, ["hot-0"]) as reader:
        assert (await reader.read()).outcome is Outcome.INFO
