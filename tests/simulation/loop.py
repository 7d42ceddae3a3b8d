"""One event loop for every simulated process: a seed for the order, a clock that jumps.

A `Process` is what an operating system's process is to the product: tasks that share a loop.
Here all of them share one, and the loop decides by its seed whose turn it is. Within a process
callbacks run in the order in which they were scheduled, as asyncio promises; between processes
nothing is promised, and nothing holds.

When nobody has anything to do the clock jumps to the next timer. A step costs 10 µs, so that a
loop that never waits does not stand still.

A killed process does not run another step: no `finally`, no `except`, as with `kill -9`. What
it awaited is kept until the run is over, so that not even the collector of garbage runs a
`finally` of it. A paused one keeps everything and runs nothing until it is resumed, late for
all its timers.
"""

from __future__ import annotations

import asyncio
import heapq
import warnings
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from random import Random
from typing import Any

STEP_S = 1e-5
START_S = 1_000.0
_CURRENT: ContextVar[Process] = ContextVar("process")


class Stuck(Exception):
    """Nobody has anything to do, now or later, and the run is not over."""


class Process:
    """Tasks that live and die together."""

    def __init__(self, name: str):
        self.name = name
        self.is_dead = False
        self.is_paused = False
        self.ready: deque[events.Handle] = deque()
        self.at_death: list[Callable[[], None]] = []
        """Called once it is dead: what others notice of it."""
        self._fate: Callable[[], None] | None = None
        self._steps_left = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self._context = Context()
        self._context.run(_CURRENT.set, self)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Starts a task of this process."""
        return asyncio.get_running_loop().create_task(work, context=self._context.copy())

    def call_later(self, delay_s: float, callback: Callable[..., Any], *args: Any) -> None:
        """Has something called as a callback of this process."""
        loop = asyncio.get_running_loop()
        loop.call_later(delay_s, callback, *args, context=self._context.copy())

    def after_steps(self, steps: int, fate: Callable[[], None]) -> None:
        """Has something befall it after so many of its own steps: at any await of any task."""
        self._steps_left, self._fate = steps, fate

    def stepped(self) -> None:
        """Counts a step of its own."""
        if self._fate is None:
            return
        self._steps_left -= 1
        if self._steps_left <= 0:
            fate, self._fate = self._fate, None
            fate()

    def kill(self) -> None:
        """Ends it between two steps, without a word to it."""
        self.is_dead = True
        self.ready.clear()
        for notice in self.at_death:
            notice()
        self.at_death.clear()

    def remember(self, task: asyncio.Task[Any]) -> None:
        """Keeps a task from being collected before the run is over."""
        if len(self._tasks) >= 256:
            self._tasks = [one for one in self._tasks if not one.done()]
        self._tasks.append(task)

    def bury(self) -> None:
        """Takes apart what is left of it, when nobody looks any more."""
        self.is_dead = True
        for task in self._tasks:
            task._log_destroy_pending = False
            if not task.done():
                _close(task.get_coro())
        self._tasks.clear()


def current() -> Process | None:
    """The process whose step this is."""
    return _CURRENT.get(None)


class SimLoop(asyncio.BaseEventLoop):
    """Runs the steps of all processes, one at a time, in an order of the seed's choice."""

    def __init__(self, chance: Random):
        super().__init__()
        self._chance = chance
        self._now_s = START_S
        self._driver = Process("driver")
        self._processes: list[Process] = [self._driver]
        self._alive = [self._driver]
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = 0
        self.steps = 0
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        return self._now_s

    def add(self, process: Process) -> Process:
        """Lets a process take turns."""
        self._processes.append(process)
        self._alive.append(process)
        return process

    def call_at(
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Sets a timer; two of one moment fire in the order in which they were set."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._numbers += 1
        heapq.heappush(self._timers, (when, self._numbers, timer))
        return timer

    def bury(self) -> None:
        """Ends every process and closes the loop; the run is over."""
        self.close()
        with warnings.catch_warnings():
            # What a closed coroutine would still have awaited is never awaited.
            warnings.simplefilter("ignore", RuntimeWarning)
            for process in self._processes:
                process.bury()

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, work: Any, **how: Any
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **how)
        context: Context | None = how.get("context")
        process = current() if context is None else context.get(_CURRENT)
        (process or self._driver).remember(task)
        return task

    def _run_once(self) -> None:
        self._sort_in()
        runnable = self._runnable()
        while not runnable:
            self._jump()
            runnable = self._runnable()
        process = runnable[0]
        if len(runnable) > 1:
            process = runnable[int(self._chance.random() * len(runnable))]
        handle = process.ready.popleft()
        self._now_s += STEP_S
        self.steps += 1
        if not handle._cancelled:
            handle._run()
        process.stepped()
        if process.is_dead:
            self._alive = [one for one in self._alive if not one.is_dead]

    def _runnable(self) -> list[Process]:
        return [one for one in self._alive if one.ready and not one.is_paused]

    def _sort_in(self) -> None:
        ready = self._ready  # type: ignore[attr-defined]
        while ready:
            self._take(ready.popleft())
        timers = self._timers
        while timers and timers[0][0] <= self._now_s:
            self._take(heapq.heappop(timers)[2])

    def _take(self, handle: events.Handle) -> None:
        if handle._cancelled:
            return
        process = handle._context.get(_CURRENT, self._driver)  # type: ignore[attr-defined]
        if not process.is_dead:
            process.ready.append(handle)

    def _jump(self) -> None:
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not timers:
            raise Stuck("nothing is ready and no timer is set")
        self._now_s = max(self._now_s, timers[0][0])
        self._sort_in()

    def _timer_handle_cancelled(self, handle: Any) -> None:
        """Cancelled timers are passed over when they are due; nothing is counted."""

    def _process_events(self, _events: Any) -> None:
        """There is no selector."""

    def _write_to_self(self) -> None:
        """There is no selector to wake."""


def _close(work: Any) -> None:
    # A `finally` that awaits something ignores the first request; there are only so many.
    for _ in range(64):
        try:
            work.close()
        except BaseException:  # noqa: BLE001, S112 - the dead may say what they like
            continue
        return
