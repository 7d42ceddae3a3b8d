"""What is planned is injected and healed, whatever fails on the way, and written down."""

from __future__ import annotations

import asyncio

import pytest

from chronos.chaos.fault import FaultFailed, Unseen
from chronos.chaos.injecting import Injector, sort_out
from chronos.chaos.schedule import Planned
from chronos.chaos.wounds import Wounds
from chronos.errors import EmbeddedFault
from tests.unit.chaos.faking import FakeFault, JumpingPace


@pytest.fixture
def pace():
    return JumpingPace()


@pytest.fixture
def wounds():
    return Wounds()


@pytest.fixture
def injector(pace, wounds):
    return Injector(scene=None, wounds=wounds, pace=pace)


def planned(fault, begin_s, duration_s):
    return Planned(fault=fault, begin_s=begin_s, duration_s=duration_s)


async def carried_out(injector, pace, plan, *, overlapping_max=2, span_s=100.0):
    work = asyncio.create_task(
        injector.carry_out(plan, overlapping_max=overlapping_max, span_s=span_s)
    )
    await pace.until_done(work)
    await work
    return injector.injected


async def test_a_fault_is_injected_at_its_time_and_healed_at_its_time(injector, pace, wounds):
    fault = FakeFault("T1 kill", ["api"], pace=pace, heal_s=2.0)

    done = await carried_out(injector, pace, [planned(fault, 4.0, 3.0)])

    assert fault.acts == [("inject", 4.0), ("heal", 7.0), ("healed", 9.0)]
    (injection,) = done.injections
    assert (injection.begun_ns, injection.healing_ns, injection.ended_ns) == (
        4_000_000_000, 7_000_000_000, 9_000_000_000,
    )  # fmt: skip
    assert (injection.kind, injection.hits) == ("T1", ("api",))
    assert (injection.note, injection.failure) == ("hurt; whole again", "")
    assert wounds.of(["api"]) == frozenset()


async def test_a_fault_waits_for_one_that_still_heals_the_same_thing(injector, pace):
    slow = FakeFault("T4 kill", ["kafka"], pace=pace, heal_s=30.0)
    after = FakeFault("T4 pause", ["kafka"], pace=pace)

    await carried_out(injector, pace, [planned(slow, 1.0, 2.0), planned(after, 10.0, 1.0)])

    assert slow.acts[-1] == ("healed", 33.0)
    assert after.acts[0] == ("inject", 33.0)


async def test_no_more_faults_overlap_than_allowed(injector, pace):
    faults = [FakeFault(f"T{n} x", [f"thing-{n}"], pace=pace, heal_s=5.0) for n in range(3)]
    plan = [planned(fault, n + 1.0, 10.0) for n, fault in enumerate(faults)]

    await carried_out(injector, pace, plan, overlapping_max=2)

    assert [fault.acts[0] for fault in faults] == [
        ("inject", 1.0), ("inject", 2.0), ("inject", 16.0),
    ]  # fmt: skip


async def test_what_is_late_does_not_begin_and_is_named(injector, pace):
    slow = FakeFault("T4 kill", ["kafka"], pace=pace, heal_s=95.0)
    late = FakeFault("T4 pause", ["kafka"], pace=pace)
    plan = [planned(slow, 1.0, 2.0), planned(late, 10.0, 5.0)]

    done = await carried_out(injector, pace, plan, span_s=100.0)

    assert late.acts == []
    assert done.not_begun == plan[1:]
    assert [one.name for one in done.injections] == ["T4 kill"]


