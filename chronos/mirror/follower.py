"""Keeps Redis after the table, beside the path of acknowledgement.

Phases: `put` takes the newest balances and returns at once; one task writes them, newest only
per account. When Redis does not take them they are forgotten, not queued: the task asks for a
sign of life with a growing pause, then fills Redis from the table, which has everything. The
same filling follows each assignment of partitions, and a loss that only the mark shows
(`marker`).

Bounds: `PENDING_BALANCES_MAX` balances wait at most (more of them are forgotten, and filled in
later); filling writes at most `REFILL_BALANCES_PER_S_MAX` a second and lets pending balances
pass between its pages; at most one write is under way. Order needs no care: Redis compares
versions, and the table is never older than what was put.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

import structlog

from chronos.clock import Clock
from chronos.crash_points import CrashPoint, pass_point
from chronos.errors import Unavailable
from chronos.telemetry.balances_metrics import (
    COMMIT_TO_TABLE_SECONDS,
    REDIS_BEHIND,
    REDIS_FAILURES,
    REDIS_PENDING,
    REDIS_REFILLS,
    REDIS_WRITES,
)
from chronos.telemetry.sink_metrics import SINK_LAG_EVENTS, SINK_LAG_SECONDS
from chronos.telemetry.span_shapes import redis_write
from chronos.telemetry.spans import REQUESTS_MAX, current, working
from chronos.wire.balance import Balance

PENDING_BALANCES_MAX = 50_000
WRITE_BALANCES_MAX = 500
REFILL_BALANCES_PER_S_MAX = 20_000
CHECK_INTERVAL_S = 1.0
_PAUSE_FIRST_S = 0.1
_PAUSE_LONGEST_S = 2.0

log = structlog.get_logger("mirror")


class Target(Protocol):
    """Where the copy is kept; `RedisMirror` is the real one."""

    async def ping(self) -> None:
        """Asks for a sign of life; raises `Unavailable` without one."""
        ...

    async def write_many(self, balances: Iterable[Balance]) -> int:
        """Writes the balances that are newer; raises `Unavailable` when it did not."""
        ...


class Mark(Protocol):
    """Tells a loss of the copy; `FilledMark` is the real one."""

    async def begin(self) -> None:
        """Notes the server that is about to be filled."""
        ...

    async def set(self) -> bool:
        """Says that it is filled; False when what was filled is lost already."""
        ...

    async def is_there(self) -> bool:
        """Tells whether what was filled is still there."""
        ...

    async def close(self) -> None:
        """Closes its connection."""
        ...


class Source(Protocol):
    """What is copied; the table `balances` is the real one."""

    def owned(self) -> Sequence[int]:
        """Lists the partitions kept here."""
        ...

    def page(self, partition: int, after: bytes) -> Sequence[Balance]:
        """Reads the next balances of a partition, none after the last."""
        ...


class RedisFollower:
    """Writes balances to Redis in the background, and fills it again after a loss."""

    def __init__(self, target: Target, mark: Mark, source: Source, clock: Clock):
        self._target = target
        self._mark = mark
        self._source = source
        self._clock = clock
        self._pending: dict[str, Balance] = {}
        self._refill_cause: str | None = None
        self._check_due_s = 0.0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._behind_since_s: float | None = clock.monotonic_s()
        self._served: tuple[str, ...] = ()
        """Contexts of the sampled batches of which something may be pending."""

    @property
    def is_behind(self) -> bool:
        """True from a failure, a loss or a new assignment until Redis is filled again."""
        return self._behind_since_s is not None

    @property
    def pending(self) -> int:
        """Tells how many balances wait to be written."""
        return len(self._pending)

    def oldest_age_s(self) -> float:
        """Tells how long ago the balance that waits longest was recorded; 0 when none waits."""
        if not self._pending:
            return 0.0
        oldest = datetime.fromisoformat(next(iter(self._pending.values())).recorded_at)
        return max(0.0, round((self._clock.now() - oldest).total_seconds(), 3))

    def lag_s(self) -> float:
        """Tells how long ago Redis was whole; what waits while it is not is not known."""
        since_s = self._behind_since_s
        behind_s = 0.0 if since_s is None else self._clock.monotonic_s() - since_s
        return max(self.oldest_age_s(), behind_s)

    def put(self, balances: Iterable[Balance]) -> None:
        """Takes balances newer than all that were put before; never waits."""
        for balance in balances:
            self._pending[balance.account_id] = balance
        if served := current():
            self._served = (*self._served, *served)[-REQUESTS_MAX:]
        if len(self._pending) > PENDING_BALANCES_MAX:
            self._forget("outage")
        self._wake.set()

    def refill(self, cause: str) -> None:
        """Asks for everything of the partitions kept here to be written again.

        Args:
            cause: Label of the metric: "assignment", "outage" or "loss".
        """
        self._refill_cause = cause
        self._fall_behind()
        self._wake.set()

    async def open(self) -> None:
        """Starts the task; Redis need not be there."""
        REDIS_BEHIND.set_function(lambda: self.is_behind)
        SINK_LAG_EVENTS.labels("redis").set_function(lambda: self.pending)
        SINK_LAG_SECONDS.labels("redis").set_function(self.lag_s)
        self._task = asyncio.create_task(self._follow(), name="redis-follower")

    async def close(self) -> None:
        """Stops the task; what was not written is filled in after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._mark.close()

    def raise_if_broken(self) -> None:
        """Raises what ended the task, if anything did."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()

    async def _follow(self) -> None:
        pause_s = _PAUSE_FIRST_S
        while True:
            try:
                await self._step()
                pause_s = _PAUSE_FIRST_S
            except Unavailable as fault:
                REDIS_FAILURES.inc()
                if not self.is_behind or pause_s == _PAUSE_FIRST_S:
                    log.warning("redis_unavailable", reason=fault.detail)
                self._forget("outage")
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _PAUSE_LONGEST_S)

    async def _step(self) -> None:
        if self._refill_cause is not None:
            await self._target.ping()
            await self._fill()
        elif self._clock.monotonic_s() >= self._check_due_s:
            self._check_due_s = self._clock.monotonic_s() + CHECK_INTERVAL_S
            await self._look_for_loss()
        elif self._pending:
            await self._write_some()
        else:
            await self._sleep_until_check()

    async def _look_for_loss(self) -> None:
        if not self.is_behind and not await self._mark.is_there():
            self._notice_loss()

    def _notice_loss(self) -> None:
        log.warning("redis_lost_its_data")
        self.refill("loss")

    async def _sleep_until_check(self) -> None:
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._check_due_s - self._clock.monotonic_s()):
                await self._wake.wait()

    async def _write_some(self) -> None:
        some = list(self._pending.values())[:WRITE_BALANCES_MAX]
        for balance in some:
            del self._pending[balance.account_id]
        REDIS_PENDING.set(len(self._pending))
        with working(self._served, lambda: redis_write(len(some))):
            await self._target.write_many(some)
        if not self._pending:
            self._served = ()
        pass_point(CrashPoint.AFTER_REDIS_WRITE)
        REDIS_WRITES.labels("follow").inc(len(some))
        age = self._clock.now() - datetime.fromisoformat(some[-1].recorded_at)
        COMMIT_TO_TABLE_SECONDS.labels("redis").observe(max(0.0, age.total_seconds()))

    async def _fill(self) -> None:
        cause, self._refill_cause = self._refill_cause, None
        started_s = self._clock.monotonic_s()
        REDIS_REFILLS.labels(cause or "assignment").inc()
        await self._mark.begin()
        written = 0
        for partition in self._source.owned():
            written += await self._fill_partition(partition)
        if not await self._mark.set():
            self._notice_loss()
            return
        # A cause that came meanwhile starts another round.
        if self._refill_cause is None:
            self._behind_since_s = None
        seconds = round(self._clock.monotonic_s() - started_s, 3)
        log.info("redis_filled", cause=cause, balances=written, seconds=seconds)

    async def _fill_partition(self, partition: int) -> int:
        written = 0
        after = b""
        while page := self._source.page(partition, after):
            page_due_s = self._clock.monotonic_s() + len(page) / REFILL_BALANCES_PER_S_MAX
            after = page[-1].account_id.encode()
            await self._target.write_many(page)
            written += len(page)
            REDIS_WRITES.labels("refill").inc(len(page))
            if self._pending:
                await self._write_some()
            await asyncio.sleep(max(0.0, page_due_s - self._clock.monotonic_s()))
        return written

    def _forget(self, cause: str) -> None:
        self._pending.clear()
        self._served = ()
        REDIS_PENDING.set(0)
        self._refill_cause = self._refill_cause or cause
        self._fall_behind()

    def _fall_behind(self) -> None:
        if self._behind_since_s is None:
            self._behind_since_s = self._clock.monotonic_s()
