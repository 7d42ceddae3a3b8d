"""`rebuild all` goes on with the part that a stopped run was at, if nothing came between."""

import pytest

from chronos.audit import rebuild_all as module
from chronos.audit.fill_from_topic import Source
from chronos.audit.rebuild_all import PARTS, rebuild_all
from chronos.errors import Unavailable
from chronos.settings import Settings
from chronos.store.outbox_statements import WITH_ALL


class Parts:
    """Stands for the four rebuilds: notes each, and fails at one when told to."""

    def __init__(self):
        self.ran = []
        self.fails_at = None
        self.mark = "first"
        self.released_after = None

    async def rebuild_part(self, part, settings, *, progress, source, command):
        assert (source, command) == (Source.AUTO, WITH_ALL)
        assert settings.namespace == "chronos"
        if part == self.fails_at:
            raise Unavailable(part, "gone")
        progress("filling", 1, 2)
        self.ran.append(part)
        return {"part": part}

    async def checkpoints_mark(self, _):
        return self.mark

    async def release(self, _):
        self.released_after = list(self.ran)


@pytest.fixture
def parts(monkeypatch):
    made = Parts()
    monkeypatch.setattr(module, "rebuild_part", made.rebuild_part)
    monkeypatch.setattr(module, "checkpoints_mark", made.checkpoints_mark)
    monkeypatch.setattr(module, "release", made.release)
    return made


@pytest.fixture
def settings(tmp_path):
    return Settings(state_dir=tmp_path / "state")


async def run(settings):
    told = []
    facts = await rebuild_all(settings, progress=lambda *step: told.append(step))
    return facts, told


async def test_all_parts_are_made_in_the_order_of_the_flow(parts, settings):
    facts, told = await run(settings)

    assert parts.ran == list(PARTS) == ["kafka", "table", "redis", "elasticsearch"]
    assert parts.released_after == parts.ran
    assert facts["table"] == {"part": "table"}
    assert told[0] == ("kafka: filling", 1, 2)
    assert list(settings.state_dir.iterdir()) == []


async def test_a_run_that_was_stopped_goes_on_with_its_part(parts, settings):
    parts.fails_at = "redis"
    with pytest.raises(Unavailable):
        await run(settings)
    assert parts.released_after is None
    parts.ran.clear()
    parts.fails_at = None

    facts, _ = await run(settings)

    assert parts.ran == ["redis", "elasticsearch"]
    assert facts["kafka"] == "done by an earlier run"
    parts.ran.clear()
    await run(settings)
    assert parts.ran == list(PARTS)


async def test_a_relay_or_a_restore_in_between_makes_it_begin_again(parts, settings):
    parts.fails_at = "table"
    with pytest.raises(Unavailable):
        await run(settings)
    parts.ran.clear()
    parts.fails_at = None
    parts.mark = "another"

    await run(settings)

    assert parts.ran == list(PARTS)


async def test_a_note_that_cannot_be_read_counts_for_nothing(parts, settings):
    settings.state_dir.mkdir()
    (settings.state_dir / "rebuild-all.json").write_bytes(b"{")

    await run(settings)

    assert parts.ran == list(PARTS)
