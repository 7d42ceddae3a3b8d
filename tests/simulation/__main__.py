"""`python -m tests.simulation --seed N`: runs seeds, and tells what broke."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.simulation.run import Outcome, simulate, simulate_many


def main() -> int:
    """Runs what was asked; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--count", type=int, default=1, help="how many seeds, from the first")
    parser.add_argument("--jobs", type=int, default=1, help="how many at once")
    parser.add_argument("--trace", action="store_true", help="print every step")
    asked = parser.parse_args()
    seeds = range(asked.seed, asked.seed + asked.count)
    started_s = time.perf_counter()
    if asked.jobs > 1:
        outcomes = simulate_many(seeds, jobs=asked.jobs)
    else:
        outcomes = (simulate(seed, say if asked.trace else None) for seed in seeds)
    failed = 0
    sightings: Counter[str] = Counter()
    for outcome in outcomes:
        failed += bool(outcome.violations)
        sightings += outcome.sightings
        say("\n".join(told(outcome)))
    if asked.count > 1:
        say(f"{asked.count} seeds in {time.perf_counter() - started_s:.1f} s")
        for what, times in sorted(sightings.items()):
            say(f"{times:6} x {what}")
    return 1 if failed else 0


def say(line: str) -> None:
    """Prints a line."""
    sys.stdout.write(line + "\n")


def told(outcome: Outcome) -> list[str]:
    """What a person wants to know of a run."""
    verdict = "FAILED" if outcome.violations else "ok"
    facts = ", ".join(f"{count} {name}" for name, count in outcome.facts.items())
    return [
        f"seed {outcome.seed} {verdict} {outcome.digest} {outcome.seconds:.1f} virtual s, "
        f"{outcome.loop_steps} steps, {facts}",
        *(f"  {violation}" for violation in outcome.violations),
        *([f"  replay: {outcome.command}"] if outcome.violations else []),
    ]


if __name__ == "__main__":
    sys.exit(main())
