"""Whether a worker is ready for requests, and whether it is alive at all.

Ready: recovered, not rebalancing, not stopping. Alive: either there is nothing to do, or
something was done lately, or the worker waits for a store whose name it can tell. A worker that
is neither has met one of the known stalls of its libraries and is best started again by its
supervisor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

STUCK_AFTER_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Says whether requests may come, and if not, why not."""

    ready: bool
    reason: str


class Liveness:
    """Remembers when something was last done, and which store is waited for."""

    def __init__(self, *, clock_s: Callable[[], float] = monotonic):
        self._clock_s = clock_s
        self._progress_at_s = clock_s()
        self._behind_since_s: float | None = None
        self._waiting_for: dict[str, str] = {}

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Names the stores that somebody waits for."""
        return tuple(sorted(set(self._waiting_for.values())))

    def did_something(self) -> None:
        """Notes progress."""
        self._progress_at_s = self._clock_s()

    def waits(self, who: str, service: str) -> None:
        """Notes that `who` waits for a store."""
        self._waiting_for[who] = service

    def waits_no_more(self, who: str) -> None:
        """Notes that the store answered."""
        if self._waiting_for.pop(who, None) is not None:
            self.did_something()

    def is_stuck(self, lag_records: int) -> bool:
        """Tells whether there was work for two minutes, none was done, and nobody waits."""
        now_s = self._clock_s()
        if lag_records == 0 or self._waiting_for:
            self._behind_since_s = None
            return False
        if self._behind_since_s is None:
            self._behind_since_s = now_s
        return now_s - max(self._behind_since_s, self._progress_at_s) > STUCK_AFTER_S


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
