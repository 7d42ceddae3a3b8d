"""A worker stalls where there is work, none is done, and its agent waits for nobody."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from chronos.errors import ChronosError, InvariantBroken, UnsafeSetting
from chronos.stream.liveness import Liveness, Place, Progress, Stall, readiness
from chronos.stream.worker import exit_code_of

HERE = Place("balances", "events", 3)
NEXT = Place("balances", "events", 4)


@pytest.fixture
def clock():
    return SimpleNamespace(now_s=1000.0)


@pytest.fixture
def liveness(clock):
    return Liveness(stuck_after_s=120, clock_s=lambda: clock.now_s)


def test_work_that_nobody_does_is_a_stall_after_its_time(clock, liveness):
    assert liveness.look({HERE: Progress(7, 5)}) is None
    clock.now_s += 120
    assert liveness.look({HERE: Progress(7, 5)}) is None
    clock.now_s += 1

    stall = liveness.look({HERE: Progress(7, 6)})

    assert stall == Stall(place=HERE, progress=Progress(7, 6), since_s=121)


def test_a_partition_that_stands_still_beside_one_that_moves_is_a_stall(clock, liveness):
    stall = None
    for offset in range(130):
        stall = liveness.look({HERE: Progress(7, 5), NEXT: Progress(offset, 5)})
        clock.now_s += 1

    assert stall.place == HERE


def test_a_long_idle_time_before_the_work_came_does_not_count(clock, liveness):
    assert liveness.look({HERE: Progress(7, 0)}) is None
    clock.now_s += 1200
    assert liveness.look({HERE: Progress(7, 0)}) is None
    clock.now_s += 1
    assert liveness.look({HERE: Progress(7, 5)}) is None
    clock.now_s += 119
    assert liveness.look({HERE: Progress(7, 5)}) is None


def test_a_partition_that_went_and_came_back_begins_anew(clock, liveness):
    liveness.look({HERE: Progress(7, 5)})
    clock.now_s += 100
    liveness.look({})
    clock.now_s += 100
    assert liveness.look({HERE: Progress(7, 5)}) is None


def test_a_store_that_the_agent_waits_for_counts_as_alive_and_another_agent_s_does_not(
    clock, liveness
):
    liveness.look({HERE: Progress(7, 5)})
    liveness.waits("balances", "postgresql")
    clock.now_s += 1200
    assert liveness.look({HERE: Progress(7, 5)}) is None
    assert liveness.waiting_for == ("postgresql",)
    liveness.waits_no_more("balances")
    assert liveness.waiting_for == ()
    clock.now_s += 120
    assert liveness.look({HERE: Progress(7, 5)}) is None

    liveness.waits("mirror-entries", "elasticsearch")
    clock.now_s += 1
    assert liveness.look({HERE: Progress(7, 5)}) is not None


def test_work_that_no_offset_shows_counts_and_so_does_forgiveness(clock, liveness):
    liveness.look({HERE: Progress(7, 5)})
    for step in (lambda: liveness.did_something("balances"), liveness.forgive):
        clock.now_s += 120
        step()
        clock.now_s += 1
        assert liveness.look({HERE: Progress(7, 5)}) is None


def app(**changes):
    known = {
        "should_stop": False,
        "started": True,
        "in_recovery": False,
        "rebalancing": False,
        "recovered": True,
        **changes,
    }
    completed = SimpleNamespace(is_set=lambda: known["recovered"])
    tables = SimpleNamespace(recovery=SimpleNamespace(completed=completed))
    return SimpleNamespace(tables=tables, **known)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"recovered": False}, "recovering"),
        ({"in_recovery": True}, "recovering"),
        ({"started": False}, "recovering"),
        ({"rebalancing": True}, "rebalancing"),
        ({"should_stop": True, "rebalancing": True}, "stopping"),
    ],
)
def test_a_worker_is_ready_once_recovered_and_settled(changes, reason):
    state = readiness(app(**changes))
    assert (state.ready, state.reason) == (not reason, reason)


def test_the_exit_code_is_that_of_the_first_fault_in_the_chain():
    ring = InvariantBroken("bad")
    ring.__cause__ = ring
    wrapped = RuntimeError("later")
    wrapped.__context__ = UnsafeSetting("fsync", "is off")
    assert exit_code_of(ring) == 70
    assert exit_code_of(wrapped) == 78
    assert exit_code_of(ChronosError("other")) == 1
    assert exit_code_of(ValueError("a bug")) == 1
    assert exit_code_of(None) == 1
