"""The part of C12 that is about rates: Kafka stands still, and writes go on."""

import dataclasses

import pytest

from chronos.chaos.checkers.availability import availability
from chronos.chaos.fault import KAFKA_STANDS_STILL
from tests.unit.chaos.test_availability import begun, fault, write


def still(begin_s, end_s, **times):
    return dataclasses.replace(fault(begin_s, end_s, "kafka", **times), name=KAFKA_STANDS_STILL)


def rate(from_s, seconds, a_second):
    """Writes at a constant rate; each is answered within 10 ms."""
    return [
        write(from_s + second + (n + 0.5) / a_second * 0.9)
        for second in range(seconds)
        for n in range(a_second)
    ]


UNJUDGED = "; Kafka did not stand still alone for 3 s, so rates are not judged"


def judged(*history, faults):
    return availability([begun(), *(one for some in history for one in some)], faults)


@pytest.mark.parametrize(("a_second", "violations"), [(100, 0), (96, 0), (94, 1), (0, 1)])
def test_writes_must_go_on_at_nearly_the_calm_rate(a_second, violations):
    told = judged(
        rate(0, 10, 100), rate(10, 5, a_second), rate(20, 1, 1), faults=[still(10, 15)]
    )

    assert len(told.violations) == violations
    for only in told.violations:
        assert only == (
            f"while Kafka stood still, {a_second:.1f} writes a second were answered; in calm "
            "seconds it was 100.0, so 95.0 are due"
        )


def test_the_verdict_tells_the_rates():
    told = judged(rate(0, 10, 100), rate(10, 6, 200), faults=[still(10, 15)])

    assert told.promise.endswith(
        "; writes a second: 200 while Kafka stood still (4 s), 100 before the first fault (9 s)"
    )


def test_a_kafka_that_was_killed_is_not_judged_by_its_rate():
    told = judged(rate(0, 10, 100), rate(10, 6, 10), faults=[fault(10, 15, "kafka")])

    assert told.violations == ()
    assert told.promise.endswith(UNJUDGED)


def test_seconds_in_which_something_else_is_hurt_are_not_counted():
    history = (rate(0, 10, 100), rate(10, 6, 10))

    redis = fault(9.5, 16, "redis")
    assert judged(*history, faults=[still(10, 15), redis]).violations == ()
    # Two seconds after its heal, the rest of the time counts: three seconds of five.
    redis = fault(9.5, 9.9, "redis")
    assert len(judged(*history, faults=[still(10, 15), redis]).violations) == 1


def test_too_few_seconds_have_no_rate():
    told = judged(rate(0, 10, 100), rate(10, 4, 10), faults=[still(10, 13.5)])

    assert told.violations == ()
    assert told.promise.endswith(UNJUDGED)


def test_seconds_in_which_it_is_already_healed_are_not_counted():
    told = judged(
        rate(0, 10, 100),
        rate(10, 4, 100),
        rate(14, 6, 10),
        faults=[still(10, 20, healing_s=14)],
    )

    assert told.violations == ()


def test_a_machine_that_became_slow_for_all_is_no_fault_of_kafka():
    faults = [still(10, 15), still(25, 26)]
    slow = rate(10, 15, 50)

    assert judged(rate(0, 10, 100), slow, rate(25, 2, 50), faults=faults).violations == ()


def test_kafka_stands_still_for_half_a_minute_however_long_the_fault_lasts():
    fast, slow = rate(10, 30, 100), rate(40, 12, 10)

    told = judged(rate(0, 10, 100), fast, slow, faults=[still(10, 50)])

    assert told.violations == ()
    assert "100 while Kafka stood still (29 s)" in told.promise


def test_the_moment_until_the_signal_is_not_counted():
    told = judged(rate(0, 10, 100), rate(11, 6, 100), faults=[still(10, 16)])

    assert told.violations == ()
    assert "100 while Kafka stood still (5 s)" in told.promise
