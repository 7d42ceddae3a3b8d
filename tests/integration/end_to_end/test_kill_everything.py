"""Every process is killed in turn while money moves; then the stores are counted."""

import asyncio
import hashlib
import itertools
import random

import pytest
from elasticsearch import TransportError

from chronos.client.refusals import Refused
from tests.integration.end_to_end.evidence import (
    Journal,
    headers_of,
    read_elasticsearch,
    read_redis,
    read_topic,
)
from tests.integration.end_to_end.running import alive, eventually, started

VICTIMS = (
    "api", "relay", "balances", "mirror", "postgres", "kafka", "redis", "elasticsearch",
)  # fmt: skip
CUSTOMERS = [f"customer-{n}" for n in range(12)]
CLIENTS = 6
ACKS_BETWEEN_KILLS = 40
CAUGHT_UP_S = 120


class Crowd:
    """Clients that move money without rest; each attempt is repeated until it is answered."""

    def __init__(self, client):
        self._client = client
        self._numbers = itertools.count(1)
        self._stopping = False
        self.booked: dict[str, object] = {}
        self.refused: dict[str, str] = {}

    async def open_accounts(self):
        await self._client.accounts.open(account_id="bank", currency="EUR", kind="settlement")
        for name in CUSTOMERS:
            await self._client.accounts.open(account_id=name, currency="EUR")
            await self._move("bank", name, 1000)

    async def run(self):
        async with asyncio.TaskGroup() as group:
            for seed in range(CLIENTS):
                group.create_task(self._spend(random.Random(seed)))

    def stop(self):
        self._stopping = True

    async def until_more(self, count):
        goal = len(self.booked) + count

        async def enough():
            return len(self.booked) >= goal

        await eventually(enough, within_s=CAUGHT_UP_S)

    async def _spend(self, chance):
        while not self._stopping:
            source, destination = chance.sample(CUSTOMERS, 2)
            await self._move(source, destination, chance.randint(1, 400))

    async def _move(self, source, destination, amount):
        name = f"t-{next(self._numbers)}"
        try:
            self.booked[name] = await self._client.transfers.make(
                source, destination, amount=amount, currency="EUR", id=name, key=name
            )
        except Refused as refused:
            self.refused[name] = refused.code


@pytest.fixture
async def running(data_folder):
    async with started(data_folder, "--balances", "2", "--port", "0") as instance:
        yield instance


async def test_nothing_is_lost_doubled_or_invented(running):
    async with running.client() as client:
        crowd = Crowd(client)
        await crowd.open_accounts()
        load = asyncio.create_task(crowd.run())
        for victim in VICTIMS:
            await crowd.until_more(ACKS_BETWEEN_KILLS)
            await running.kill(victim)
        await crowd.until_more(ACKS_BETWEEN_KILLS)
        crowd.stop()
        await load

    journal = await Journal.read(running.addresses)
    prove_the_journal(journal, crowd)
    await eventually(lambda: caught_up(running, journal), within_s=CAUGHT_UP_S)
    await prove_kafka(running, journal)
    await prove_the_commands(running)
    await prove_that_a_stop_leaves_nothing(running)


def prove_the_journal(journal, crowd):
    transfers = {e["transfer_id"] for e in journal.events if e["transfer_id"]}
    assert set(crowd.refused.values()) == {"insufficient_funds"}
    assert transfers == set(crowd.booked), "every acknowledged transfer, and no other"
    assert journal.gaps() == []
    assert set(journal.sums().values()) == {0}
    assert sum(head["booked_after"] for head in journal.heads.values()) == 0
    assert all(journal.heads[name]["booked_after"] >= 0 for name in CUSTOMERS)
    previous = {}
    for event in journal.events:
        account = event["account_id"]
        chained = hashlib.sha256(previous.get(account, b"") + event["body"]).digest()
        assert chained == event["hash"]
        previous[account] = chained


async def caught_up(running, journal):
    """The query side, Redis and Elasticsearch show each account's last event."""
    wanted = {a: (h["version"], h["booked_after"]) for a, h in journal.heads.items()}
    async with running.client() as client:
        views = {name: await client.views.balance(name) for name in wanted}
    shown = {name: (view.version, view.booked) for name, view in views.items()}
    try:
        search = await read_elasticsearch(running.addresses, list(wanted))
    except TransportError:
        return False  # killed last, it takes longest to come back
    return (
        shown == wanted
        and await read_redis(running.addresses, list(wanted)) == wanted
        and search["accounts"] == wanted
        and search["entries"] == len(journal.events)
    )


async def prove_kafka(running, journal):
    first_seen, bodies = {}, {}
    for record in await read_topic(running.addresses):
        headers = headers_of(record)
        name = (record.key.decode(), int(headers["ce_version"]))
        assert bodies.setdefault(name, record.value) == record.value, "one body a version"
        if headers["ce_id"] not in first_seen:
            first_seen[headers["ce_id"]] = name
    assert set(first_seen) == {event["event_id"] for event in journal.events}
    versions = {}
    for account, version in first_seen.values():
        assert version == versions.get(account, 0) + 1, "in order of versions"
        versions[account] = version


async def prove_the_commands(running):
    for name in ("verify", "reconcile"):
        code, report = await running.command(name)
        assert code == 0, (name, report)


async def prove_that_a_stop_leaves_nothing(running):
    pids = list(running.addresses["pids"].values())
    assert await running.stop() == 0
    assert [pid for pid in pids if alive(pid)] == []