async def test_a_broken_promise_is_written_down_and_the_fault_healed(injector, pace):
    at_once = FakeFault("T1 kill", ["api"], pace=pace, inject_fails="It did not die.")
    late = FakeFault("T7 flush", ["redis"], pace=pace, heal_fails="It stayed empty.")

    done = await carried_out(
        injector, pace, [planned(at_once, 1.0, 2.0), planned(late, 9.0, 1.0)]
    )

    assert [act for act, _ in at_once.acts] == ["inject", "heal", "healed"]
    assert [one.failure for one in done.injections] == ["It did not die.", "It stayed empty."]
    assert done.injections[0].ended_ns > 0
    assert done.injections[1].ended_ns == 0, "it was never healed"


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (Unseen("Redis did not answer."), "Redis did not answer."),
        (EmbeddedFault("relay does not run now."), "relay does not run now."),
        (TimeoutError(), "TimeoutError without a word."),
        (
            ExceptionGroup("of a task group", [FaultFailed("It stayed."), Unseen("mute")]),
            "It stayed.; mute",
        ),
        (KeyError("pid"), "The fault itself fell over: KeyError('pid')"),
        (
            ExceptionGroup("of a task group", [ProcessLookupError(3, "No such process")]),
            "The fault itself fell over: ProcessLookupError(3, 'No such process')",
        ),
    ],
)
async def test_whatever_a_fault_says_went_wrong_is_kept(injector, pace, error, failure):
    fault = FakeFault("T7 flush", ["redis"], pace=pace, raises=error)

    done = await carried_out(injector, pace, [planned(fault, 1.0, 1.0)])

    assert [one.failure for one in done.injections] == [failure]
    assert fault.acts[-1][0] == "healed"


async def test_a_heal_that_falls_over_ends_neither_the_run_nor_the_next_fault(
    injector, pace, wounds
):
    broken = FakeFault("T7 flush", ["redis"], pace=pace, heal_raises=OSError(28, "No space"))
    after = FakeFault("T7 kill", ["redis"], pace=pace)

    done = await carried_out(
        injector, pace, [planned(broken, 1.0, 1.0), planned(after, 9.0, 1.0)]
    )

    assert [one.failure for one in done.injections] == [
        "The fault itself fell over: OSError(28, 'No space')",
        "",
    ]
    assert after.acts[-1][0] == "healed"
    assert wounds.of(["redis"]) == frozenset()


async def test_a_cancelled_run_is_healed_whole(injector, pace, wounds):
    fault = FakeFault("T4 kill", ["kafka"], pace=pace, heal_s=20.0)
    never = FakeFault("T5 kill", ["relay"], pace=pace)
    plan = [planned(fault, 1.0, 50.0), planned(never, 40.0, 1.0)]
    work = asyncio.create_task(injector.carry_out(plan, overlapping_max=2, span_s=100.0))
    await pace.until_done(work, not_after_s=10.0)

    work.cancel()
    await pace.until_done(work, not_after_s=15.0)
    work.cancel()
    await pace.until_done(work)

    with pytest.raises(asyncio.CancelledError):
        await work
    assert [act for act, _ in fault.acts] == ["inject", "heal", "healed"]
    assert injector.injected.injections[0].ended_ns > 0
    assert never.acts == []
    assert wounds.of(["kafka"]) == frozenset()


async def test_faults_before_and_after_the_load_come_one_by_one(injector, pace):
    first = FakeFault("T0 unsafe", ["api"], pace=pace, heal_s=3.0)
    second = FakeFault("T0 role", ["api"], pace=pace, least_s=1.0)
    work = asyncio.create_task(injector.in_turn([first, second]))
    await pace.until_done(work)

    assert first.acts[-1] == ("healed", 3.0)
    assert second.acts == [("inject", 3.0), ("heal", 4.0), ("healed", 4.0)]


async def test_what_a_machine_cannot_have_is_left_out_with_the_reason():
    possible = FakeFault("T1 kill", ["api"])
    not_here = FakeFault("T10 full", ["postgres"], reason="mounting needs root")

    kept, left_out = await sort_out(None, [possible, not_here])

    assert kept == [possible]
    assert [(one.kind, one.reason) for one in left_out] == [("T10", "mounting needs root")]
