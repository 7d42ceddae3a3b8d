"""What came of each row, and of all of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgspec

KEPT_MAX: Final = 20


class Outcome(StrEnum):
    """What came of one row."""

    DONE = "done"
    THERE = "already there"
    """It was brought in before, or the bank has the same by the same id."""
    NOTHING = "nothing to do"
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    UNDECIDED = "undecided"
    """A dry run could not tell: the row builds on more earlier ones than it remembers."""


WRONG: Final = frozenset({Outcome.REFUSED, Outcome.UNREADABLE, Outcome.UNDECIDED})


class Judged(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of one row, and why."""

    line: int
    outcome: Outcome
    type: str | None = None
    id: str | None = None
    """Of the account, transfer or entry."""
    key: str | None = None
    """Its idempotency key."""
    code: str | None = None
    detail: str | None = None


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts what came of all rows, and keeps the first that went wrong."""

    is_dry_run: bool = False
    counted: Counter[Outcome] = field(default_factory=Counter)
    wrong: list[Judged] = field(default_factory=list)

    def add(self, judged: Judged) -> None:
        """Counts one row."""
        self.counted[judged.outcome] += 1
        if judged.outcome in WRONG and len(self.wrong) < KEPT_MAX:
            self.wrong.append(judged)

    @property
    def rows(self) -> int:
        """How many rows the file had."""
        return self.counted.total()

    @property
    def wrong_total(self) -> int:
        """How many rows were not taken."""
        return sum(self.counted[outcome] for outcome in WRONG)

    def to_builtins(self) -> dict[str, Any]:
        """Gives the tally as plain values, for JSON."""
        return {
            "dry_run": self.is_dry_run,
            "rows": self.rows,
            "outcomes": {outcome.value: self.counted[outcome] for outcome in Outcome},
            "first_wrong": msgspec.to_builtins(self.wrong),
        }
