"""A worker is stuck only when there is work, none is done, and it waits for nobody."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from chronos.errors import ChronosError, InvariantBroken, UnsafeSetting
from chronos.stream.liveness import STUCK_AFTER_S, Liveness, readiness
from chronos.stream.worker import exit_code_of


@pytest.fixture
def clock():
    return SimpleNamespace(now_s=1000.0)


@pytest.fixture
def liveness(clock):
    return Liveness(clock_s=lambda: clock.now_s)


def test_work_that_nobody_does_is_stuck_after_two_minutes(clock, liveness):
    assert not liveness.is_stuck(5)
    clock.now_s += STUCK_AFTER_S
    assert not liveness.is_stuck(5)
    clock.now_s += 1
    assert liveness.is_stuck(5)


def test_a_long_idle_time_before_the_work_came_does_not_count(clock, liveness):
    assert not liveness.is_stuck(0)
    clock.now_s += 10 * STUCK_AFTER_S
    assert not liveness.is_stuck(5)


def test_progress_or_a_store_that_is_waited_for_counts_as_alive(clock, liveness):
    liveness.is_stuck(5)
    clock.now_s += STUCK_AFTER_S
    liveness.did_something()
    clock.now_s += STUCK_AFTER_S
    assert not liveness.is_stuck(5)
    liveness.waits("balances", "postgresql")
    clock.now_s += 10 * STUCK_AFTER_S
    assert not liveness.is_stuck(5)
    assert liveness.waiting_for == ("postgresql",)
    liveness.waits_no_more("balances")
    assert liveness.waiting_for == ()


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
