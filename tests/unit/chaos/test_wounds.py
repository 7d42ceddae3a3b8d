"""A promise is timed while what it rests upon is whole, and never without end."""

from __future__ import annotations

import itertools

import pytest

from chronos.chaos import wounds as module
from chronos.chaos.fault import FaultFailed, Unseen
from chronos.chaos.wounds import SLACK, Promise, Timed, Wounds


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A tenth of a second passes at each look at the clock."""
    moments = itertools.count()
    monkeypatch.setattr(module, "POLL_S", 0)
    monkeypatch.setattr(module, "monotonic", lambda: next(moments) / 10)


def never_refilled():
    return "Redis was not refilled."


async def test_a_promise_that_is_kept_gives_its_time():
    answers = iter([False, False, True])

    async def refilled():
        return next(answers)

    took_s = await Wounds().until(refilled, within=60, failure=never_refilled)

    assert took_s == pytest.approx(0.3)


async def test_a_broken_promise_says_what_and_how_long():
    async def refilled():
        return False

    with pytest.raises(
        FaultFailed, match=r"Redis was not refilled. \(waited 5.\d s, allowed 5"
    ):
        await Wounds().until(refilled, within=5, failure=never_refilled)


async def test_the_time_in_which_something_else_is_hurt_does_not_count():
    wounds = Wounds()
    wounds.open(["kafka"])
    looks = itertools.count(1)

    async def refilled():
        if next(looks) == 100:
            wounds.close(["kafka"])
        return next(looks) > 220

    took_s = await wounds.until(
        refilled, within=8, resting_on=["kafka", "balances"], failure=never_refilled
    )

    assert took_s > 8


async def test_not_even_that_time_is_without_end():
    wounds = Wounds()
    wounds.open(["kafka"])

    async def refilled():
        return False

    with pytest.raises(FaultFailed, match="waited 18"):
        await wounds.until(refilled, within=5, resting_on=["kafka"], failure=never_refilled)


def test_what_two_faults_hurt_is_hurt_until_both_are_healed():
    wounds = Wounds()
    wounds.open(["kafka", "relay"])
    wounds.open(["relay"])
    wounds.close(["relay"])

    assert wounds.of(["kafka", "relay", "redis"]) == {"kafka", "relay"}

    wounds.close(["kafka", "relay"])
    assert wounds.of(["kafka", "relay"]) == frozenset()


async def test_a_look_without_an_answer_proves_nothing_and_is_repeated():
    looks = itertools.count()

    async def head():
        if next(looks) < 3:
            raise Unseen("PostgreSQL did not answer.")
        return 42

    assert await Wounds().seen(head) == 42


async def test_a_store_that_is_whole_must_answer():
    async def head():
        raise Unseen("PostgreSQL did not answer.")

    with pytest.raises(FaultFailed, match="got no answer"):
        await Wounds().seen(head)


REFILLED = Promise(text="Redis is refilled", within_s=5)


async def waited(wounds, *, seconds, promise=REFILLED, resting_on=()):
    answers = iter([False] * int(seconds * 10 - 1))

    async def refilled():
        return next(answers, True)

    return await wounds.until(
        refilled, within=promise, resting_on=resting_on, failure=never_refilled
    )


async def test_what_takes_longer_than_promised_is_late_and_no_violation_yet():
    wounds = Wounds()

    await waited(wounds, seconds=1)
    await waited(wounds, seconds=6)

    assert wounds.timed() == (
        Timed(promise="Redis is refilled", within_s=5, waits=2, late=1, slowest_s=6),
    )


async def test_what_takes_far_longer_is_both():
    wounds = Wounds()

    with pytest.raises(FaultFailed, match="allowed 15 s"):
        await waited(wounds, seconds=6 * SLACK)

    (only,) = wounds.timed()
    assert (only.waits, only.late) == (1, 1)


async def test_a_wait_is_noted_from_when_all_was_whole():
    wounds = Wounds()
    wounds.open(["kafka"])
    looks = itertools.count(1)

    async def refilled():
        look = next(looks)
        if look == 100:
            wounds.close(["kafka"])
        return look > 120

    await wounds.until(refilled, within=REFILLED, resting_on=["kafka"], failure=never_refilled)

    (only,) = wounds.timed()
    assert only.late == 0
    assert 1.9 <= only.slowest_s <= 2.3


async def test_a_wait_that_promises_nothing_is_not_noted():
    wounds = Wounds()
    await waited(wounds, seconds=1, promise=60)

    assert wounds.timed() == ()


def test_the_most_pressing_promise_comes_first():
    wounds = Wounds()
    wounds.note(Promise(text="slow", within_s=60), 30)
    wounds.note(Promise(text="quick", within_s=1), 0.9)

    assert [one.promise for one in wounds.timed()] == ["quick", "slow"]


async def test_a_promise_that_others_never_let_be_kept_is_late():
    wounds = Wounds()
    wounds.open(["kafka"])

    with pytest.raises(FaultFailed):
        await waited(wounds, seconds=400, resting_on=["kafka"])

    (only,) = wounds.timed()
    assert (only.waits, only.late) == (1, 1)


async def test_a_wait_that_something_else_ended_was_none():
    async def given_up():
        raise FaultFailed("The API was given up.")

    wounds = Wounds()
    with pytest.raises(FaultFailed, match="given up"):
        await wounds.until(given_up, within=REFILLED, failure=never_refilled)

    assert wounds.timed() == ()


def test_what_is_shown_and_what_is_judged_are_one_number():
    wounds = Wounds()
    wounds.note(Promise(text="quick", within_s=1), 1.04)

    assert wounds.timed()[0].late == 0
