"""Every hold is found once its time has come, and those that ended long ago are left alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chronos.store.due_holds import BEGINNING, SLACK, STEP, DueHolds
from tests.builders import NOW
from tests.fakes import FakeHolds

SECOND = timedelta(seconds=1)


@pytest.fixture
def holds():
    return FakeHolds()


@pytest.fixture
def due(holds):
    return DueHolds(holds)


async def one_pass(due, *, leave=()):
    """The ids that a pass gives; those of `leave` stay open."""
    given = []
    async for page in due.due():
        for hold in page:
            given.append(hold.hold_id)
            if hold.hold_id in leave:
                due.leave(hold)
    return given


async def test_only_open_holds_whose_time_has_come_are_given_in_the_order_of_expiry(due, holds):
    holds.place("later", NOW + SECOND)
    holds.place("now", NOW)
    holds.place("captured", NOW - 2 * SECOND)
    holds.place("long ago", NOW - timedelta(days=400))
    holds.ended.add("captured")

    assert await one_pass(due) == ["long ago", "now"]


async def test_a_pass_goes_on_through_pages_of_ended_holds_and_of_one_instant(due, holds):
    for number in range(10):
        holds.place(f"ended {number}", NOW - timedelta(hours=1))
        holds.ended.add(f"ended {number}")
        holds.place(f"open {number}", NOW - timedelta(hours=1))

    assert await one_pass(due) == [f"open {number}" for number in range(10)]


async def test_after_a_pass_only_what_expired_lately_is_looked_at(due, holds):
    for number in range(100):
        holds.place(f"old {number}", NOW - timedelta(hours=1))
    holds.place("lately", NOW - SLACK / 2)
    assert len(await one_pass(due)) == 101
    holds.ended = {hold.hold_id for hold in holds.placed}
    holds.looked_at = 0

    assert await one_pass(due) == []
    assert holds.looked_at == 1


async def test_a_hold_that_becomes_visible_late_is_not_missed(due, holds):
    holds.oldest_transaction = NOW - timedelta(minutes=5)
    await one_pass(due)

    holds.now, holds.oldest_transaction = NOW + SECOND, None
    holds.place("its commit hung for minutes", NOW - timedelta(minutes=5) + SECOND)

    assert await one_pass(due) == ["its commit hung for minutes"]


async def test_a_hold_that_could_not_be_ended_is_given_again_whatever_its_age(due, holds):
    holds.place("stuck", NOW - timedelta(days=1))
    holds.place("stuck too", NOW - timedelta(days=2))
    assert await one_pass(due, leave={"stuck", "stuck too"}) == ["stuck too", "stuck"]
    holds.now += timedelta(hours=1)
    assert await one_pass(due, leave={"stuck"}) == ["stuck too", "stuck"]
    holds.ended.add("stuck too")

    assert await one_pass(due) == ["stuck"]
    holds.now += timedelta(hours=1)
    assert await one_pass(due) == []


async def test_a_pass_that_is_broken_off_leaves_the_watermark(due, holds):
    for number in range(7):
        holds.place(f"hold {number}", NOW - timedelta(hours=1))
    async for page in due.due():
        assert len(page) == 3
        break

    assert len(await one_pass(due)) == 7


async def test_a_clock_that_was_set_back_brings_a_whole_pass(due, holds):
    await one_pass(due)
    holds.now -= timedelta(hours=1)
    holds.place("placed after the step", holds.now + SECOND)
    assert await one_pass(due) == []
    holds.now += 2 * SECOND

    assert await one_pass(due) == ["placed after the step"]


async def test_a_small_step_back_needs_no_whole_pass(due, holds):
    holds.place("old", NOW - timedelta(hours=1))
    await one_pass(due)
    holds.looked_at = 0
    holds.now -= STEP
    holds.place("placed after the step", holds.now + SECOND / 2)
    holds.now += SECOND

    assert await one_pass(due) == ["placed after the step"]
    assert holds.looked_at == 1


async def test_the_pause_ends_with_the_next_expiry_or_at_its_bound(due, holds):
    assert await due.pause_s(1.0) == 1.0
    await one_pass(due)
    holds.place("soon", NOW + SECOND / 4)

    assert await due.pause_s(1.0) == 0.25
    holds.now += SECOND
    assert await due.pause_s(1.0) == 0.0
    assert await due.pause_s(0.0) == 0.0
    await one_pass(due)
    assert await due.pause_s(1.0) == 1.0


async def test_the_beginning_is_before_every_expiry(due, holds):
    holds.place("first", BEGINNING)

    assert await one_pass(due) == ["first"]
    assert due.began_at == NOW
