"""The measurement of long accounts measures what it says, on a journal that is one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import pytest

from chronos.audit.verify import verify
from chronos.bench.history import HistoryPlan, measure_history
from chronos.bench.long_accounts import CURRENCY, fill
from chronos.bench.report import BenchFault
from chronos.client.doors import Doors
from chronos.clock import SystemClock
from chronos.store.bulk import open_bulk
from tests.builders import attempt, open_account, transfer
from tests.integration.api.running import make_key, running_api
from tests.journals import store_on

LENGTHS = (2, 61, 500)


async def test_what_is_filled_in_bulk_is_a_journal_and_goes_on_as_one(database):
    async with open_bulk(database.owner_dsn) as bulk:
        accounts = await fill(bulk, LENGTHS, now=SystemClock().now(), say=lambda _: None)

    assert [account.events for account in accounts] == list(LENGTHS)
    assert (await verify(database.owner_dsn)).is_clean
    async with store_on(database.writer_dsn) as store:
        await store.journal.submit(attempt(open_account("eve", currency=CURRENCY), "k1"))
        for account in accounts:
            moved = transfer(account.account_id, "eve", 1, transfer_id=account.account_id)
            receipt = await store.journal.submit(attempt(moved, account.account_id))
            assert receipt.status == 201
            stored = await store.reads.account(account.account_id)
            assert stored.state.version == account.events + 1
            assert stored.state.booked == account.booked - 1
    assert (await verify(database.owner_dsn)).is_clean


@pytest.fixture
def side(database, tmp_path: Path):
    with running_api(database, tmp_path) as api:
        key = make_key(database, "bench", "read")
        door = f"http://127.0.0.1:{api.port}"
        yield SimpleNamespace(
            doors=Doors(command=door, query=door, api_key=key),
            postgres_dsn=database.owner_dsn,
        )


def test_each_read_is_measured_on_each_account(side):
    plan = HistoryPlan(events=LENGTHS, seconds=0.2, warm_up_s=0.1, connections=2, rate=None)

    report = asyncio.run(measure_history(side, plan, clock=SystemClock(), say=lambda _: None))

    assert [figures.events for figures in report.reads] == [*LENGTHS] * 5
    assert all(figures.p50_ms > 0 and figures.answers > 0 for figures in report.reads)
    assert report.failures == {}
    assert len(report.growth) == 5
    assert {(stream.form, stream.lines) for stream in report.streams} == {
        ("json", 499),
        ("csv", 499),
    }


def test_a_journal_that_is_not_proved_is_not_measured(side):
    async def spoil() -> None:
        async with open_bulk(side.postgres_dsn) as bulk:
            await fill(bulk, (9,), now=SystemClock().now(), say=lambda _: None)
        owner = await asyncpg.connect(side.postgres_dsn)
        await owner.execute("ALTER TABLE events DISABLE TRIGGER ALL")
        await owner.execute(
            "UPDATE events SET booked_after = 7 WHERE version = 3 AND account_id = 'bench.9'"
        )
        await owner.close(timeout=5)

    asyncio.run(spoil())
    plan = HistoryPlan(events=(8,), seconds=0.1, warm_up_s=0, connections=1, rate=None)
    with pytest.raises(BenchFault, match="mean nothing"):
        asyncio.run(measure_history(side, plan, clock=SystemClock(), say=lambda _: None))
