"""The plan of faults depends on the seed alone, and keeps its promises for every seed."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from chronos.chaos.fault import Phase
from chronos.chaos.profile import LONG, SMOKE
from chronos.chaos.schedule import narrowed, plan
from chronos.errors import SettingFault
from tests.unit.chaos.faking import FakeFault

FAULTS = [
    FakeFault("T1 kill", ["api"]),
    FakeFault("T2 kill", ["postgres"]),
    FakeFault("T3 cut", ["postgres"]),
    FakeFault("T4 kill", ["kafka"]),
    FakeFault("T4 pause", ["kafka"], least_s=20.0),
    FakeFault("T5 kill", ["relay"]),
    FakeFault("T6 kill", ["balances"]),
    FakeFault("T6 mirror", ["mirror"]),
    FakeFault("T7 flush", ["redis"]),
    FakeFault("T8 kill", ["elasticsearch"]),
    FakeFault("T13 swizzle", ["postgres", "kafka", "redis", "elasticsearch"]),
]
SEEDS = range(60)


def shown(planned):
    return [(one.fault.name, one.begin_s, one.duration_s) for one in planned]


def test_the_same_seed_gives_the_same_plan_and_another_another():
    plans = [shown(plan(FAULTS, LONG, seed=seed)) for seed in (7, 7, 8)]

    assert plans[0] == plans[1]
    assert plans[0] != plans[2]


@pytest.mark.parametrize("profile", [SMOKE, LONG], ids=["smoke", "long"])
def test_every_kind_comes_once_before_any_comes_twice(profile):
    kinds = {fault.kind for fault in FAULTS}
    for seed in SEEDS:
        came = [one.fault.kind for one in plan(FAULTS, profile, seed=seed)]
        rounds = [came[n : n + len(kinds)] for n in range(0, len(came), len(kinds))]

        assert set(rounds[0]) == kinds, f"seed {seed}: {came}"
        assert all(len(set(one)) == len(one) for one in rounds[:-1]), f"seed {seed}: {came}"


def test_the_faults_of_a_kind_take_turns():
    came = [one.fault.name for one in plan(FAULTS, LONG, seed=3)]

    assert abs(came.count("T4 kill") - came.count("T4 pause")) <= 1


def test_what_hurts_the_same_thing_never_overlaps_and_no_more_than_the_profile_allows():
    for seed in SEEDS:
        planned = plan(FAULTS, LONG, seed=seed)
        for one in planned:
            others = [
                other
                for other in planned
                if other is not one and other.begin_s <= one.begin_s < other.end_s
            ]
            assert len(others) < LONG.overlapping_max
            assert not any(one.fault.hits & other.fault.hits for other in others)


def test_times_keep_within_the_profile_and_the_least_time_of_a_fault():
    for seed in SEEDS:
        planned = plan(FAULTS, SMOKE, seed=seed)
        for one, after in itertools.pairwise(planned):
            assert after.begin_s - one.begin_s >= SMOKE.pause_s[0]
        for one in planned:
            low_s, high_s = SMOKE.fault_s
            assert max(low_s, one.fault.least_s) <= one.duration_s
            assert one.duration_s <= max(high_s, one.fault.least_s)
            assert one.end_s < SMOKE.load_s - SMOKE.base_s


def test_pauses_are_short_rather_than_long():
    alone = dataclasses.replace(LONG, overlapping_max=10_000)
    faults = [FakeFault(f"T{n} x", [f"thing-{n}"]) for n in range(500)]
    begins = [one.begin_s for one in plan(faults, alone, seed=1)]
    pauses = [after - before for before, after in itertools.pairwise(begins)]
    low_s, high_s = LONG.pause_s

    assert all(low_s <= pause <= high_s for pause in pauses)
    assert sum(pause < (low_s + high_s) / 2 for pause in pauses) > 0.6 * len(pauses)


def test_a_smoke_run_has_room_for_its_least_number_of_faults():
    assert min(len(plan(FAULTS, SMOKE, seed=seed)) for seed in SEEDS) >= SMOKE.faults_min


def test_only_faults_under_load_are_planned():
    calm = [FakeFault("T0 unsafe", ["api"], phase=Phase.BEFORE)]

    assert plan(calm, SMOKE, seed=1) == ()
    assert {one.fault.kind for one in plan([*calm, *FAULTS], SMOKE, seed=1)} == {
        fault.kind for fault in FAULTS
    }


def test_a_run_is_narrowed_to_kinds_by_name():
    assert {f.name for f in narrowed(FAULTS, ["T4", "T5"])} == {
        "T4 kill", "T4 pause", "T5 kill",
    }  # fmt: skip
    assert narrowed(FAULTS, []) == FAULTS


def test_a_kind_that_is_not_there_is_refused_by_the_names_of_those_that_are():
    with pytest.raises(SettingFault, match=r"--only: names T99; it takes T1, T2, .*, T8, T13"):
        narrowed(FAULTS, ["T4", "T99"])
