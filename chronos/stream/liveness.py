"""Whether a worker is ready for requests, and whether it gets on at all.

Ready: recovered, not rebalancing, not stopping. Getting on: of each partition either there is
nothing to do, or its committed offset has moved lately, or the agent that reads it waits for a
store whose name it can tell. A partition of which none is true has met one of the known stalls
of the libraries, or a bug of ours; its worker is best started again, and ends itself
(`chronos.stream.stall_watch`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple

STUCK_AFTER_S = 120.0
"""The default of the setting `stuck_after_s`."""


class Place(NamedTuple):
    """One partition that this worker works on, and who does."""

    agent: str
    topic: str
    partition: int


class Progress(NamedTuple):
    """How far the work on a partition is."""

    done: int
    """Offset before which everything is done."""
    lag_records: int
    """Records that are there and not done."""


Works = Callable[[], Mapping[Place, Progress]]
"""Tells of everything that somebody works on now how far it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """Says where work waits, and for how long nothing of it was done."""

    place: Place
    progress: Progress
    since_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Says whether requests may come, and if not, why not."""

    ready: bool
    reason: str


class Liveness:
    """Remembers when something was last done where, and which store is waited for.

    Args:
        stuck_after_s: How long work may wait without any of it being done.
        clock_s: Monotonic seconds.
    """

    def __init__(
        self,
        *,
        stuck_after_s: float = STUCK_AFTER_S,
        clock_s: Callable[[], float] = monotonic,
    ):
        self._stuck_after_s = stuck_after_s
        self._clock_s = clock_s
        self._did_at_s: dict[str, float] = {}
        self._moved: dict[Place, tuple[int, float]] = {}
        self._waiting_for: dict[str, str] = {}
        self.stall: Stall | None = None
        """What ends this worker, once something does."""

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Names the stores that somebody waits for."""
        return tuple(sorted(set(self._waiting_for.values())))

    def did_something(self, who: str) -> None:
        """Notes progress of `who` that no offset shows."""
        self._did_at_s[who] = self._clock_s()

    def waits(self, who: str, service: str) -> None:
        """Notes that `who` waits for a store."""
        self._waiting_for[who] = service

    def waits_no_more(self, who: str) -> None:
        """Notes that the store answered."""
        if self._waiting_for.pop(who, None) is not None:
            self.did_something(who)

    def look(self, places: Mapping[Place, Progress]) -> Stall | None:
        """Tells where work has waited longest, if it has waited too long.

        Args:
            places: Everything that this worker works on now; to be shown again and again.
        """
        now_s = self._clock_s()
        worst: Stall | None = None
        moved: dict[Place, tuple[int, float]] = {}
        for place, progress in places.items():
            done, since_s = self._moved.get(place, (progress.done, now_s))
            idle = progress.lag_records <= 0 or place.agent in self._waiting_for
            if idle or done != progress.done:
                since_s = now_s
            since_s = max(since_s, self._did_at_s.get(place.agent, since_s))
            moved[place] = (progress.done, since_s)
            waited_s = now_s - since_s
            if waited_s > self._stuck_after_s and (worst is None or waited_s > worst.since_s):
                worst = Stall(place=place, progress=progress, since_s=waited_s)
        self._moved = moved
        return worst

    def forgive(self) -> None:
        """Begins to count anew everywhere."""
        self._moved = {}


def readiness(app: Any) -> Readiness:
    """Tells whether the tables of `app` are complete and its partitions settled."""
    reason = ""
    if app.should_stop:
        reason = "stopping"
    elif app.in_recovery or not (app.started and app.tables.recovery.completed.is_set()):
        reason = "recovering"
    elif app.rebalancing:
        reason = "rebalancing"
    return Readiness(ready=not reason, reason=reason)
