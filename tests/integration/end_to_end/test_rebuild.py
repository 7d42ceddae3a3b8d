"""All but PostgreSQL is lost and made again; then copies are spoilt while money moves."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sys

import pytest
from elasticsearch import AsyncElasticsearch
from redis.asyncio import Redis

from chronos.client.refusals import Refused
from chronos.embedded.folder import DataFolder
from tests.integration.end_to_end.running import ROOT, started

CUSTOMERS = [f"customer-{n}" for n in range(6)]


@pytest.fixture
async def running(data_folder):
    async with started(data_folder, "--port", "0") as instance:
        yield instance


def lose_everything_but_the_journal(data):
    folder = DataFolder(data)
    home = folder.stand_in or folder.path
    for server in ("kafka", "redis", "elasticsearch"):
        assert (home / server).is_dir()
        shutil.rmtree(home / server)
    shutil.rmtree(folder.state)


class Spender:
    """Moves money until told to stop."""

    def __init__(self, client):
        self._client = client
        self._stopping = False
        self.booked = 0

    async def run(self):
        while not self._stopping:
            for source, destination in itertools.pairwise(CUSTOMERS):
                await self._client.transfers.make(source, destination, amount=1, currency="EUR")
                self.booked += 1

    def stop(self):
        self._stopping = True


async def test_all_is_rebuilt_from_the_journal(running):
    await open_the_bank(running)
    await rebuild_after_a_total_loss(running)
    await assert_clean(running)
    await rebuild_while_money_moves(running)
    await assert_clean(running)

    code, dropped = await running.command("rebuild", "all", "--drop-old")
    assert code == 0
    # An account that moved on meanwhile has kept its newer balance: no old one is left.
    assert 1 <= dropped["dropped"]["redis"] <= 1 + len(CUSTOMERS)
    assert len(dropped["dropped"]["elasticsearch"]) == 2
    await assert_clean(running)


async def open_the_bank(running):
    async with running.client() as client:
        await client.accounts.open(account_id="bank", currency="EUR", kind="settlement")
        for name in CUSTOMERS:
            await client.accounts.open(account_id=name, currency="EUR")
            await client.transfers.make("bank", name, amount=1000, currency="EUR")
        with pytest.raises(Refused):
            await client.transfers.make(CUSTOMERS[0], "bank", amount=5000, currency="EUR")
    code, said = await running.command("reconcile")
    assert code == 0, said


async def rebuild_after_a_total_loss(running):
    code, refused = await failing(running, "rebuild", "kafka")
    assert code == 1
    assert "stop `chronos up`" in refused

    await running.stop()
    lose_everything_but_the_journal(running.data)
    code, facts = await running.command("rebuild", "all")
    assert code == 0
    assert facts["kafka"]["published"] == {"events": 1 + 3 * len(CUSTOMERS), "refusals": 1}

    await running.start()


async def rebuild_while_money_moves(running):
    await spoil(running)
    async with running.client() as client:
        spender = Spender(client)
        spending = asyncio.create_task(spender.run())
        for target in ("redis", "elasticsearch"):
            code, facts = await running.command("rebuild", target)
            assert code == 0
            assert facts["proved"]["accounts"] == 1 + len(CUSTOMERS)
        spender.stop()
        await spending
    assert spender.booked > 0


async def failing(running, *arguments):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "chronos",
        *arguments,
        "--data",
        str(running.data),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, err.decode()


async def spoil(running):
    addresses = running.addresses
    redis = Redis.from_url(addresses["redis"])
    await redis.hset("chronos:balance:customer-1", "booked", "1")
    await redis.delete("chronos:balance:customer-2")
    await redis.aclose()
    client = AsyncElasticsearch(addresses["elasticsearch"])
    await client.update(index="chronos-accounts", id="customer-3", doc={"booked": 7})
    query = {"term": {"account_id": "customer-4"}}
    hits = (await client.search(index="chronos-entries", query=query))["hits"]["hits"]
    await client.delete(index="chronos-entries", id=hits[0]["_id"], refresh=True)
    await client.close()
    code, report = await running.command("reconcile", "--no-wait")
    assert code == 1
    assert {"redis", "elasticsearch", "entries"} <= set(report["differences_by_check"])


async def assert_clean(running):
    for command in ("verify", "reconcile"):
        code, report = await running.command(command)
        assert (code, report["findings"]) == (0, [])
