"""Mutants can be planted where they say, and the checkers find what the small ones do.

The others need real servers: `python -m tests.mutants.run`.
"""

import dataclasses
import subprocess
import sys

import pytest

from chronos.chaos.checkers import acknowledged, journal, published, snapshots
from chronos.chaos.history import Outcome
from chronos.chaos.load import sending
from chronos.chaos.report import Report, count
from chronos.chaos.verdict import verdict
from chronos.domain.account import AccountState
from tests.mutants import read_side, results, run, write_side
from tests.mutants.planting import Planting, TargetMoved, replaced_once
from tests.mutants.table import DRIVER, MUTANTS
from tests.unit.chaos.town import PARTITIONS, TOPIC, answer_with, named, pay, small_town

ROLES = {"api", "relay", "balances", "mirror", DRIVER}


@pytest.fixture
def planting():
    planted = Planting()
    yield planted
    planted.undo()


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_every_mutant_finds_what_it_replaces_and_gives_it_back(mutant, planting):
    mutant.plant(planting)
    swapped = list(planting._old)
    planting.undo()

    assert swapped
    assert all(vars(owner)[name] is old for owner, name, old in swapped)


def test_the_table_names_fifteen_mutants_in_words_and_their_finders():
    assert list(MUTANTS) == [f"M{n}" for n in range(1, 16)]
    for mutant in MUTANTS.values():
        assert mutant.sentence.endswith(".")
        assert mutant.found_by <= {f"C{n}" for n in range(1, 13)}
        assert mutant.found_by
        assert mutant.faults
        assert set(mutant.roles) <= ROLES


def test_a_target_that_has_moved_is_told(planting):
    with pytest.raises(TargetMoved, match="AccountState has no may_pay of its own"):
        planting.swap(AccountState, "may_pay", lambda old: old)
    with pytest.raises(TargetMoved, match="can_pay takes other arguments"):
        planting.swap(AccountState, "can_pay", lambda _: lambda _self, _amount, _more: True)
    with pytest.raises(TargetMoved, match="2 times"):
        replaced_once("a a", "a", "b")


