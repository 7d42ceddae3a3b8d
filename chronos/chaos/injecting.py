"""Carries a plan of faults out: injects at the time, heals at the time, and writes down both.

Phases of one fault: wait for its time, and for whatever of its kind still heals → mark what it
hurts → inject → let it last → heal → unmark. A fault that was begun is always healed, also when
the run is cancelled; a second cancellation waits for that too. What a fault raises is kept and
judged, whatever it is: an hour of a run is not lost by a mistake in one of its faults.

Bounds: at most `overlapping_max` faults are begun and not healed at any time, and never two
that hurt the same thing, whatever the plan says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from chronos.chaos.fault import Fault, FaultFailed, Injection, LeftOut, Unseen
from chronos.chaos.history import now_ns
from chronos.chaos.scene import Scene
from chronos.chaos.schedule import Planned
from chronos.chaos.wounds import Wounds
from chronos.errors import ChronosError

_SAID = (FaultFailed, Unseen, ChronosError, TimeoutError)
"""What a fault says in its own words; anything else is a mistake in it."""


class Pace(Protocol):
    """Tells the time and lets it pass."""

    def now_ns(self) -> int:
        """Gives the time of the history's clock."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        ...


class RealPace:
    """Goes by the clock of the history."""

    def now_ns(self) -> int:
        """Gives the time of the history's clock."""
        return now_ns()

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)


@dataclass(slots=True, kw_only=True)
class Injected:
    """What became of a plan; filled while it is carried out."""

    injections: list[Injection] = field(default_factory=list)
    """In the order in which they began."""
    not_begun: list[Planned] = field(default_factory=list)
    """For which no time was left."""


async def sort_out(scene: Scene, faults: Iterable[Fault]) -> tuple[list[Fault], list[LeftOut]]:
    """Tells the faults that this machine can have from those that it cannot."""
    possible: list[Fault] = []
    left_out: list[LeftOut] = []
    for fault in faults:
        reason = await fault.impossible(scene)
        if reason:
            left_out.append(LeftOut(kind=fault.kind, name=fault.name, reason=reason))
        else:
            possible.append(fault)
    return possible, left_out


class Injector:
    """Injects faults into one scene.

    Args:
        scene: The running pipeline.
        wounds: Where it is marked what is hurt; the same that the faults look at.
        pace: Tells the time.
    """

    def __init__(self, scene: Scene, wounds: Wounds, *, pace: Pace | None = None):
        self._scene = scene
        self._wounds = wounds
        self._pace = pace or RealPace()
        self._begun: list[frozenset[str]] = []
        self._healed = asyncio.Event()
        self.injected = Injected()

    async def in_turn(self, faults: Iterable[Fault]) -> None:
        """Injects and heals one fault after the other: those before and after the load."""
        for fault in faults:
            self._begun.append(fault.hits)
            await self._injure(fault, fault.least_s)

    async def carry_out(
        self, planned: Sequence[Planned], *, overlapping_max: int, span_s: float
    ) -> None:
        """Follows a plan for `span_s` seconds, then heals what is left and returns.

        Nothing begins that would not also end within the span; it is listed as not begun.
        """
        began_ns = self._pace.now_ns()
        async with asyncio.TaskGroup() as tasks:
            for number, one in enumerate(planned):
                await self._wait_until(began_ns, one.begin_s)
                await self._wait_for_room(one.fault.hits, overlapping_max)
                if self._passed_s(began_ns) + one.duration_s > span_s:
                    self.injected.not_begun += planned[number:]
                    return
                self._begun.append(one.fault.hits)
                tasks.create_task(
                    self._injure(one.fault, one.duration_s), name=f"fault {one.fault.name}"
                )

    async def _wait_until(self, began_ns: int, moment_s: float) -> None:
        left_s = moment_s - self._passed_s(began_ns)
        if left_s > 0:
            await self._pace.sleep(left_s)

    async def _wait_for_room(self, hits: frozenset[str], overlapping_max: int) -> None:
        while len(self._begun) >= overlapping_max or any(hits & b for b in self._begun):
            self._healed.clear()
            await self._healed.wait()

    def _passed_s(self, began_ns: int) -> float:
        return (self._pace.now_ns() - began_ns) / 1e9

    async def _injure(self, fault: Fault, duration_s: float) -> None:
        injection = Injection(
            kind=fault.kind,
            name=fault.name,
            hits=tuple(sorted(fault.hits)),
            begun_ns=self._pace.now_ns(),
        )
        self.injected.injections.append(injection)
        self._wounds.open(fault.hits)
        try:
            injection.note = await fault.inject(self._scene)
            await self._pace.sleep(duration_s)
        except Exception as failed:  # noqa: BLE001 - a violation; the run goes on
            injection.failure = _words(failed)
        finally:
            await _to_its_end(self._heal(fault, injection))

    async def _heal(self, fault: Fault, injection: Injection) -> None:
        injection.healing_ns = self._pace.now_ns()
        try:
            note = await fault.heal(self._scene)
            injection.ended_ns = self._pace.now_ns()
            injection.note = "; ".join(filter(None, (injection.note, note)))
        except Exception as failed:  # noqa: BLE001 - a violation; the run goes on
            injection.failure = "; ".join(filter(None, (injection.failure, _words(failed))))
        finally:
            self._wounds.close(fault.hits)
            self._begun.remove(fault.hits)
            self._healed.set()


def _words(failed: BaseException) -> str:
    if isinstance(failed, ExceptionGroup):
        return "; ".join(_words(one) for one in failed.exceptions)
    if not isinstance(failed, _SAID):
        return f"The fault itself fell over: {failed!r}"
    return str(failed) or f"{type(failed).__name__} without a word."


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Awaits something whole, also when this task is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled
