"""The live stream as a client sees it, on a topic in memory."""

import asyncio
import contextlib
import json
import socket
from dataclasses import dataclass

import pytest
from aiohttp import ClientPayloadError

from chronos.clock import SystemClock
from chronos.settings import Settings
from chronos.stream.live import feed as feed_module
from chronos.stream.live.feed import LiveFeed
from chronos.stream.live.subscription import QueueBounds
from chronos.telemetry.live_metrics import LIVE_CUT_OFFS, LIVE_EVENTS_SENT, LIVE_SUBSCRIBERS
from tests import sse
from tests.unit.stream.live_parts import Bank, MemoryTopic, foreign
from tests.unit.web.parts import READER, Keys, served, view_app
from web import event_stream
from web.live import Live
from web.live_ids import LiveIds
from web.respond import Respond

PATH = "/v1/stream"
LONG_S = 10.0


@dataclass
class Scene:
    topic: MemoryTopic
    bank: Bank
    keys: Keys
    feed: LiveFeed
    http: object = None


@pytest.fixture
async def scene(monkeypatch):
    monkeypatch.setattr(event_stream, "WATCH_PAUSE_S", 0.05)
    monkeypatch.setattr(event_stream, "KEY_CHECK_S", 0.05)
    topic = MemoryTopic()
    bounds = QueueBounds(events_max=100, bytes_max=1 << 20)
    feed = LiveFeed(topic, subscribers_max=3, bounds=bounds)
    scene = Scene(topic, Bank(), Keys(), feed)
    app = view_app()
    ids = LiveIds(b"secret", "chronos.events.v1", partitions=topic.partitions)
    settings = Settings(live_heartbeat_s=1, live_write_deadline_s=1)
    live = Live(feed, ids, scene.keys, settings=settings, clock=SystemClock())
    live.add_to(Respond(app, scene.keys))
    async with served(app) as scene.http:
        yield scene
        feed.leave()
    await feed.close()


def opened(scene, last_id=None, **query):
    return sse.opened(scene.http, PATH, last_id, **query)


async def refusal(scene, query="", headers=None, method="GET"):
    async with scene.http.request(method, f"{PATH}{query}", headers=headers) as answer:
        assert answer.content_type == "application/problem+json"
        body = await answer.json(content_type=None)
        assert body["request_id"] == answer.headers["X-Request-Id"]
        assert ("Retry-After" in answer.headers) == (answer.status == 503)
        return answer.status, body["code"]


async def until(condition):
    async with asyncio.timeout(LONG_S):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)


async def test_the_head_says_that_events_follow_and_the_first_block_says_from_where(scene):
    async with opened(scene) as reader:
        assert reader.answer.content_type == "text/event-stream"
        assert reader.answer.headers["Cache-Control"] == "no-store"
        assert reader.answer.headers["X-Request-Id"].startswith("req_")
        first = await reader.block()

        assert first == {"retry": "2000", "id": reader.last_id}
        assert reader.last_id


async def test_an_event_has_its_type_its_json_with_hash_and_an_id(scene):
    record = scene.bank.pay("a0")[-1]
    async with opened(scene, account="a0") as reader:
        await scene.topic.publish(record)

        event = await reader.event()

        assert event["event"] == "MoneyDeposited"
        shown = json.loads(event["data"])
        assert shown.pop("hash") == record.header("ce_hash")
        assert shown == json.loads(record.value)
        assert event["id"] == reader.last_id


async def test_the_last_id_goes_on_by_header_and_by_parameter_and_the_header_wins(scene):
    async with opened(scene, account="a0") as reader:
        await reader.block()
        beginning = reader.last_id
        await scene.topic.publish(*scene.bank.pay("a0", "a0"))
        await reader.events(1)
        first = reader.last_id
    await scene.topic.publish(*scene.bank.pay("a0"))

    async with opened(scene, first, account="a0") as reader:
        assert await reader.events(2) == [("a0", 3), ("a0", 4)]
    async with opened(scene, account="a0", last_event_id=beginning) as reader:
        assert await reader.events(3) == [("a0", 2), ("a0", 3), ("a0", 4)]
    async with opened(scene, first, account="a0", last_event_id=beginning) as reader:
        assert await reader.events(1) == [("a0", 3)]


