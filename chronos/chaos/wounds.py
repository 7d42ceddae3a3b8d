"""What is hurt now, so that a fault does not blame the pipeline for the work of another fault.

A fault's promise ("refilled within 60 s") holds while everything that the healing rests upon
is whole. So a wait names those parts, and its time begins anew when one was hurt meanwhile.

The promised times are those of a machine of one's own; here the load, the servers and Chronos
share the processors. So a promise is broken when `SLACK` times its time has passed, and what
took longer than the promise itself is counted as late: the report has each `Promise` with the
number of waits, how many of them were late, and the slowest. Where a bound is a bare number of
seconds, nothing was promised but an end.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Final, TypeVar

import msgspec

from chronos.chaos.fault import FaultFailed, Unseen

SLACK: Final = 3.0
DISTURBED_S_MAX = 180.0
"""Longest wait in all, whatever else is hurt meanwhile."""
POLL_S = 0.1
SEEN_S = 30.0
"""Time in which a look at a whole store must get an answer."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Something that holds again within a time; equal ones are one row of the report."""

    text: str
    """In the present: `the API, killed, is ready again`."""
    within_s: float

    @property
    def broken_after_s(self) -> float:
        """Tells after how long it counts as broken, and not as late."""
        return self.within_s * SLACK


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """How long was waited for what a promise is about, in a whole run."""

    promise: str
    within_s: float
    waits: int
    late: int
    """Of the waits, those that took longer than promised."""
    slowest_s: float


class Wounds:
    """Counts for each server and process the faults that hurt it now."""

    def __init__(self) -> None:
        self._hurt: Counter[str] = Counter()
        self._took: dict[Promise, list[float]] = {}

    def open(self, names: Iterable[str]) -> None:
        """Notes that a fault hurts these from now on."""
        self._hurt.update(names)

    def close(self, names: Iterable[str]) -> None:
        """Notes that a fault that hurt these is healed."""
        self._hurt.subtract(names)

    def of(self, names: Iterable[str]) -> frozenset[str]:
        """Tells which of these are hurt now."""
        return frozenset(name for name in names if self._hurt[name] > 0)

    async def until(
        self,
        condition: Callable[[], Awaitable[bool]],
        *,
        within: float | Promise,
        resting_on: Iterable[str] = (),
        failure: Callable[[], str],
    ) -> float:
        """Waits until a condition holds, and gives the seconds that it took.

        Args:
            condition: Asked again and again; it bounds its own questions. `Unseen` is no.
            within: Longest wait in seconds, counted anew after one of `resting_on` was hurt;
                of a promise until it is broken, and the wait is noted.
            resting_on: What must be whole for the promise to count; not what the asking fault
                itself hurts.
            failure: Says in a sentence what the pipeline did not do; the time is added.

        Raises:
            FaultFailed: The condition did not hold in time.
        """
        rests = frozenset(resting_on)
        within_s = within.broken_after_s if isinstance(within, Promise) else within
        begun_s = counted_s = monotonic()
        while not await _holds(condition):
            now_s = monotonic()
            if self.of(rests):
                counted_s = now_s
            late = now_s - counted_s > within_s or now_s - begun_s > within_s + DISTURBED_S_MAX
            if late:
                if isinstance(within, Promise):
                    self.note(within, now_s - begun_s)
                raise FaultFailed(
                    f"{failure()} (waited {now_s - begun_s:.1f} s, allowed {within_s:g} s)"
                )
            await asyncio.sleep(POLL_S)
        now_s = monotonic()
        if isinstance(within, Promise):
            self.note(within, now_s - counted_s)
        return now_s - begun_s

    def note(self, promise: Promise, took_s: float) -> None:
        """Notes how long was waited for what a promise is about."""
        # Rounded here, so that what is shown and what is judged are one number.
        self._took.setdefault(promise, []).append(round(took_s, 1))

    def timed(self) -> tuple[Timed, ...]:
        """Tells of every promise how long was waited for it, the most pressing one first."""
        found = [
            Timed(
                promise=promise.text,
                within_s=promise.within_s,
                waits=len(took),
                late=sum(seconds > promise.within_s for seconds in took),
                slowest_s=max(took),
            )
            for promise, took in self._took.items()
        ]
        return tuple(sorted(found, key=lambda one: -one.slowest_s / one.within_s))

    async def seen(
        self, look: Callable[[], Awaitable[_T]], *, resting_on: Iterable[str] = ()
    ) -> _T:
        """Looks again until there is an answer, and gives it.

        Raises:
            FaultFailed: There is none, although all that it rests on is whole.
        """
        answers: list[_T] = []

        async def answered() -> bool:
            answers.append(await look())
            return True

        await self.until(
            answered,
            within=SEEN_S,
            resting_on=resting_on,
            failure=lambda: "A look at a store that is whole got no answer.",
        )
        return answers[0]


async def _holds(condition: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await condition()
    except Unseen:
        return False
