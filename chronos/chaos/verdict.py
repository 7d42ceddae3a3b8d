"""What a checker says: how much it looked at, and what it found wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

VIOLATIONS_SHOWN_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The word of one checker.

    `invalid` says why the run cannot be judged by this checker (too few reads, say); a run
    with an invalid verdict is neither green nor a violation.
    """

    checker: str
    """C1 to C12."""
    promise: str
    """What it checks, in one short sentence."""
    looked_at: int
    """How many facts were compared; 0 proves nothing."""
    violations: tuple[str, ...] = ()
    """One sentence each, with the names and values; at most `VIOLATIONS_SHOWN_MAX`."""
    violations_count: int = 0
    invalid: str = ""

    @property
    def holds(self) -> bool:
        """Tells whether nothing was found wrong."""
        return self.violations_count == 0


def verdict(
    checker: str, promise: str, *, looked_at: int, violations: Iterable[str], invalid: str = ""
) -> Verdict:
    """Makes a verdict of all violations, of which only the first are kept in words."""
    found = list(violations)
    return Verdict(
        checker=checker,
        promise=promise,
        looked_at=looked_at,
        violations=tuple(found[:VIOLATIONS_SHOWN_MAX]),
        violations_count=len(found),
        invalid=invalid,
    )
