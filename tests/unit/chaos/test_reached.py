"""A fault of the network tells when writes or clients were not treated as promised."""

import asyncio
from random import Random
from types import SimpleNamespace

import pytest

from chronos.chaos.fault import FaultFailed
from chronos.chaos.faults import promise, reached
from chronos.chaos.faults.asking import Reply
from chronos.chaos.faults.promise import Shape
from chronos.chaos.faults.reached import Promised
from chronos.chaos.links import Link
from chronos.chaos.wounds import Wounds

ANSWERED = Reply(status=422, took_s=0.1, code="idempotency_key_reused")
BUSY = Reply(status=503, took_s=0.1, code="unavailable", retry_after_s=1)


class Doors:
    """Gives one reply after the other, the last one for ever; then it is over."""

    def __init__(self, over, *replies):
        self._over = over
        self._replies = list(replies)

    async def write(self, spent_key):
        assert spent_key == "spent"
        reply = self._replies.pop(0)
        if not self._replies:
            self._over.set()
        return reply


@pytest.fixture
def seen(monkeypatch):
    """Looks at one link while writes get these replies; gives what is said of it."""
    monkeypatch.setattr(reached, "_ASK_EVERY_S", 0)

    async def look(link, *replies, hurt=(), stops_all=False):
        over = asyncio.Event()
        doors = Doors(over, *replies)
        monkeypatch.setattr(promise, "doors", lambda _: doors)
        wounds = Wounds()
        fault = Shape(kind="T9", name="a cut", hits=frozenset({link.process}), wounds=wounds)
        wounds.open(hurt)
        one = Promised(
            fault=fault,
            scene=SimpleNamespace(),
            links=(link,),
            chance=Random(1),
            before=1,
            key="spent",
        )
        return await one.while_hurt(over, stops_all=stops_all)

    return look


API_TO_POSTGRES = Link(process="api", server="postgres")
CLIENTS_TO_API = Link(process="clients", server="api")


async def test_writes_that_are_answered_or_refused_in_a_document_are_as_promised(seen):
    said = await seen(API_TO_POSTGRES, ANSWERED, BUSY, BUSY)

    assert said == "1 writes answered and 2 refused meanwhile"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=500, took_s=0.1, code="internal_error"),
        Reply(status=503, took_s=0.1, code="unavailable"),
        Reply(status=503, took_s=0.1, retry_after_s=1),
        Reply(status=0, took_s=8.0),
    ],
    ids=["an error", "no time to come back", "no document", "silence"],
)
async def test_any_other_answer_to_a_write_breaks_the_promise(seen, reply):
    with pytest.raises(FaultFailed, match="a cut"):
        await seen(API_TO_POSTGRES, BUSY, reply)


async def test_a_cut_that_refuses_nobody_is_none(seen, monkeypatch):
    moments = iter((0.0, 100.0))
    monkeypatch.setattr(reached, "monotonic", lambda: next(moments))

    with pytest.raises(FaultFailed, match="No write was refused"):
        await seen(API_TO_POSTGRES, ANSWERED, ANSWERED, stops_all=True)


async def test_clients_on_other_ways_go_on_while_one_way_to_the_api_is_cut(seen):
    assert await seen(CLIENTS_TO_API, ANSWERED) == "1 writes of others answered meanwhile"

    with pytest.raises(FaultFailed, match="whose way is whole"):
        await seen(CLIENTS_TO_API, ANSWERED, BUSY)


async def test_what_another_fault_does_is_not_blamed_on_this_one(seen):
    said = await seen(CLIENTS_TO_API, BUSY, ANSWERED, hurt=["postgres"])

    assert said == "1 writes of others answered meanwhile"