def test_the_launcher_plants_and_then_runs_the_command():
    done = subprocess.run(
        [sys.executable, "-m", run.LAUNCH, "M5", "worker", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Run one Faust worker" in done.stdout


def test_an_unknown_mutant_is_told():
    assert run.main(["M16"]) == 2


def test_partitions_by_transfer_are_found(planting):
    write_side.m12_partition_by_transfer(planting)
    town = small_town()

    found = published.outbox_to_kafka(
        town.journal(), town.topic(), partitions=PARTITIONS, topic_name=TOPIC
    )
    assert [what for what in found.violations if "belongs in partition" in what]


def test_balances_in_fractions_are_found(planting):
    write_side.m11_amounts_as_fractions(planting)
    town = small_town()
    for number in range(20):
        pay(town, f"f{number}", "bank", "alice", 29)
    town.snapshot()

    found = journal.gapless(town.journal())
    assert [what for what in found.violations if "by its events" in what]
    assert not snapshots.snapshot_sums(town.journal(), town.history, snapshots_min=1).holds


def test_funds_that_were_there_before_the_lock_are_found(planting):
    write_side.m10_funds_checked_before_the_lock(planting)
    town = small_town()
    alice = town.bank.state.heads["alice"].state
    # The look before the lock, which the store takes.
    _remembered()["alice"] = alice
    pay(town, "g1", "alice", "bob", alice.booked)
    pay(town, "g2", "alice", "bob", alice.booked)

    found = journal.no_overdraft(town.journal())
    assert not found.holds


def _remembered():
    """Gives what the mutant remembers of accounts."""
    by_the_past = vars(AccountState)["can_pay"]
    cells = dict(zip(by_the_past.__code__.co_freevars, by_the_past.__closure__, strict=True))
    return cells["before"].cell_contents


def test_a_time_out_that_counts_as_a_refusal_is_found(planting):
    MUTANTS["M13"].plant(planting)
    assert sending.unanswered(TimeoutError()).outcome is Outcome.FAIL
    town = small_town()
    answer_with(named(town, "t2"), outcome=Outcome.FAIL, status=0, reply="", code="timeout")

    assert not acknowledged.no_phantom(town.journal(), town.history).holds


def test_the_redis_script_without_its_guard_still_writes(planting):
    read_side.m7_plain_redis_writes(planting)

    script = read_side.mirror_redis._WRITE_IF_NEWER.decode()
    assert "HGET" not in script
    assert script.split() == [
        *["redis.call('HSET',", "KEYS[1],", "unpack(cmsgpack.unpack(ARGV[2])))"],
        "return",
        "1",
    ]


def report(**changes) -> Report:
    values = {
        "seed": 1,
        "profile": dataclasses.replace(run.PROFILE, acks_min=0, faults_min=0, snapshots_min=0),
        "only": ("T4",),
        "commit": "",
        "machine": {},
        "started_at": "",
        "begun_ns": 0,
        "ended_ns": 1,
        "marks": (),
        "counts": run_counts(),
        "wanted": (),
        "injections": (),
        "left_out": (),
        "verdicts": (verdict("C6", "…", looked_at=1, violations=()),),
        "samples": (),
    }
    return Report(**values | changes)


def run_counts():
    return count([named(small_town(), "t1")])


def test_a_mutant_is_killed_by_who_must_find_it_and_by_nobody_else():
    lost = verdict("C6", "…", looked_at=1, violations=["Kafka has not alice version 1"])
    other = verdict("C7", "…", looked_at=1, violations=["Redis: alice is absent"])

    killed = run.outcome_of(MUTANTS["M3"], report(verdicts=(lost, other)), seconds=1)
    lives = run.outcome_of(MUTANTS["M3"], report(verdicts=(other,)), seconds=1)

    assert killed.is_as_it_should_be
    assert not lives.is_as_it_should_be
    assert killed.found_by == {"C6": 1, "C7": 1}
    assert killed.said[0] == "C6: Kafka has not alice version 1"


def test_a_run_without_a_mistake_must_find_none():
    clean = run.outcome_of(None, report(), seconds=1)
    broken = run.outcome_of(None, report(failures=("it had not caught up",)), seconds=1)

    assert not clean.found_by
    assert not clean.failures
    assert not broken.is_as_it_should_be


def test_an_outcome_takes_the_place_of_the_one_before(tmp_path):
    lost = verdict("C6", "…", looked_at=1, violations=["Kafka has not alice version 1"])
    lives = run.outcome_of(MUTANTS["M3"], report(), seconds=1)
    killed = run.outcome_of(MUTANTS["M3"], report(verdicts=(lost,)), seconds=2)
    control = run.outcome_of(None, report(), seconds=3)

    for outcome in (
        lives,
        killed,
        run.outcome_of(MUTANTS["M12"], report(), seconds=4),
        control,
    ):
        results.keep(outcome, tmp_path)

    kept = results.read(tmp_path / "mutants.json")
    assert [one.mutant for one in kept] == ["M0", "M3", "M12"]
    assert kept[1] == killed
    rows = (tmp_path / "mutants.md").read_text().splitlines()[-3:]
    assert "| nobody |" in rows[0]
    assert "| **C6** (1) |" in rows[1]


def test_the_table_that_is_kept_is_made_of_the_outcomes_that_are_kept():
    kept = results.read(results.FOLDER / "mutants.json")

    assert (results.FOLDER / "mutants.md").read_text() == results.table(kept)
    assert {one.mutant for one in kept} == {results.CONTROL, *MUTANTS}
    assert [one.mutant for one in kept if not one.is_as_it_should_be] == []


def test_the_clients_are_started_with_their_mistake():
    assert run.launches(MUTANTS["M13"]) == {}
    assert run.launches(MUTANTS["M3"]) == {
        "relay": (sys.executable, "-m", "tests.mutants.launch", "M3")
    }
    with run._driver_of(MUTANTS["M13"]):
        assert isinstance(run.workload.asyncio, run._Asyncio)
    assert not isinstance(run.workload.asyncio, run._Asyncio)
