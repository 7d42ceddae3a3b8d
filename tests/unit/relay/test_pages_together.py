"""Small pages of several shards go to Kafka together, and none of them is lost for it."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from agents import relay as relay_module
from agents.relay import Relay
from chronos.errors import Unavailable
from chronos.settings import Settings
from chronos.store import outbox_reader
from chronos.store.outbox_cursor import Cursor, Row, Snapshot
from chronos.store.outbox_reader import Page, pages_together

ROWS_MAX = 10
AFTER = Cursor(snapshot=Snapshot(9, 9, ()))


def page_of(shard, rows):
    hold = SimpleNamespace(shard=shard, is_lost=False)
    return Page(hold, [Row(n, shard, "t", b"k", b"", b"") for n in range(rows)], AFTER)


class FakeReader:
    """Has a page on its way, or reads one."""

    def __init__(self, page=None, *, reads=False):
        self.on_its_way = page
        self.rest = asyncio.Event()
        if not reads:
            self.rest.set()

    @property
    def is_reading_next(self):
        return not self.rest.is_set()

    async def until_read(self):
        await self.rest.wait()

    def has_read(self, page):
        self.on_its_way = page
        self.rest.set()


async def together(page, *others):
    readers = [FakeReader(page), *others]
    return await pages_together(page, readers, rows_max=ROWS_MAX)


async def test_pages_that_wait_for_their_turn_go_with_the_first():
    first, second, third = page_of(0, 2), page_of(1, 3), page_of(2, 5)

    found = await together(first, FakeReader(second), FakeReader(), FakeReader(third))

    assert found == [first, second, third]


async def test_a_page_that_is_being_read_is_waited_for(monkeypatch):
    monkeypatch.setattr(outbox_reader, "TOGETHER_S", 10)
    first, second, reader = page_of(0, 2), page_of(1, 3), FakeReader(reads=True)
    asyncio.get_running_loop().call_later(0.01, reader.has_read, second)

    assert await together(first, reader) == [first, second]


async def test_nobody_waits_long_for_company():
    first, reader = page_of(0, 2), FakeReader(reads=True)
    began_s = time.monotonic()

    assert await together(first, reader) == [first]
    assert outbox_reader.TOGETHER_S * 0.9 <= time.monotonic() - began_s < 1


async def test_half_of_a_full_page_waits_for_nobody(monkeypatch):
    monkeypatch.setattr(outbox_reader, "TOGETHER_S", 60)
    full = page_of(0, ROWS_MAX // 2 + 1)

    async with asyncio.timeout(10):
        assert await together(full, FakeReader(reads=True), FakeReader(page_of(1, 1))) == [full]


async def test_together_they_are_no_more_than_one_may_be():
    first, large, small = page_of(0, 4), page_of(1, 7), page_of(2, 6)

    assert await together(first, FakeReader(large), FakeReader(small)) == [first, small]


async def test_what_another_process_has_taken_is_left_out_and_takes_no_room():
    first, dropped, small = page_of(0, 4), page_of(1, 5), page_of(2, 6)
    dropped.is_dropped = True

    assert await together(first, FakeReader(dropped), FakeReader(small)) == [first, small]


async def test_nothing_goes_for_a_page_that_was_lost_meanwhile(monkeypatch):
    monkeypatch.setattr(outbox_reader, "TOGETHER_S", 10)
    first, reader = page_of(0, 1), FakeReader(reads=True)

    def lose():
        first.is_dropped = True
        reader.has_read(page_of(2, 1))

    asyncio.get_running_loop().call_later(0.01, lose)

    assert await together(first, reader) == []


class FakePublisher:
    """Takes what it is given, unless Kafka is away."""

    def __init__(self, *refusals):
        self.refusals = list(refusals)
        self.sent = []

    async def publish(self, rows):
        self.sent.append([row.partition for row in rows])
        if self.refusals:
            raise self.refusals.pop(0)


@pytest.fixture
def relay(monkeypatch):
    """A relay without servers; `sleep` is called where it waits for Kafka."""
    liveness = SimpleNamespace(
        waits=lambda *_: None, waits_no_more=lambda *_: None, did_something=lambda *_: None
    )
    app = SimpleNamespace(
        settings=Settings(outbox_rows_max=ROWS_MAX), liveness=liveness, should_stop=False
    )

    async def prove():
        made.proofs += 1

    made = Relay(app, offer=None, prove_topic_end=prove)
    made.proofs = 0
    made.app = app
    monkeypatch.setattr(relay_module, "_RETRY_FIRST_S", 0.0)
    monkeypatch.setattr(Relay, "_observe", lambda *_: None)
    return made


async def test_one_request_has_all_pages_and_each_is_published(relay):
    first, second = page_of(0, 2), page_of(1, 1)
    relay._readers = {0: FakeReader(first), 1: FakeReader(second)}
    relay._publisher = FakePublisher()
    relay._proved = {1}

    await relay.publish(first)
    await relay.publish(second)

    assert relay._publisher.sent == [[0, 0, 1]]
    assert first.published.is_set()
    assert second.published.is_set()
    assert relay.proofs == 1


async def test_a_page_whose_shard_is_not_proved_goes_with_nobody(relay):
    first, second = page_of(0, 2), page_of(1, 1)
    relay._readers = {0: FakeReader(first), 1: FakeReader(second)}
    relay._publisher = FakePublisher()

    await relay.publish(first)
    await relay.publish(second)

    assert relay._publisher.sent == [[0, 0], [1]]
    assert relay.proofs == 2


async def test_a_shard_that_was_lost_during_its_proof_is_not_proved(relay):
    first = page_of(0, 2)
    relay._publisher = FakePublisher()

    async def lose():
        first.is_dropped = True

    relay._prove_topic_end = lose
    await relay.publish(first)

    assert relay._proved == set()
    assert relay._publisher.sent == []


async def test_what_kafka_refuses_is_sent_again_alone_and_the_others_have_their_turn(relay):
    first, second = page_of(0, 2), page_of(1, 1)
    relay._readers = {0: FakeReader(first), 1: FakeReader(second)}
    relay._publisher = FakePublisher(Unavailable("kafka", "away"), Unavailable("kafka", "away"))
    relay._proved = {0, 1}
    begun = []

    async def note(_):
        # Were it begun, nobody would offer it again.
        begun.append((first.is_begun, second.is_begun))

    relay.app.sleep = note
    await relay.publish(first)

    assert relay._publisher.sent == [[0, 0, 1], [0, 0], [0, 0]]
    assert begun == [(True, False), (True, False)]
    assert not second.published.is_set()
    await relay.publish(second)
    assert relay._publisher.sent[3:] == [[1]]


async def test_a_page_that_was_lost_while_it_waited_is_left_to_its_new_owner(
    relay, monkeypatch
):
    monkeypatch.setattr(outbox_reader, "TOGETHER_S", 10)
    first, second, reader = page_of(0, 2), page_of(1, 1), FakeReader(reads=True)
    relay._readers = {0: FakeReader(first), 1: reader}
    relay._publisher = FakePublisher()
    relay._proved = {0, 1}

    def lose():
        first.is_dropped = True
        reader.has_read(second)

    asyncio.get_running_loop().call_later(0.01, lose)
    await relay.publish(first)

    assert relay._publisher.sent == []
    assert not second.is_begun
