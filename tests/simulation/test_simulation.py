"""The simulation finds nothing in the product, something in every planted bug, and repeats."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter

import pytest

from tests.simulation import run
from tests.simulation.__main__ import told
from tests.simulation.planted import EVERY, Planting, commands_without_locks, planted
from tests.simulation.run import simulate, simulate_many

SEEDS = range(1, 201)
SEEDS_REPEATED = range(7, 13)
TRIED_MAX = 200
JOBS_MAX = 4
PROGRAMMING = re.compile(r"failed: (Type|Attribute|Name)Error")
RARE = (
    "a commit of the relay was lost in a crash",
    "a holder of a shard was ended",
    "a member was missed",
    "a producer gave up",
    "a record was left out",
    "a record was published again",
    "a record was unreadable",
    "a transaction number was given again",
    "a window was frozen",
    "an idle transaction was ended",
    "an outbox table was emptied",
    "api ended by Stopped",
    "balances ended by Slept",
    "balances ended by Stopped",
    "relay ended by Stopped",
    "the answer to a COMMIT was lost",
)


def test_two_hundred_seeds_keep_every_promise():
    sightings: Counter[str] = Counter()
    failed = []
    for outcome in simulate_many(SEEDS, jobs=min(JOBS_MAX, os.cpu_count() or 1)):
        sightings += outcome.sightings
        if outcome.violations:
            failed += told(outcome)

    assert not failed, "\n".join(failed)
    assert [what for what in RARE if not sightings[what]] == [], "these never came about"


def test_a_seed_gives_the_same_trace_in_any_process():
    here = [simulate(seed).digest for seed in SEEDS_REPEATED]
    again = [simulate(seed).digest for seed in SEEDS_REPEATED]
    # Each with another past in its process: addresses of objects differ, so a loop over a set
    # of them would go another way.
    elsewhere = [digest for seed in SEEDS_REPEATED[::2] for digest in _elsewhere(seed, count=2)]

    assert here == again == elsewhere
    assert len(set(here)) == len(here)


def _elsewhere(seed: int, *, count: int) -> list[str]:
    lines = subprocess.run(
        (sys.executable, "-m", "tests.simulation", "--seed", str(seed), "--count", str(count)),
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout.splitlines()
    return [line.split()[3] for line in lines[:count]]


@pytest.mark.parametrize("bug", EVERY, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found(bug: Planting):
    with planted(bug):
        found = next(
            (outcome for outcome in map(simulate, SEEDS[:TRIED_MAX]) if outcome.violations),
            None,
        )

    assert found is not None, f"{TRIED_MAX} seeds do not notice that {bug.__doc__}"
    # What was planted is a mistake that runs, not one that falls over its own feet.
    assert not [text for text in found.violations if PROGRAMMING.search(text)]
    assert simulate(found.seed).violations == [], "the seed fails without the bug too"


def test_without_the_locks_of_accounts_money_is_as_safe_as_with_them():
    with planted(commands_without_locks):
        outcomes = [simulate(seed) for seed in SEEDS[:10]]

    assert [outcome.violations for outcome in outcomes if outcome.violations] == []
    assert any(one.sightings["a race for a unique key was lost"] for one in outcomes)


def test_a_failing_seed_tells_how_to_repeat_it(capsys):
    with planted(EVERY[0]):
        outcome = next(one for one in map(simulate, SEEDS) if one.violations)
        shown = simulate(outcome.seed, print)

    assert (
        told(outcome)[-1]
        == f"  replay: python -m tests.simulation --seed {outcome.seed} --trace"
    )
    assert shown.digest == outcome.digest
    assert outcome.violations[0] in capsys.readouterr().out


def test_a_run_leaves_the_product_as_it_was():
    clocks = [run.outbox_poller.monotonic, run.relay.monotonic, run.outbox.asyncpg.connect]

    simulate(1)

    assert clocks == [
        run.outbox_poller.monotonic,
        run.relay.monotonic,
        run.outbox.asyncpg.connect,
    ]
