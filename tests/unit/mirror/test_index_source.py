"""An index is filled by one batch while the others wait, and never beside one that writes."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from agents import index_source
from agents.index_source import CATCHING_UP_MAX_S, Source
from chronos.errors import Unavailable
from chronos.mirror.fill_state import FillState
from chronos.stream.liveness import Liveness
from chronos.telemetry.metrics import REGISTRY
from tests import waiting


class FakeMirror:
    """Elasticsearch with one index, which may be lost."""

    client = None

    def __init__(self):
        self.story = []
        self.is_filled = False
        self.is_catching_up = False
        self.failures_to_tell = 0
        self.uuid = "first"

    async def ensure_indices(self):
        self.story.append("looked")
        self.uuid = self.uuid or "new"

    async def ask(self, _client, _alias):
        if self.failures_to_tell:
            self.failures_to_tell -= 1
            raise Unavailable("elasticsearch", "away")
        return FillState(
            "entries-v1", self.uuid, self.is_filled, is_catching_up=self.is_catching_up
        )

    async def mark(self, _client, filled):
        self.story.append("marked")
        self.is_filled = filled.uuid == self.uuid


class FakeAgent:
    """Writes slowly, and fails as often as it is told to."""

    name = "fake"

    def __init__(self, story):
        self.story = story
        self.failures = 0
        self.on_failure = lambda: None

    def forget(self):
        self.story.append("forgot")

    def decode(self, record):
        return record

    async def write(self, items):
        self.story.append(f"begins {items[0]}")
        await asyncio.sleep(0.01)
        if self.failures and items[0] == "broken":
            self.failures -= 1
            self.story.append("fails")
            self.on_failure()
            raise Unavailable("elasticsearch", "away")
        await asyncio.sleep(0.01)
        self.story.append(f"ends {items[0]}")


class FakeReader:
    """A topic with some pages, or none; it takes a moment to see that."""

    def __init__(self, pages):
        self.pages = pages

    async def end_offsets(self):
        return {}

    async def pages_until(self, _ends):
        await asyncio.sleep(0.01)
        for page in self.pages:
            yield page


class FakeApp:
    """What the source asks of the app."""

    class settings:  # noqa: N801 - an attribute of the app
        """Where Kafka is."""

        kafka = "nowhere"

    add_future = staticmethod(asyncio.ensure_future)
    should_stop = False

    def __init__(self):
        self.liveness = Liveness()

    async def sleep(self, _pause_s):
        await asyncio.sleep(0)


@pytest.fixture
def scene(monkeypatch):
    mirror = FakeMirror()
    monkeypatch.setattr(index_source, "fill_state", mirror.ask)
    monkeypatch.setattr(index_source, "mark_filled", mirror.mark)
    pages = []

    @contextlib.asynccontextmanager
    async def fake_topic(*_):
        yield FakeReader(pages)

    monkeypatch.setattr(index_source, "open_topic", fake_topic)
    mirror.topic = pages
    return Source(FakeApp(), mirror, "entries", "events"), FakeAgent(mirror.story), mirror


async def test_of_two_batches_one_fills_the_new_index_and_both_are_written(scene):
    source, agent, mirror = scene

    await asyncio.gather(source.step(agent, ["a"]), source.step(agent, ["b"]))

    assert mirror.story[:3] == ["looked", "forgot", "marked"]
    assert mirror.story.count("forgot") == 1
    assert sorted(mirror.story[3:]) == ["begins a", "begins b", "ends a", "ends b"]


async def test_batches_are_written_side_by_side(scene):
    source, agent, mirror = scene
    mirror.is_filled = True

    await asyncio.gather(source.step(agent, ["a"]), source.step(agent, ["b"]))

    assert mirror.story == ["looked", "begins a", "begins b", "ends a", "ends b"]


async def test_after_a_failure_the_index_is_looked_at_once_nobody_writes(scene):
    source, agent, mirror = scene
    mirror.is_filled = True
    await source.make_whole(agent)
    agent.failures = 1

    async def again():
        with contextlib.suppress(Unavailable):
            await source.step(agent, ["broken"])
        mirror.is_filled = False
        await source.step(agent, ["broken"])

    await asyncio.gather(again(), source.step(agent, ["other"]))

    assert mirror.story == [
        "looked", "begins broken", "begins other", "fails", "ends other",
        "looked", "forgot", "marked", "begins broken", "ends broken",
    ]  # fmt: skip


async def test_an_index_that_is_made_again_while_it_is_filled_is_filled_again(scene):
    source, agent, mirror = scene

    async def lose():
        await asyncio.sleep(0.005)
        mirror.uuid = "second"

    await asyncio.gather(source.make_whole(agent), lose())

    assert mirror.story == ["looked", "forgot", "looked", "forgot", "marked"]
    assert mirror.is_filled


async def test_a_page_that_was_not_taken_is_tried_again_and_not_the_whole_topic(scene):
    source, agent, mirror = scene
    mirror.topic += [["first"], ["broken"], ["last"]]
    agent.failures, mirror.failures_to_tell = 3, 0

    def be_silent():
        mirror.failures_to_tell = agent.failures

    agent.on_failure = be_silent
    await source.make_whole(agent)

    assert mirror.story.count("forgot") == 1
    assert mirror.story.count("begins first") == 1
    assert mirror.story.count("begins broken") == 4
    assert mirror.story[-3:] == ["begins last", "ends last", "marked"]
    assert awaited() == 0


def awaited():
    return REGISTRY.get_sample_value(
        "chronos_stream_store_awaited", {"agent": "fake", "service": "elasticsearch"}
    )


async def test_an_index_lost_between_two_pages_is_filled_from_the_first_page(scene):
    source, agent, mirror = scene
    mirror.topic += [["first"], ["broken"]]
    agent.failures = 1

    def lose():
        # It is away first, then it is back and empty.
        mirror.uuid = "" if not agent.failures else mirror.uuid

    agent.failures = 2
    agent.on_failure = lose
    await source.make_whole(agent)

    assert mirror.story == [
        "looked", "forgot", "begins first", "ends first", "begins broken", "fails",
        "begins broken", "fails", "looked", "forgot", "begins first", "ends first",
        "begins broken", "ends broken", "marked",
    ]  # fmt: skip
    # What it waited for before the loss is not waited for any more.
    assert awaited() == 0
    assert source._app.liveness.waiting_for == ()


async def test_what_another_has_filled_meanwhile_is_not_filled_to_the_end(scene, monkeypatch):
    source, agent, mirror = scene
    monkeypatch.setattr(index_source, "CHECK_INTERVAL_S", 0.0)
    mirror.topic += [["first"], ["second"]]
    told = []

    async def ask(*of):
        told.append(of)
        # First whether there is anything to do, then before each page.
        mirror.is_filled = len(told) >= 3
        return await mirror.ask(*of)

    monkeypatch.setattr(index_source, "fill_state", ask)
    await source.make_whole(agent)

    assert mirror.story == ["looked", "forgot", "begins first", "ends first"]


@pytest.fixture
async def watched(scene, monkeypatch):
    source, agent, mirror = scene
    monkeypatch.setattr(index_source, "CHECK_INTERVAL_S", 0.001)
    await source.make_whole(agent)
    mirror.story.clear()
    source.watch(agent)
    yield mirror
    source._watching.cancel()


async def until_told(mirror, story):
    for _ in range(1_000):
        if len(mirror.story) >= len(story):
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.02)
    assert mirror.story == story


@pytest.mark.parametrize("uuid", ["", "second"])
async def test_an_index_lost_under_an_idle_worker_is_filled_again(watched, uuid):
    watched.uuid, watched.is_filled = uuid, False

    await until_told(watched, ["looked", "forgot", "marked"])


async def test_an_index_that_another_filled_or_fills_is_left_alone(watched):
    watched.uuid = "filled by another worker"
    await asyncio.sleep(0.02)
    watched.uuid, watched.is_filled, watched.is_catching_up = "of a rebuild", False, True
    await asyncio.sleep(0.02)

    assert watched.story == []


async def test_an_index_that_a_dead_rebuild_left_is_filled(watched, monkeypatch):
    now_s = [1_000.0]
    monkeypatch.setattr(index_source, "monotonic", lambda: now_s[0])
    watched.uuid, watched.is_filled, watched.is_catching_up = "of a rebuild", False, True
    await asyncio.sleep(0.02)
    now_s[0] += CATCHING_UP_MAX_S - 1
    await asyncio.sleep(0.02)
    assert watched.story == []

    now_s[0] += 2

    await until_told(watched, ["looked", "forgot", "marked"])


async def test_while_the_index_cannot_be_looked_at_the_worker_says_so(scene, watched):
    liveness = scene[0]._app.liveness
    watched.failures_to_tell = 1_000_000
    await waiting.until(lambda: waits_for(liveness, "elasticsearch"), str, within_s=30)

    watched.failures_to_tell = 0
    await waiting.until(lambda: waits_for(liveness), str, within_s=30)


async def waits_for(liveness, *services):
    return liveness.waiting_for == services
