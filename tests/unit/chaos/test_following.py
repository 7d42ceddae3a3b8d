"""An empty history is waited for as long as it is being filled."""

import itertools

import pytest

from chronos.chaos import wounds as waits
from chronos.chaos.fault import FaultFailed
from chronos.chaos.faults import following
from chronos.chaos.faults.promise import Shape
from chronos.chaos.wounds import Wounds

WANTED = {"alice": 300, "bob": 100}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A second passes at each look at the clock."""
    moments = itertools.count()
    monkeypatch.setattr(waits, "POLL_S", 0)
    monkeypatch.setattr(waits, "monotonic", lambda: float(next(moments)))
    monkeypatch.setattr(following, "_ASK_EVERY_S", 0)


def refilled(*looks):
    answers = iter(looks)
    last = looks[-1]

    async def look():
        return next(answers, last)

    fault = Shape(kind="T8", name="gone", hits=frozenset({"elasticsearch"}), wounds=Wounds())
    return following._until_refilled(fault, WANTED, look, "mirror")


async def test_it_may_take_far_longer_than_a_promise_as_long_as_it_comes_nearer():
    slow = [{"alice": n // 2} for n in range(2 * 150)]

    assert await refilled(*slow, WANTED) > 5 * following.NEARER_S


async def test_one_that_stands_still_is_told_with_what_it_lacks():
    with pytest.raises(FaultFailed, match="not filled any more; it lacks 150 entries"):
        await refilled({}, {"alice": 200}, {"alice": 150, "bob": 100})


async def test_one_that_is_whole_is_not_waited_for():
    assert await refilled(WANTED | {"carol": 9}) < following.NEARER_S


async def test_not_even_that_is_without_end(monkeypatch):
    monkeypatch.setattr(following, "REFILLED_S_MAX", 50)

    with pytest.raises(FaultFailed, match="still lacks"):
        await refilled(*({"alice": n // 5} for n in range(1_000)))
