"""What is kept of the mutants: a file for programs, and the table that is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from chronos.home import code_folder

CONTROL: Final = "M0"
FOLDER: Final = code_folder() / "tests" / "results"
_HEAD: Final = """\
# Which checker finds which mistake

Each mistake is planted into a running pipeline by `python -m tests.mutants.run`: 16 clients,
90 s of load, the named kinds of fault. In bold who must find it (one of them at least); the
numbers of violations differ from run to run. M0 is the same run with no mistake in it.

| mutant | mistake | faults | found by (violations) | commands | seconds | commit |
|---|---|---|---|---|---|---|
"""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one mutant."""

    mutant: str
    sentence: str
    commit: str
    """Of the code into which it was planted."""
    faults: tuple[str, ...]
    expected: tuple[str, ...]
    """Checkers of which one must find it."""
    found_by: dict[str, int]
    """Every checker that found something, with how much."""
    said: tuple[str, ...]
    """The first violations in words."""
    failures: tuple[str, ...]
    """Promises that the run as a whole, or a fault, saw broken."""
    invalid: tuple[str, ...]
    acknowledged: int
    seconds: float

    @property
    def is_as_it_should_be(self) -> bool:
        """Tells whether a mistake was found by who must find it, and nothing without one."""
        if self.mutant == CONTROL:
            return not self.found_by and not self.failures and not self.invalid
        return not self.found_by.keys().isdisjoint(self.expected)


def keep(outcome: Outcome, folder: Path = FOLDER) -> None:
    """Puts an outcome in the place of the one that is kept of the same mutant."""
    path = folder / "mutants.json"
    kept = {one.mutant: one for one in read(path)} | {outcome.mutant: outcome}
    ordered = [kept[name] for name in sorted(kept, key=lambda name: int(name[1:]))]
    path.write_bytes(msgspec.json.format(msgspec.json.encode(ordered), indent=2) + b"\n")
    (folder / "mutants.md").write_text(table(ordered), encoding="utf-8")


def read(path: Path) -> list[Outcome]:
    """Gives what is kept; nothing where there is no such file."""
    return msgspec.json.decode(path.read_bytes(), type=list[Outcome]) if path.exists() else []


def table(outcomes: Sequence[Outcome]) -> str:
    """Gives the page that a person reads."""
    return _HEAD + "".join(map(_row, outcomes))


def _row(one: Outcome) -> str:
    found = ", ".join(
        f"**{name}** ({count})" if name in one.expected else f"{name} ({count})"
        for name, count in one.found_by.items()
    )
    cells = (
        one.mutant,
        one.sentence,
        " ".join(one.faults),
        found or "nobody",
        str(one.acknowledged),
        f"{one.seconds:.0f}",
        one.commit[:12],
    )
    return f"| {' | '.join(cells)} |\n"
