"""C12: who fails whom, and the rule for latencies."""

import dataclasses

import pytest

from chronos.chaos.checkers.availability import JUDGED_MIN, availability
from chronos.chaos.fault import Injection
from chronos.chaos.history import Attempt, Kind, Operation, Outcome
from tests.unit.chaos.town import MS

S = 1_000 * MS
LOAD_S = 10


def write(at_s: float, *, took_ms: float = 10, kind: Kind = Kind.TRANSFER, **told) -> Operation:
    begin = int((LOAD_S + at_s) * S)
    told = {"outcome": Outcome.OK, "status": 201, **told}
    attempt = Attempt(invoked_ns=begin, completed_ns=begin + int(took_ms * MS), **told)
    return Operation(
        number=1,
        process=1,
        kind=kind,
        key="k",
        method="POST",
        path="/v1/transfers",
        body="{}",
        attempts=[attempt],
    )


def lost(at_s: float, **told) -> Operation:
    told = {"outcome": Outcome.INFO, "status": 0, "code": "timeout", **told}
    return write(at_s, **{"retry_after": "1" if told["status"] == 503 else "", **told})


def fault(
    begin_s: float, end_s: float, *hits: str, healing_s: float | None = None
) -> Injection:
    healing = end_s if healing_s is None else healing_s
    return Injection(
        kind="T4",
        name="it is killed",
        hits=hits,
        begun_ns=int((LOAD_S + begin_s) * S),
        healing_ns=int((LOAD_S + healing) * S),
        ended_ns=int((LOAD_S + end_s) * S),
    )


def begun() -> Operation:
    """The first read, by which the load is known to have begun."""
    return write(0, kind=Kind.READ, status=200)


def many(from_s: float, *, slow: int = 0, slow_ms: float = 1_000) -> list[Operation]:
    """Enough writes for a percentile, some of them slow."""
    return [
        write(from_s + n / 1000, took_ms=slow_ms if n < slow else 10) for n in range(JUDGED_MIN)
    ]


def violations(history, *injections):
    return availability([begun(), *history], injections).violations


def test_writes_that_are_answered_pass():
    judged = availability([begun(), *many(0), write(5, outcome=Outcome.FAIL, status=409)], [])

    assert (judged.violations, judged.looked_at) == ((), JUDGED_MIN + 1)


@pytest.mark.parametrize("hits", [("kafka",), ("redis", "mirror"), ()])
def test_a_lost_write_outside_faults_of_its_own_side_is_found(hits):
    (only,) = violations([lost(5)], fault(4, 6, *hits))

    assert only == (
        "transfer 1 of client 1, key k: timeout at 5.0 s outside every fault of the API and "
        "PostgreSQL"
    )


@pytest.mark.parametrize("hits", [("api",), ("postgres",), ("kafka", "api"), ("clients",)])
def test_a_lost_write_during_a_fault_of_its_own_side_is_none(hits):
    assert violations([lost(5), lost(5, status=503)], fault(4, 6, *hits)) == ()


def test_a_write_that_a_fault_began_in_or_ended_in_is_excused():
    for at_s in (3.5, 6.9):
        assert violations([lost(at_s, took_ms=2_000)], fault(4, 6, "postgres")) == ()
    for at_s in (1.9, 7.1):
        found = violations([lost(at_s, took_ms=2_000)], fault(4, 6, "postgres"))
        assert len(found) == 1


def test_a_fault_that_never_healed_excuses_all_that_follows():
    forever = dataclasses.replace(fault(4, 5, "postgres"), ended_ns=0)

    assert violations([lost(100)], forever) == ()


def test_503_of_a_write_is_lost_and_a_busy_key_is_an_answer():
    assert len(violations([lost(5, status=503)])) == 1
    assert violations([lost(5, status=409)]) == ()


@pytest.mark.parametrize("kind", [Kind.TRANSFER, Kind.PROJECTED])
@pytest.mark.parametrize("status", [500, 502, 504])
def test_500_is_found_whenever_and_wherever(kind, status):
    (only,) = violations([lost(5, kind=kind, status=status)], fault(4, 6, "postgres"))

    assert f": {status} at 5.0 s is no answer of a server in order" in only


