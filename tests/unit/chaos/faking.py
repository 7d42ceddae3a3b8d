"""A fault that hurts nobody and writes down what was asked of it, and a clock that jumps."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Sequence

from chronos.chaos.fault import FaultFailed, Phase

TURNS_UNTIL_IDLE = 40


class JumpingPace:
    """Time that stands still while anybody works, and jumps when everybody sleeps."""

    def __init__(self):
        self._now_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def now_ns(self) -> int:
        return round(self._now_s * 1e9)

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_s + seconds, next(self._numbers), woken))
        await woken

    async def until_done(self, work: asyncio.Task[None], *, not_after_s: float = 1e9) -> None:
        """Lets time jump until the work is done, or that moment is reached."""
        while not work.done():
            for _ in range(TURNS_UNTIL_IDLE):
                await asyncio.sleep(0)
            if work.done():
                break
            assert self._sleepers, "everybody waits and nobody sleeps"
            if self._sleepers[0][0] > not_after_s:
                return
            self._now_s, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)


class FakeFault:
    """Takes its time to heal; may fail at either end."""

    def __init__(
        self,
        name: str,
        hits: Sequence[str],
        *,
        pace: JumpingPace | None = None,
        kind: str = "",
        heal_s: float = 0.0,
        least_s: float = 0.0,
        phase: Phase = Phase.UNDER_LOAD,
        inject_fails: str = "",
        heal_fails: str = "",
        reason: str = "",
        raises: Exception | None = None,
        heal_raises: Exception | None = None,
    ):
        self.kind = kind or name.partition(" ")[0]
        self.name = name
        self.hits = frozenset(hits)
        self.phase = phase
        self.least_s = least_s
        self.acts: list[tuple[str, float]] = []
        self._pace = pace
        self._heal_s = heal_s
        self._inject_fails, self._heal_fails = inject_fails, heal_fails
        self._reason = reason
        self._raises, self._heal_raises = raises, heal_raises

    async def impossible(self, _scene) -> str:
        return self._reason

    async def inject(self, _scene) -> str:
        self._did("inject")
        if self._raises is not None:
            raise self._raises
        if self._inject_fails:
            raise FaultFailed(self._inject_fails)
        return "hurt"

    async def heal(self, _scene) -> str:
        self._did("heal")
        if self._pace and self._heal_s:
            await self._pace.sleep(self._heal_s)
        if self._heal_raises is not None:
            raise self._heal_raises
        self._did("healed")
        if self._heal_fails:
            raise FaultFailed(self._heal_fails)
        return "whole again"

    def _did(self, act: str) -> None:
        self.acts.append((act, self._pace.now_ns() / 1e9 if self._pace else 0.0))
