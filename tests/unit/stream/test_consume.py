"""The shared loop: nothing is acknowledged before its effect, and nothing is swallowed."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field, replace

import pytest

from chronos.errors import InvariantBroken, Unavailable
from chronos.stream import consume as loop
from chronos.stream.consume import Consumption, Foreign, consume
from chronos.stream.liveness import Liveness
from chronos.telemetry.metrics import REGISTRY
from chronos.wire.topics import Names

OURS = [("ce_type", b"MoneyDeposited"), ("ce_version", b"1")]


@dataclass
class FakeRecord:
    """One record as aiokafka gives it."""

    value: bytes
    key: bytes = b"acc_a"
    headers: list[tuple[str, bytes]] = field(default_factory=lambda: list(OURS))
    topic: str = "events"
    partition: int = 3
    offset: int = 7
    timestamp: int = 1_700_000_000_500


@dataclass(frozen=True)
class FakeMessage:
    """Says which partition a page is of."""

    tp: int


class FakePage:
    """The event of one page, and how often it was acknowledged."""

    def __init__(self, *records):
        self.value = [r if isinstance(r, FakeRecord) else FakeRecord(r) for r in records]
        self.acks = 0

    @property
    def message(self):
        return FakeMessage(self.value[0].partition)

    def ack(self):
        self.acks += 1


class FakeStream:
    """Hands out the pages it was given, then ends."""

    def __init__(self, *pages):
        self._pages = pages

    def noack(self):
        return self

    async def events(self):
        for page in self._pages:
            yield page


class FakeProducer:
    """Takes dead letters, after failing as often as it is told to."""

    def __init__(self, failures=0, size_max=100):
        self.sent = []
        self.failures = failures
        self.size_max = size_max

    async def send_and_wait(self, topic, key, value, _partition, _timestamp, headers):
        if self.failures:
            self.failures -= 1
            raise loop.ProducerSendError("away")
        if len(value or b"") > self.size_max:
            raise loop.ProducerSendError("size") from loop.MessageSizeTooLargeError()
        self.sent.append((topic, key, value, list(headers)))


class FakeApp:
    """The parts of the app that the loop uses; stops when the sleeps it allows are used up."""

    def __init__(self, *, sleeps=100, producer=None):
        self.names = Names("chronos")
        self.liveness = Liveness()
        self.producer = producer or FakeProducer()
        self.batch_given_up = asyncio.Event()
        self.should_stop = False
        self.slept_s = []
        self._sleeps = sleeps

    def acknowledge(self, event):
        event.ack()

    async def sleep(self, pause_s):
        self.slept_s.append(pause_s)
        self.should_stop = len(self.slept_s) >= self._sleeps


@dataclass
class Work:
    """A step that fails as often as it is told to, and remembers what it was given."""

    failures: int = 0
    fault: Exception = field(default_factory=lambda: Unavailable("redis", "away"))
    calls: list[list[bytes]] = field(default_factory=list)
    repaired: list[bytes] = field(default_factory=list)

    async def step(self, batch):
        self.calls.append([taken.item for taken in batch])
        if self.failures:
            self.failures -= 1
            raise self.fault

    async def repair(self, record, _error):
        self.repaired.append(record.value)
        return b"repaired"

    def how(self):
        return Consumption(
            agent="test",
            decode=readable,
            repair=self.repair,
            step=self.step,
            batch_events_max=4,
            batch_wait_s=0.1,
        )


def readable(record):
    if record.headers != OURS or not record.key:
        raise Foreign
    if record.value == b"?":
        raise ValueError("unreadable")
    return record.value


async def test_pages_are_acknowledged_after_the_step_that_takes_their_records_together():
    app, work = FakeApp(), Work()
    first, second = FakePage(b"1", b"2"), FakePage(b"3")
    acks_seen = []
    how = work.how()

    async def step(batch):
        acks_seen.append((first.acks, second.acks))
        await work.step(batch)

    await consume(app, FakeStream(first, second), replace(how, step=step))

    assert work.calls == [[b"1", b"2", b"3"]]
    assert acks_seen == [(0, 0)]
    assert (first.acks, second.acks) == (1, 1)


async def test_a_batch_is_bounded_and_a_page_is_never_parted():
    app, work = FakeApp(), Work()
    pages = [FakePage(b"1", b"2", b"3"), FakePage(b"4", b"5"), FakePage(*[b"6"] * 9)]

    await consume(app, FakeStream(*pages), work.how())

    assert work.calls == [[b"1", b"2", b"3"], [b"4", b"5"], [b"6"] * 9]


async def test_a_page_is_acknowledged_before_a_later_batch_begins():
    app, work = FakeApp(), Work()
    pages = [FakePage(b"1", b"2", b"3"), FakePage(b"4", b"5")]
    acks_seen = []

    async def step(batch):
        acks_seen.append([page.acks for page in pages])
        await work.step(batch)

    await consume(app, FakeStream(*pages), replace(work.how(), step=step))

    assert acks_seen == [[0, 0], [1, 0]]


async def test_a_store_that_is_away_gets_the_same_batch_until_it_answers():
    app, work = FakeApp(), Work(failures=9)
    page = FakePage(b"1")

    await consume(app, FakeStream(page), work.how())

    assert work.calls == [[b"1"]] * 10
    assert page.acks == 1
    assert app.slept_s[:3] == [0.1, 0.2, 0.4]
    assert max(app.slept_s) == loop.PAUSE_MAX_S
    assert app.liveness.waiting_for == ()


async def test_the_metrics_say_which_store_is_awaited_until_it_answers():
    app, seen = FakeApp(), []
    labels = {"agent": "test", "service": "redis"}

    async def sleep(_pause_s):
        seen.append(REGISTRY.get_sample_value("chronos_stream_store_awaited", labels))

    app.sleep = sleep
    await consume(app, FakeStream(FakePage(b"1")), Work(failures=2).how())

    assert seen == [1, 1]
    assert REGISTRY.get_sample_value("chronos_stream_store_awaited", labels) == 0
    letters = {"agent": "test"}
    assert REGISTRY.get_sample_value("chronos_stream_dead_letters_total", letters) is not None


async def test_a_stop_while_a_store_is_away_leaves_the_batch_unacknowledged():
    app, work = FakeApp(sleeps=3), Work(failures=99)
    page, later = FakePage(*[b"1"] * 4), FakePage(b"2")

    await consume(app, FakeStream(page, later), work.how())

    assert app.batch_given_up.is_set()
    assert (page.acks, later.acks) == (0, 0)
    assert app.liveness.waiting_for == ("redis",)


@pytest.mark.parametrize("fault", [InvariantBroken("the fold disagrees"), KeyError("a bug")])
async def test_any_other_fault_ends_the_agent_without_an_acknowledgement(fault):
    app, work = FakeApp(), Work(failures=1, fault=fault)
    page = FakePage(b"1")

    with pytest.raises(type(fault)):
        await consume(app, FakeStream(page), work.how())

    assert page.acks == 0


async def test_unreadable_bytes_are_fetched_and_stay_in_their_place():
    app, work = FakeApp(), Work()

    await consume(app, FakeStream(FakePage(b"1", b"?", b"3")), work.how())

    assert work.repaired == [b"?"]
    assert work.calls == [[b"1", b"repaired", b"3"]]


@pytest.mark.parametrize(
    "foreign",
    [
        FakeRecord(b"x", headers=[]),
        FakeRecord(b"x", key=b""),
        FakeRecord(b"x", headers=[("ce_type", b"A"), ("ce_type", b"B")]),
    ],
)
async def test_a_foreign_record_is_moved_whole_before_its_page_is_acknowledged(foreign):
    app, work = FakeApp(producer=FakeProducer(failures=2)), Work()
    page = FakePage(foreign, b"1")

    await consume(app, FakeStream(page), work.how())

    ((topic, key, value, headers),) = app.producer.sent
    assert (topic, key, value) == ("chronos.dead-letters.v1", foreign.key, b"x")
    assert headers == [
        *foreign.headers,
        ("chronos_found_at", b"events/3/7"),
        ("chronos_found_by", b"test"),
        ("chronos_reason", b"no key, or not the headers of an event"),
        ("chronos_written_at", b"2023-11-14T22:13:20.500000Z"),
    ]
    assert page.acks == 1
    assert work.calls == [[b"1"]]


async def test_a_foreign_record_that_is_too_large_to_be_moved_leaves_a_letter_about_it():
    app, work = FakeApp(), Work()
    value = b"x" * 101
    page = FakePage(FakeRecord(value, key=b"k" * 2000, headers=[("theirs", b"1")]))

    await consume(app, FakeStream(page), work.how())

    ((_, key, moved, headers),) = app.producer.sent
    assert (key, moved) == (b"k" * loop.KEY_KEPT_BYTES_MAX, None)
    assert dict(headers)["chronos_found_at"] == b"events/3/7"
    digest = hashlib.sha256(value).hexdigest()
    assert dict(headers)["chronos_left_out"] == f"101 bytes, SHA-256 {digest}".encode()
    assert "theirs" not in dict(headers)
    assert page.acks == 1


async def test_a_batch_of_foreign_records_alone_needs_no_step():
    app, work = FakeApp(), Work()
    page = FakePage(FakeRecord(b"x", headers=[]))

    await consume(app, FakeStream(page), work.how())

    assert work.calls == []
    assert page.acks == 1


def two_at_once(step):
    return replace(Work().how(), step=step, batch_events_max=1, batches_at_once=2)


def page_of(partition, value):
    return FakePage(FakeRecord(value, partition=partition))


async def test_batches_of_different_partitions_are_in_the_step_at_once_and_no_others():
    under_way, seen = set(), []

    async def step(batch):
        (taken,) = batch
        under_way.add((taken.record.partition, taken.item))
        seen.append(set(under_way))
        await asyncio.sleep(0.01)
        under_way.discard((taken.record.partition, taken.item))

    pages = [page_of(1, b"a"), page_of(1, b"b"), page_of(2, b"c"), page_of(3, b"d")]
    await consume(FakeApp(), FakeStream(*pages), two_at_once(step))

    assert [page.acks for page in pages] == [1, 1, 1, 1]
    assert max(map(len, seen)) == 2
    assert all(len({partition for partition, _ in at_once}) == len(at_once) for at_once in seen)


async def test_a_fault_of_one_batch_ends_the_others_and_is_raised_as_it_is():
    pages = [page_of(1, b"slow"), page_of(2, b"broken")]
    ended = []

    async def step(batch):
        if batch[0].item == b"broken":
            raise InvariantBroken("the fold disagrees")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append(batch[0].item)
            raise

    with pytest.raises(InvariantBroken):
        await consume(FakeApp(), FakeStream(*pages), two_at_once(step))

    assert ended == [b"slow"]
    assert [page.acks for page in pages] == [0, 0]


async def test_a_batch_that_is_given_up_at_a_stop_leaves_the_others_unacknowledged_too():
    app, pages = FakeApp(sleeps=1), [page_of(1, b"slow"), page_of(2, b"away")]

    async def step(batch):
        if batch[0].item == b"away":
            raise Unavailable("redis", "away")
        await asyncio.sleep(60)

    await consume(app, FakeStream(*pages), two_at_once(step))

    assert app.batch_given_up.is_set()
    assert [page.acks for page in pages] == [0, 0]