@pytest.mark.parametrize("kind", [Kind.TRANSFER, Kind.PROJECTED])
@pytest.mark.parametrize("retry_after", ["", "soon"])
def test_503_that_does_not_say_when_to_come_again_is_found(kind, retry_after):
    silent = lost(5, kind=kind, status=503, retry_after=retry_after)

    (only,) = violations([silent], fault(4, 6, "postgres"))
    assert only.endswith(": 503 at 5.0 s without Retry-After")


def test_reads_may_be_without_an_answer():
    assert violations([lost(5, kind=Kind.PROJECTED, status=503)]) == ()
    assert violations([lost(5, kind=Kind.READ)]) == ()


def test_latencies_during_faults_of_the_read_side_are_judged_together():
    calm, hurt = many(1), many(4) + many(8, slow=6)

    (only,) = violations([*calm, *hurt], fault(4, 6, "kafka"), fault(8, 9, "redis"))
    assert only == (
        "p99 of writes during faults of the read side is 1000.0 ms; it was 10.0 ms before the "
        "first fault, so 250.0 ms are allowed"
    )
    # One bad fault of many is not a bad run.
    assert violations([*calm, *many(4) * 3, *many(8, slow=6)], fault(4, 9, "kafka")) == ()


def test_slower_than_the_base_by_less_than_the_factor_passes():
    calm = many(1, slow=JUDGED_MIN, slow_ms=400)
    for slow_ms, count in ((590, 0), (610, 1)):
        hurt = many(4, slow=JUDGED_MIN, slow_ms=slow_ms)
        assert len(violations([*calm, *hurt], fault(4, 6, "kafka"))) == count


def test_latencies_are_not_judged_where_another_fault_or_a_restart_explains_them():
    calm, slow = many(1), many(4, slow=JUDGED_MIN)

    assert violations([*calm, *slow], fault(3.9, 6, "kafka"), fault(4, 5, "api")) == ()
    assert violations([*calm, *slow], fault(3.5, 6, "kafka", healing_s=3.9)) == ()
    assert violations([*calm, *slow], fault(5, 6, "kafka")) == ()
    assert len(violations([*calm, *slow], fault(3.5, 6, "kafka"))) == 1


def test_a_machine_that_became_slow_for_all_is_no_fault_of_the_read_side():
    calm, slow = many(1), many(4, slow=6)
    faults = (fault(4, 6, "kafka"), fault(12, 13, "redis"))

    # Slow between faults too, but not within the two seconds after a heal.
    assert violations([*calm, *slow, *many(9, slow=6, slow_ms=700)], *faults) == ()
    assert len(violations([*calm, *slow, *many(7.5, slow=6, slow_ms=700)], *faults)) == 1
    (only,) = violations([*calm, *slow, *many(9, slow=6, slow_ms=400)], *faults)
    assert only.endswith(
        "it was 10.0 ms before the first fault, 400.0 ms between faults, "
        "so 600.0 ms are allowed"
    )


def test_how_fast_the_bank_was_opened_is_no_base():
    opening = [dataclasses.replace(one, process=0) for one in many(-5)]
    calm, slow = many(1, slow=JUDGED_MIN, slow_ms=400), many(4, slow=JUDGED_MIN, slow_ms=590)

    assert violations([*opening, *calm, *slow], fault(4, 6, "kafka")) == ()


def test_the_verdict_says_the_rule_and_the_figures():
    history = [begun(), *many(1), *many(4, slow=1)]
    judged = availability(history, [fault(4, 6, "kafka")])

    assert "at most 1.5 times that of calm seconds, or 250 ms; " in judged.promise
    assert (
        ": 10.0 ms before the first fault (200 writes), "
        "10.0 ms during faults of the read side (200 writes); "
    ) in judged.promise
    few = availability([begun(), *many(1), write(4)], [fault(4, 6, "kafka")])
    assert "(1 writes); too few; " in few.promise


def test_faults_before_the_load_are_not_the_first_one():
    calm, slow = many(1), many(4, slow=JUDGED_MIN)
    before = dataclasses.replace(fault(-5, -4, "kafka"), kind="T0")

    assert len(violations([*calm, *slow], before, fault(4, 6, "redis"))) == 1
