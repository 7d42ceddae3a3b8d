"""Ends a worker that does not get on, by itself: nobody else may be looking.

Two watchers. A task looks once a second how far the work on each partition is, and whatever
else the agents say that they work on: the relay has its pages from PostgreSQL. When there is
work, none of it was done for `stuck_after_s`, and the agent does not say that it waits for a
store, it asks Kafka, over a connection of its own, for the partition's end. No answer: the
worker waits for Kafka, whose name its libraries do not tell, and the count begins anew. An
answer: the worker crashes, exit code 1, and whoever started it starts it again. What it had in
hand was not acknowledged and is delivered again.

A thread looks whether the event loop still turns, since a loop that does not turn would neither
look nor end. When it has not for `stuck_after_s` of the thread's own time, the process ends at
once, exit code 1, with the stacks of its threads in the log. The time of the thread, not of the
clock, because a process that was put to sleep and woken is not stuck (`sleep_guard`).

While partitions are assigned anew only what this worker has taken and not finished counts: the
others of the group may well be waiting for it, and it must not wait for them.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import structlog

from chronos.errors import ChronosError, Unavailable
from chronos.stream.liveness import Place, Progress, Stall, readiness
from chronos.stream.sensors import committed_offset, lagging_partitions
from chronos.stream.topic_reader import end_offsets

if TYPE_CHECKING:
    from chronos.stream.app import ChronosApp

EXIT_STUCK: Final = 1
TICK_S: Final = 1.0
RECOVERY: Final = "recovery"
_LAST_WORDS_S: Final = 5.0
_KAFKA: Final = "kafka"
_log = structlog.get_logger(room="stream")


class Stuck(ChronosError):
    """Says that a worker had work and did none of it; started again it is as good as new."""


class StallWatch:
    """Watches one worker from its start to its end.

    Args:
        app: The worker's app.
    """

    def __init__(self, app: ChronosApp):
        self._app = app
        self._stuck_after_s = float(app.settings.stuck_after_s)
        self._tick_s = min(TICK_S, self._stuck_after_s / 4)
        self._turns = 0
        self._closed = threading.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begins to watch."""
        self._task = asyncio.create_task(self._look_again_and_again(), name="stall-watch")
        threading.Thread(target=self._mind_the_loop, name="stall-watch", daemon=True).start()

    async def close(self) -> None:
        """Ends both watchers."""
        self._closed.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _look_again_and_again(self) -> None:
        app = self._app
        while True:
            await asyncio.sleep(self._tick_s)
            self._turns += 1
            if app.should_stop or app.crashed or app.liveness.stall is not None:
                continue
            stall = app.liveness.look(places_of(app))
            if stall is not None and await self._kafka_answers(stall.place):
                await self._end(stall)

    async def _kafka_answers(self, place: Place) -> bool:
        try:
            await end_offsets(self._app.settings.kafka, place.topic, (place.partition,))
        except Unavailable as fault:
            _log.warning("store_awaited", agent=place.agent, service=_KAFKA, reason=str(fault))
            self._app.liveness.waits(RECOVERY, _KAFKA)
            self._app.liveness.forgive()
            return False
        self._app.liveness.waits_no_more(RECOVERY)
        return True

    async def _end(self, stall: Stall) -> None:
        place, progress = stall.place, stall.progress
        self._app.liveness.stall = stall
        _log.error(
            "worker_stuck",
            agent=place.agent,
            topic=place.topic,
            partition=place.partition,
            done_offset=progress.done,
            lag_records=progress.lag_records,
            last_progress_s=round(stall.since_s, 1),
        )
        await self._app.crash(
            Stuck(
                f"Agent {place.agent} has done nothing for {stall.since_s:.0f} s, while "
                f"{progress.lag_records} records of {place.topic}, partition "
                f"{place.partition}, wait and every store answers."
            )
        )

    def _mind_the_loop(self) -> None:
        seen, still_s, looked_s = self._turns, 0.0, monotonic()
        while not self._closed.wait(self._tick_s):
            now_s = monotonic()
            # A tick that took much longer was a sleep of the whole process.
            still_s += min(now_s - looked_s, 2 * self._tick_s)
            looked_s = now_s
            if seen != self._turns:
                seen, still_s = self._turns, 0.0
            if still_s > self._stuck_after_s:
                _leave_now(still_s)


def _leave_now(still_s: float) -> None:
    # Whatever holds the loop may also hold the log: then the process ends without a word.
    threading.Timer(_LAST_WORDS_S, os._exit, (EXIT_STUCK,)).start()
    _log.error("event_loop_blocked", last_progress_s=round(still_s, 1), exit_code=EXIT_STUCK)
    faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr, all_threads=True)
    os._exit(EXIT_STUCK)


def places_of(app: ChronosApp) -> Mapping[Place, Progress]:
    """Tells of each partition that `app` works on now how far it is."""
    tables: Any = app.tables
    recovery = tables.recovery
    if app.in_recovery:
        remaining = recovery.active_remaining()
        return {
            Place(RECOVERY, tp.topic, tp.partition): Progress(offset, remaining[tp])
            for tp, offset in recovery.active_offsets.items()
        }
    agents = _agents_by_topic(app)
    others = {place: one for works in app.works for place, one in works().items()}
    if readiness(app).ready:
        lags = lagging_partitions(app)
    else:
        lags = Counter()
        for page in app.consumer.unacked:
            records: Any = page.value
            lags[page.tp] += len(records)
    return others | {
        Place(agents.get(tp.topic, ""), tp.topic, tp.partition): Progress(
            committed_offset(app, tp), lag
        )
        for tp, lag in lags.items()
    }


def _agents_by_topic(app: Any) -> dict[str, str]:
    return {
        topic: agent.name for agent in app.agents.values() for topic in agent.get_topic_names()
    }
