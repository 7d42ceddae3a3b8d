"""What is hurt now, so that a fault does not blame the pipeline for the work of another fault.

A fault's promise ("refilled within 60 s") holds while everything that the healing rests upon
is whole. So a wait names those parts, and its time begins anew when one was hurt meanwhile.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic
from typing import TypeVar

from chronos.chaos.fault import FaultFailed, Unseen

DISTURBED_S_MAX = 180.0
"""Longest wait in all, whatever else is hurt meanwhile."""
POLL_S = 0.1
SEEN_S = 30.0
"""Time in which a look at a whole store must get an answer."""

_T = TypeVar("_T")


class Wounds:
    """Counts for each server and process the faults that hurt it now."""

    def __init__(self) -> None:
        self._hurt: Counter[str] = Counter()

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
        within_s: float,
        resting_on: Iterable[str] = (),
        failure: Callable[[], str],
    ) -> float:
        """Waits until a condition holds, and gives the seconds that it took.

        Args:
            condition: Asked again and again; it bounds its own questions. `Unseen` is no.
            within_s: Longest wait, counted anew after one of `resting_on` was hurt.
            resting_on: What must be whole for the promise to count; not what the asking fault
                itself hurts.
            failure: Says in a sentence what the pipeline did not do; the time is added.

        Raises:
            FaultFailed: The condition did not hold in time.
        """
        rests = frozenset(resting_on)
        begun_s = counted_s = monotonic()
        while not await _holds(condition):
            now_s = monotonic()
            if self.of(rests):
                counted_s = now_s
            late = now_s - counted_s > within_s or now_s - begun_s > within_s + DISTURBED_S_MAX
            if late:
                raise FaultFailed(
                    f"{failure()} (waited {now_s - begun_s:.1f} s, allowed {within_s:g} s)"
                )
            await asyncio.sleep(POLL_S)
        return monotonic() - begun_s

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
            within_s=SEEN_S,
            resting_on=resting_on,
            failure=lambda: "A look at a store that is whole got no answer.",
        )
        return answers[0]


async def _holds(condition: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await condition()
    except Unseen:
        return False