async def test_every_id_of_a_stream_of_all_accounts_goes_on_exactly_there(scene):
    async with opened(scene) as reader:
        await scene.topic.publish(*scene.bank.pay("a0", "a1", "a2", "a0"))
        found = [(await reader.events(1), reader.last_id) for _ in range(8)]
    expected = [event for events, _ in found for event in events]

    for index, (_, last_id) in enumerate(found[:-1]):
        async with opened(scene, last_id) as reader:
            rest = await reader.events(len(expected) - index - 1)
            assert sorted(rest) == sorted(expected[index + 1 :])


async def test_from_the_beginning_comes_everything(scene):
    await scene.topic.publish(*scene.bank.pay("a0", "a1"))

    async with opened(scene, **{"from": "beginning"}) as reader:
        assert len(set(await reader.events(4))) == 4


async def test_silence_is_broken_by_heartbeats_whose_id_moves_on(scene):
    async with opened(scene, account="quiet") as reader:
        await reader.block()
        at_first = reader.last_id
        beat = await reader.block()
        assert beat == {"": "heartbeat"}

        await scene.topic.publish(foreign(scene.feed.select("quiet").partitions[0]))
        beat = await reader.block()
        assert set(beat) == {"", "id"}
        assert reader.last_id != at_first


async def test_strange_questions_are_problem_documents(scene):
    async with opened(scene, account="a0") as reader:
        await reader.block()
        of_a0 = reader.last_id
    header = "Last-Event-ID"
    cases = [
        ("?at=now", {}, 400, "invalid_parameter"),
        ("?account=a&account=b", {}, 400, "invalid_parameter"),
        ("?account=", {}, 400, "invalid_parameter"),
        ("?account=a%20b", {}, 400, "invalid_parameter"),
        ("?from=then", {}, 400, "invalid_parameter"),
        ("?last_event_id=", {}, 400, "invalid_parameter"),
        ("?last_event_id=x", {}, 400, "invalid_cursor"),
        (f"?last_event_id={of_a0}", {}, 400, "invalid_cursor"),
        (f"?account=a1&last_event_id={of_a0}", {}, 400, "invalid_cursor"),
        ("?account=a1", {header: of_a0}, 400, "invalid_cursor"),
        ("", {header: "0"}, 400, "invalid_cursor"),
        ("", {header: "é".encode().decode("latin-1")}, 400, "invalid_cursor"),
        ("", {"Accept": "application/json"}, 406, "not_acceptable"),
        ("", {"Accept": "text/event-stream;q=0"}, 406, "not_acceptable"),
        ("", {"Authorization": "Bearer nobody"}, 401, "unauthenticated"),
    ]
    for query, headers, status, code in cases:
        assert await refusal(scene, query, headers) == (status, code), (query, headers)
    assert await refusal(scene, method="POST") == (405, "method_not_allowed")


async def test_an_id_behind_the_end_is_refused(scene):
    async with opened(scene, account="a0") as reader:
        await scene.topic.publish(*scene.bank.pay("a0"))
        await reader.events(1)
        last_id = reader.last_id
    for log in scene.topic.logs:
        log.clear()

    assert await refusal(scene, f"?account=a0&last_event_id={last_id}") == (
        400,
        "invalid_cursor",
    )


@pytest.mark.parametrize("accept", ["text/event-stream", "text/*", "*/*;q=0.1", "", "a/b, */*"])
async def test_who_takes_events_gets_them(scene, accept):
    async with scene.http.get(PATH, headers={"Accept": accept}) as answer:
        assert answer.status == 200


async def test_head_tells_the_head_and_opens_no_stream(scene):
    async with scene.http.head(PATH) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        assert "Content-Length" not in answer.headers
        assert "X-Request-Id" in answer.headers
    async with scene.http.head(f"{PATH}?x=1") as answer:
        assert answer.status == 400
    assert scene.topic.opened == []


