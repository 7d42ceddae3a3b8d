"""The live stream of real workers: any worker, any account, again from any id."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import time
from dataclasses import replace
from urllib.parse import urlsplit

import aiohttp
import pytest

from chronos.auth.keys import new_key
from chronos.store.api_keys import open_key_office
from tests import sse
from tests.builders import open_account
from tests.databases import Database
from tests.integration.balances.conftest import SECRET
from tests.integration.balances.harness import Scene, Worker, until

PATH = "/v1/stream"
REVOKED_WITHIN_S = 60.0


@pytest.fixture
async def stage(scene: Scene) -> Scene:
    """A bank with three accounts; workers with a quick heart and short queues."""
    scene.settings = replace(
        scene.settings, live_heartbeat_s=1, live_queue_events_max=200, live_subscribers_max=8
    )
    await scene.publish(await scene.open_accounts(3))
    return scene


def stream(scene: Scene, worker: Worker, last_id: str | None = None, **query: str):
    return sse.opened(scene.http, worker.url + PATH, last_id, **query)


async def pay(scene: Scene, *accounts: str) -> None:
    await scene.publish(await scene.book(*(scene.pay("bank", name) for name in accounts)))


async def subscribers(scene: Scene, worker: Worker) -> float:
    return await scene.counter(worker, "chronos_live_subscribers")


async def until_left(scene: Scene, worker: Worker) -> None:
    async def nobody() -> bool:
        return await subscribers(scene, worker) == 0

    await until(nobody, worker.story)


async def test_events_arrive_on_every_worker_and_go_on_at_any_other(stage: Scene):
    first, second = await stage.worker(0), await stage.worker(1)
    owners = {
        account: [
            (await stage.balance(worker, account, min_version=2))["source"]
            for worker in (first, second)
        ]
        for account in ("a0", "a1", "a2")
    }
    assert {"table", "redis"} <= {source for pair in owners.values() for source in pair}

    async with (
        stream(stage, first, account="a0") as one,
        stream(stage, second, account="a0") as same,
        stream(stage, second) as everything,
    ):
        await pay(stage, "a0", "a1", "a0")

        assert await one.events(2) == await same.events(2) == [("a0", 3), ("a0", 4)]
        seen = await everything.events(6)
        assert [event for event in seen if event[0] == "a0"] == [("a0", 3), ("a0", 4)]
        assert [event for event in seen if event[0] == "a1"] == [("a1", 3)]

    # Both were away for these; each goes on at the other worker.
    await pay(stage, "a0", "a2", "a0")
    async with stream(stage, second, one.last_id, account="a0") as again:
        assert await again.events(2) == [("a0", 5), ("a0", 6)]
    async with stream(stage, first, everything.last_id) as again:
        rest = await again.events(6)
        assert sorted(set(rest) - {("bank", v) for v in range(99)}) == [
            ("a0", 5),
            ("a0", 6),
            ("a2", 3),
        ]
        await pay(stage, "a1")
        assert ("a1", 4) in await again.events(2)
    for worker in (first, second):
        await until_left(stage, worker)


async def test_an_event_of_the_stream_is_that_of_the_history(stage: Scene):
    worker = await stage.worker()
    async with stream(stage, worker, account="a0") as reader:
        rows = await stage.book(stage.pay("bank", "a0"))
        await stage.publish(rows)

        event = await reader.event()

    row = next(row for row in rows if row.key == b"a0")
    stored = await stage.owner.fetchrow(
        "SELECT hash FROM events WHERE account_id = 'a0' AND version = 3"
    )
    assert event["event"] == "MoneyDeposited"
    assert json.loads(event["data"]) == {
        **json.loads(row.value),
        "hash": stored["hash"].hex(),
    }


async def test_foreign_records_and_repetitions_do_not_show(stage: Scene):
    worker = await stage.worker()
    async with stream(stage, worker) as everything, stream(stage, worker, account="a0") as one:
        rows = await stage.book(stage.pay("bank", "a0"), stage.pay("bank", "a0"))
        await stage.publish(rows)
        await stage.publish(rows[:1], headers=[("ce_type", b"cut")])
        await stage.publish(rows[:1], value=b'{"x":\n\nevent: cut\n}')
        await stage.publish(rows)
        await pay(stage, "a0")

        assert await one.events(3) == [("a0", 3), ("a0", 4), ("a0", 5)]
        seen = await everything.events(6)
        assert len(set(seen)) == 6


async def test_a_killed_worker_costs_its_clients_nothing(stage: Scene):
    workers = [await stage.worker(0), await stage.worker(1)]
    whole = stage.published + 2 * 1200
    loading = asyncio.create_task(pay_around(stage, 1200))
    seen: list[tuple[str, int]] = []
    last_id, connections = None, 0
    while len(seen) < whole:
        worker = workers[connections % 2]
        await stage.until_ready(worker)
        query = {} if last_id else {"from": "beginning"}
        async with stream(stage, worker, last_id, **query) as reader:
            last_id = await read_some(reader, seen, min(400, whole - len(seen)))
            if connections in (1, 2):
                worker.kill()
                worker.start()
                last_id = await read_some(reader, seen, whole - len(seen))
        connections += 1
    await loading

    versions: dict[str, int] = {}
    for account_id, version in seen:
        assert version == versions.get(account_id, 0) + 1, account_id
        versions[account_id] = version
    heads = stage.bank.state.heads
    assert versions == {name: head.state.version for name, head in heads.items()}


async def pay_around(scene: Scene, payments: int) -> None:
    chance = random.Random(3)
    for _ in range(payments // 20):
        await pay(scene, *chance.choices(("a0", "a1", "a2"), k=20))


async def read_some(reader: sse.EventReader, seen: list, count: int) -> str:
    """Reads so many events, or until the connection breaks; gives the last id."""
    with contextlib.suppress(aiohttp.ClientError):
        for _ in range(count):
            seen += await reader.events(1)
    return reader.last_id


async def test_a_slow_reader_is_cut_off_and_goes_on_by_its_last_id(stage: Scene):
    worker = await stage.worker()
    cut_offs = 'chronos_live_cut_offs_total{reason="slow_reader"}'
    async with stream(stage, worker, account="a0") as fast, small_window(stage) as http:
        async with sse.opened(http, worker.url + PATH) as slow:
            # It reads nothing while this goes on.
            published = 0
            while await stage.counter(worker, cut_offs) == 0:
                await pay(stage, *["a0"] * 100)
                published += 100
                assert published < 20_000, worker.story()
                await fast.events(100)

            seen = []
            while (fields := await slow.event()) is not None and fields["event"] != "cut":
                event = json.loads(fields["data"])
                seen.append((event["account_id"], event["version"]))
            assert fields is not None, "the stream ended without a word"
            assert json.loads(fields["data"])["reason"] == "slow_reader"
            assert await slow.block() is None

        async with sse.opened(http, worker.url + PATH, slow.last_id) as again:
            seen += await again.events(2 * published - len(seen))
    assert len(seen) == len(set(seen)) == 2 * published
    assert await stage.counter(worker, "chronos_live_catch_ups_total") == 1
    await until_left(stage, worker)


@contextlib.asynccontextmanager
async def small_window(scene: Scene):
    """A client whose kernel and whose own buffer hold little."""

    def small_socket(address) -> socket.socket:
        made = socket.socket(address[0], address[1], address[2])
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        return made

    connector = aiohttp.TCPConnector(socket_factory=small_socket)
    headers = dict(scene.http.headers)
    async with aiohttp.ClientSession(
        connector=connector, headers=headers, read_bufsize=2048
    ) as http:
        yield http


async def test_a_revoked_key_ends_the_stream_within_a_minute_of_heartbeats(
    stage: Scene, database: Database
):
    worker = await stage.worker()
    key = new_key(SECRET)
    headers = {"Authorization": f"Bearer {key.text}"}
    async with (
        open_key_office(database.owner_dsn) as office,
        aiohttp.ClientSession(headers=headers) as http,
    ):
        await office.add(key.key_id, key.hmac, principal="leaver", scopes=["read"])
        async with sse.opened(http, worker.url + PATH, account="a0") as reader:
            assert set(await reader.block()) == {"retry", "id"}
            await office.revoke(key.key_id)
            revoked_at = time.monotonic()
            blocks = [await reader.block(within_s=5)]
            while "data" not in blocks[-1]:
                blocks.append(await reader.block(within_s=5))
            took_s = time.monotonic() - revoked_at

            *beats, last = blocks
            assert all(beat[""] == "heartbeat" for beat in beats)
            assert len(beats) >= took_s - 5
            assert last["event"] == "cut"
            assert json.loads(last["data"])["reason"] == "key_revoked"
            assert took_s < REVOKED_WITHIN_S
            assert await reader.block() is None
        async with http.get(worker.url + PATH) as answer:
            assert answer.status == 401


async def test_a_stopping_worker_says_bye_and_waits_for_no_stuck_client(stage: Scene):
    worker = await stage.worker()
    async with (
        stream(stage, worker, account="a0") as reader,
        small_window(stage) as http,
        sse.opened(http, worker.url + PATH),
    ):
        await reader.block()
        await until_stuck(stage, worker)
        stopping = asyncio.create_task(worker.stop())
        last = await reader.event()

        assert last["event"] == "bye"
        assert await reader.block() is None
        started_s = time.monotonic()
        assert await stopping == 0, worker.story()
        assert time.monotonic() - started_s < 8


async def until_stuck(scene: Scene, worker: Worker) -> None:
    """Publishes, never so much at once that a queue is full, until a client takes no more."""
    sent = "chronos_live_events_sent_total"
    before = -1.0
    while before < (before := await scene.counter(worker, sent)):
        await pay(scene, *["a1"] * 80)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                while await scene.counter(worker, sent) < before + 160:
                    pass


async def test_strange_questions_and_too_many_streams_are_refused(stage: Scene):
    worker = await stage.worker()
    cases = [
        ("GET", "?x=1", {}, 400, "invalid_parameter"),
        ("GET", "?account=%00", {}, 400, "invalid_parameter"),
        ("GET", f"?last_event_id={'A' * 7000}", {}, 400, "invalid_cursor"),
        ("GET", "", {"Last-Event-ID": "AAAA"}, 400, "invalid_cursor"),
        ("GET", "", {"Accept": "text/html"}, 406, "not_acceptable"),
        ("POST", "", {}, 405, "method_not_allowed"),
    ]
    for method, query, headers, status, code in cases:
        target = worker.url + PATH + query
        async with stage.http.request(method, target, headers=headers) as answer:
            body = await answer.json(content_type="application/problem+json")
            assert (answer.status, body["code"]) == (status, code), query
    async with stage.http.head(worker.url + PATH) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(8):
            await stack.enter_async_context(stream(stage, worker, account="nobody"))
        async with stage.http.get(worker.url + PATH) as answer:
            body = await answer.json(content_type="application/problem+json")
            assert (answer.status, body["code"]) == (503, "unavailable")
            assert answer.headers["Retry-After"] == "5"
        assert await subscribers(stage, worker) == 8
    await until_left(stage, worker)


async def test_a_plain_socket_may_ask_in_http_1_0_and_an_account_may_come_later(stage: Scene):
    worker = await stage.worker()
    address = urlsplit(worker.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    authorization = stage.http.headers["Authorization"]
    writer.write(
        f"GET {PATH}?account=later HTTP/1.0\r\nAuthorization: {authorization}\r\n\r\n".encode()
    )
    async with asyncio.timeout(20):
        assert b"200" in await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"\n\n")
        await stage.publish(await stage.book(open_account("later")))
        block = await reader.readuntil(b"\n\n")
        while b"data: " not in block:
            block = await reader.readuntil(b"\n\n")
    assert b"event: AccountOpened\n" in block
    writer.close()
    await writer.wait_closed()
    await until_left(stage, worker)
