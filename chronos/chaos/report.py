"""The report of a fault run: what was done, what was measured, what was found, and its worth.

A report is data; what follows from it (violations, reasons why it proves nothing, the exit
code) is worked out here alone, and stands in the file for those who only read that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

from chronos.chaos.fault import Injection, LeftOut
from chronos.chaos.history import Kind, Operation, Outcome
from chronos.chaos.load.attempts import is_command
from chronos.chaos.profile import Profile
from chronos.chaos.sampling import Sample
from chronos.chaos.verdict import VIOLATIONS_SHOWN_MAX, Verdict
from chronos.chaos.wounds import Timed
from chronos.embedded.files import write_atomically

HOLDS, VIOLATED, INVALID = 0, 1, 2
"""Exit codes of a run."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A moment of the run as a whole: the first fault, all healed, all quiet."""

    at_ns: int
    text: str


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many operations there were, and how they ended."""

    operations: dict[str, dict[str, int]]
    """By kind, then by outcome."""
    attempts: int

    def of(self, kind: Kind, outcome: Outcome) -> int:
        """Gives the number of operations of a kind with an outcome."""
        return self.operations.get(kind.value, {}).get(outcome.value, 0)

    @property
    def total(self) -> int:
        """Gives the number of all operations."""
        return sum(sum(outcomes.values()) for outcomes in self.operations.values())

    @property
    def unknown(self) -> int:
        """Gives the number of commands of which nobody knows what became of them."""
        return sum(self.of(kind, Outcome.INFO) for kind in Kind if is_command(kind))


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One fault run. Times are the history's; zero of a reader's clock is `begun_ns`."""

    seed: int
    profile: Profile
    only: tuple[str, ...]
    """The kinds of fault that were asked for; empty: all."""
    commit: str
    machine: dict[str, str | int]
    started_at: str
    """Wall clock, UTC, when the run began."""
    begun_ns: int
    """When the load began."""
    ended_ns: int
    """When the last checker had spoken."""
    marks: tuple[Mark, ...]
    counts: Counts
    wanted: tuple[str, ...]
    """Kinds of fault that had to be injected at least once, or be left out with a reason."""
    injections: tuple[Injection, ...]
    left_out: tuple[LeftOut, ...]
    verdicts: tuple[Verdict, ...]
    samples: tuple[Sample, ...]
    promises: tuple[Timed, ...] = ()
    """Times promised by the faults, and how they were kept; a broken one is a failure too."""
    failures: tuple[str, ...] = ()
    """Promises broken by the run as a whole: not quiet in time, say."""
    spoiled: tuple[str, ...] = ()
    """Why the run was not what it should have been: its clients died, say."""

    @property
    def violations(self) -> tuple[str, ...]:
        """Tells every broken promise, as far as it is kept in words."""
        return self.told(VIOLATIONS_SHOWN_MAX)

    def told(self, each_max: int) -> tuple[str, ...]:
        """Tells every broken promise, at most so many of each checker, and how many more."""
        found = list(self.failures)
        found += [f"{i.kind} {i.name}: {i.failure}" for i in self.injections if i.failure]
        for verdict in self.verdicts:
            shown = verdict.violations[:each_max]
            found += [f"{verdict.checker}: {text}" for text in shown]
            untold = verdict.violations_count - len(shown)
            if untold > 0:
                found.append(f"{verdict.checker}: {untold:,} more of the same kind.")
        return tuple(found)

    @property
    def invalid(self) -> tuple[str, ...]:
        """Tells every reason why the run proves nothing."""
        return (*self.spoiled, *self._too_little(), *self._not_injected(), *self._not_judged())

    @property
    def exit_code(self) -> int:
        """Gives 1 on any violation, else 2 when the run is invalid, else 0."""
        if self.violations:
            return VIOLATED
        return INVALID if self.invalid else HOLDS

    @property
    def seconds(self) -> float:
        """Tells how long it took, from the beginning of the load on."""
        return (self.ended_ns - self.begun_ns) / 1e9

    @property
    def replay(self) -> str:
        """Gives the command that makes the same run again."""
        only = f" --only {','.join(self.only)}" if self.only else ""
        return f"chronos chaos --profile {self.profile.name} --seed {self.seed}{only}"

    def _too_little(self) -> Iterable[str]:
        acks = self.counts.of(Kind.TRANSFER, Outcome.OK)
        snapshots = self.counts.of(Kind.SNAPSHOT, Outcome.OK)
        for found, needed, what in (
            (acks, self.profile.acks_min, "transfers were acknowledged"),
            (len(self.injections), self.profile.faults_min, "faults were injected"),
            (snapshots, self.profile.snapshots_min, "snapshots were read"),
        ):
            if found < needed:
                yield (
                    f"Too few {what}: {found:,}; a {self.profile.name} run needs {needed:,}."
                )

    def _not_injected(self) -> Iterable[str]:
        met = {one.kind for one in self.injections} | {one.kind for one in self.left_out}
        for kind in self.wanted:
            if kind not in met:
                yield f"{kind} was never injected, and nothing says why."
        for one in self.injections:
            if not one.ended_ns and not one.failure:
                yield f"{one.kind} ({one.name}) was never healed."

    def _not_judged(self) -> Iterable[str]:
        if not self.verdicts:
            yield "Nothing was checked."
        for verdict in self.verdicts:
            if verdict.invalid:
                yield f"{verdict.checker}: {verdict.invalid}"
            elif verdict.looked_at == 0:
                yield f"{verdict.checker} looked at nothing."


def count(operations: Iterable[Operation]) -> Counts:
    """Counts a history."""
    kinds: dict[str, Counter[str]] = {}
    attempts = 0
    for operation in operations:
        kinds.setdefault(operation.kind.value, Counter())[operation.outcome.value] += 1
        attempts += len(operation.attempts)
    return Counts(
        operations={kind: dict(sorted(found.items())) for kind, found in sorted(kinds.items())},
        attempts=attempts,
    )


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from a report, beside it in the file."""

    exit_code: int
    violations: tuple[str, ...]
    invalid: tuple[str, ...]
    seconds: float
    replay: str


def as_json(report: Report) -> bytes:
    """Writes a report as JSON, with what follows from it."""
    told = _Told(
        exit_code=report.exit_code,
        violations=report.violations,
        invalid=report.invalid,
        seconds=round(report.seconds, 3),
        replay=report.replay,
    )
    document = {**msgspec.to_builtins(told), **msgspec.to_builtins(report)}
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def write_report(report: Report, path: Path) -> None:
    """Puts a report into a file, in one step."""
    write_atomically(path, as_json(report).decode(), mode=0o644)


def read_report(path: Path) -> Report:
    """Reads a report back; what follows from it is worked out anew.

    Raises:
        msgspec.DecodeError: The file is not a report.
    """
    return msgspec.json.decode(path.read_bytes(), type=Report)