async def test_one_stream_too_many_is_asked_to_come_later(scene):
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(opened(scene))
        assert LIVE_SUBSCRIBERS._value.get() == 3
        assert await refusal(scene) == (503, "unavailable")

    await until(lambda: LIVE_SUBSCRIBERS._value.get() == 0)
    async with opened(scene) as reader:
        assert await reader.block()


async def test_without_kafka_no_stream_begins(scene, monkeypatch):
    monkeypatch.setattr(feed_module, "DEADLINE_S", 0.1)
    scene.topic.is_away = True

    assert await refusal(scene) == (503, "unavailable")


async def test_a_revoked_key_ends_the_stream(scene):
    async with opened(scene) as reader:
        await reader.block()
        scene.keys.is_revoked = True

        last = await reader.event()

        assert last["event"] == "cut"
        assert json.loads(last["data"])["reason"] == "key_revoked"
        assert "id" not in last
        assert await reader.block() is None


async def test_a_stopping_worker_says_bye(scene):
    async with opened(scene) as reader:
        await reader.block()
        scene.feed.leave()

        last = await reader.event()

        assert (last["event"], json.loads(last["data"])["reason"]) == ("bye", "worker_stopping")
        assert await reader.block() is None
    assert await refusal(scene) == (503, "unavailable")


async def test_a_client_that_hangs_up_frees_its_place(scene):
    async with opened(scene):
        assert LIVE_SUBSCRIBERS._value.get() == 1

    await until(lambda: LIVE_SUBSCRIBERS._value.get() == 0)
    await until(lambda: scene.topic.readers == 0)


class SlowClient:
    """A client with a small window that reads when it is told to."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, server):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (server.host, server.port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
        key = READER["Authorization"]
        writer.write(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n".encode())
        try:
            yield cls(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def rest(self):
        async with asyncio.timeout(LONG_S):
            return await self._reader.read(-1)


async def flood(scene, stop):
    while not stop():
        await scene.topic.publish(*scene.bank.pay(*["a0"] * 50))
        await asyncio.sleep(0)


async def test_a_slow_reader_is_cut_off_with_the_reason_as_its_last_event(scene):
    cut = LIVE_CUT_OFFS.labels("slow_reader")._value
    before = cut.get()
    async with SlowClient.of(scene.http.server) as client:
        await until(lambda: LIVE_SUBSCRIBERS._value.get() == 1)
        await flood(scene, lambda: cut.get() > before)

        text = (await client.rest()).decode()

    blocks = [block for block in text.split("\n\n") if "event: " in block]
    assert "event: Money" in blocks[-2]
    assert "event: cut" in blocks[-1]
    assert '"reason":"slow_reader"' in blocks[-1]
    assert "Last-Event-ID" in blocks[-1]
    assert text.endswith("0\r\n\r\n")
    await until(lambda: LIVE_SUBSCRIBERS._value.get() == 0)


async def test_a_client_that_reads_nothing_is_dropped(scene):
    stalled = LIVE_CUT_OFFS.labels("stalled_reader")._value
    before = stalled.get()
    async with SlowClient.of(scene.http.server) as client:
        await until(lambda: LIVE_SUBSCRIBERS._value.get() == 1)
        # Never so much at once that its queue is full, until it takes no more.
        sent = -1
        while sent < (sent := LIVE_EVENTS_SENT._value.get()):
            await scene.topic.publish(*scene.bank.pay(*["a0"] * 40))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    await until(lambda sent=sent: LIVE_EVENTS_SENT._value.get() >= sent + 80)

        await until(lambda: LIVE_SUBSCRIBERS._value.get() == 0)

        assert stalled.get() == before + 1
        assert not (await client.rest()).endswith(b"0\r\n\r\n")


async def test_a_bug_behind_the_head_breaks_the_connection(scene, monkeypatch):
    def broken(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(event_stream.EventStream, "_text", broken)
    async with opened(scene) as reader:
        await reader.block()
        await scene.topic.publish(*scene.bank.pay("a0"))
        with pytest.raises(ClientPayloadError):
            await reader.event()
    await until(lambda: LIVE_SUBSCRIBERS._value.get() == 0)
