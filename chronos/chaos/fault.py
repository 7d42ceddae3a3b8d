"""What a fault is to the schedule, and the record of one that was injected."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from chronos.chaos.scene import Scene


KAFKA_STANDS_STILL: Final = "Kafka stands still"
"""Name of the fault by which C12 judges the rate of writes."""
KAFKA_PAUSE_S_MAX: Final = 30.0
"""After that Kafka goes on, though the fault may last longer."""


class Phase(enum.StrEnum):
    """When a fault is injected."""

    BEFORE = "before"
    """Before the load: unsafe settings."""
    UNDER_LOAD = "under load"
    """On the seeded schedule, while clients send."""
    AFTER = "after"
    """When the clients have stopped and all is quiet: total loss, corruption."""


class Fault(Protocol):
    """One way to hurt the pipeline."""

    @property
    def kind(self) -> str:
        """Names its row of the table of faults: T0 to T14."""
        ...

    @property
    def name(self) -> str:
        """Says in a few words what happens: `Kafka is killed`."""
        ...

    @property
    def hits(self) -> frozenset[str]:
        """Names what it hurts, servers and processes.

        Of postgres, kafka, redis, elasticsearch, api, relay, balances, mirror. Two faults that
        hurt the same thing never overlap.
        """
        ...

    @property
    def phase(self) -> Phase:
        """Tells when it belongs."""
        ...

    @property
    def least_s(self) -> float:
        """Tells how long it must last to mean anything: longer than a session, say; else 0."""
        ...

    async def impossible(self, scene: Scene) -> str:
        """Says why this machine cannot have it; empty when it can."""
        ...

    async def inject(self, scene: Scene) -> str:
        """Hurts; returns at once, with a word on what exactly was done (which pid, which link).

        Raises:
            FaultFailed: It did not do what it should, or the pipeline did not answer as
                promised; the run is then a violation.
        """
        ...

    async def heal(self, scene: Scene) -> str:
        """Undoes it and waits, bounded, until what was hurt serves again.

        Safe to call more than once. Returns a word on how long that took.

        Raises:
            FaultFailed: It did not come back in the promised time.
        """
        ...


class FaultFailed(Exception):
    """The pipeline broke the promise that this fault is about; the text says which."""


class Unseen(Exception):
    """A fault's own look at a store got no answer, which proves nothing yet."""


@dataclass(slots=True, kw_only=True)
class Injection:
    """One fault of a run, as it went. Times are the history's (`now_ns`)."""

    kind: str
    name: str
    hits: tuple[str, ...]
    begun_ns: int
    healing_ns: int = 0
    """When healing began."""
    ended_ns: int = 0
    """When it was healed; 0 when it never was."""
    note: str = ""
    failure: str = ""
    """What `FaultFailed` said; a violation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A fault that this machine cannot have, with the reason."""

    kind: str
    name: str
    reason: str
