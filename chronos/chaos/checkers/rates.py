"""How many writes were answered a second while Kafka stood still, beside calm seconds.

The clients wait for each answer, so a write that waits for Kafka ends their rate. A little
waiting does not show: a Kafka that stands still, and the workers that wait for it, leave their
processors to the bank, which then does two or three times as much as in calm seconds.

Whole seconds are counted: those in which Kafka stands still and nothing else is hurt, and those
in which nothing is, before the first fault (but for the first second, in which the clients
come) and between faults; the slower of the two counts, so that a neighbour who came while the
run lasted is not taken for a fault. A Kafka that was killed is not judged by this: its start
takes the processors that the bank runs on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chronos.chaos.checkers.windows import healing_ns, restless
from chronos.chaos.fault import KAFKA_PAUSE_S_MAX, KAFKA_STANDS_STILL, Injection

LEAST: Final = 0.95
"""Share of the calm rate that must be reached."""
SECONDS_MIN: Final = 3
"""Fewer seconds of a sort have no rate."""
_SECOND_NS: Final = 1_000_000_000

STILL: Final = "while Kafka stood still"
BEFORE: Final = "before the first fault"
BETWEEN: Final = "between faults"


@dataclass(frozen=True, slots=True)
class Rates:
    """Writes answered in each second, by the sort of the second."""

    of_sort: dict[str, list[int]]

    @classmethod
    def of(
        cls, writes: Sequence[tuple[int, int]], injections: Sequence[Injection], load_ns: int
    ) -> Rates:
        """Counts them.

        Args:
            writes: Of every answered write, when it was sent and when it was answered.
            injections: The faults of the run.
            load_ns: When the load began.
        """
        answered = Counter((end_ns - load_ns) // _SECOND_NS for _, end_ns in writes)
        last_ns = max((begin_ns for begin_ns, _ in writes), default=load_ns)
        under_load = [one for one in injections if one.begun_ns >= load_ns]
        of_sort: dict[str, list[int]] = {sort: [] for sort in (STILL, BEFORE, BETWEEN)}
        for second in range(1, (last_ns - load_ns) // _SECOND_NS):
            sort = _sort(load_ns + second * _SECOND_NS, under_load)
            if sort:
                of_sort[sort].append(answered[second])
        return cls(of_sort)

    @property
    def is_judged(self) -> bool:
        """Tells whether there were enough seconds."""
        return len(self.of_sort[STILL]) >= SECONDS_MIN and bool(self._calm())

    def __str__(self) -> str:
        if not self.is_judged:
            return (
                f"Kafka did not stand still alone for {SECONDS_MIN} s, so rates are not judged"
            )
        return "writes a second: " + ", ".join(
            f"{_mean(some):.0f} {sort} ({len(some)} s)"
            for sort, some in self.of_sort.items()
            if some
        )

    def violations(self) -> Iterator[str]:
        """Tells whether writes went on more slowly."""
        if not self.is_judged:
            return
        found, calm = _mean(self.of_sort[STILL]), min(self._calm())
        if found < LEAST * calm:
            yield (
                f"{STILL}, {found:.1f} writes a second were answered; in calm seconds it was "
                f"{calm:.1f}, so {LEAST * calm:.1f} are due"
            )

    def _calm(self) -> list[float]:
        enough = (self.of_sort[sort] for sort in (BEFORE, BETWEEN))
        return [_mean(some) for some in enough if len(some) >= SECONDS_MIN]


def _sort(begin_ns: int, injections: Sequence[Injection]) -> str:
    """Names the sort of a second, empty for none."""
    end_ns = begin_ns + _SECOND_NS - 1
    met = [one for one in injections if restless(one).meets(begin_ns, end_ns)]
    if not met:
        is_first = all(end_ns < one.begun_ns for one in injections)
        return BEFORE if is_first else BETWEEN
    is_still = len(met) == 1 and met[0].name == KAFKA_STANDS_STILL
    # What a fault looks at first takes a moment, and its signal comes after that.
    first_ns = met[0].begun_ns + _SECOND_NS
    last_ns = min(healing_ns(met[0]), met[0].begun_ns + int(KAFKA_PAUSE_S_MAX * _SECOND_NS))
    return STILL if is_still and first_ns <= begin_ns and end_ns <= last_ns else ""


def _mean(some: Sequence[int]) -> float:
    return sum(some) / len(some)
