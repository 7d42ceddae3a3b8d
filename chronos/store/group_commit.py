"""Group commit: attempts that arrive while a transaction is in flight share the next one.

Phases of an attempt: `submit` puts it into the queue → a lane takes it with others → one
transaction → each waiting caller gets its receipt.

* A lane is one connection that runs one batch after the other. Under load it waits a moment for
  a fuller batch, and beside a transaction of another lane for much to do: `gathering`.
* An attempt that needs a lock which another lane holds now stays in the queue, and so does
  every later one that shares a lock with it: lanes of one process never wait for each other
  inside PostgreSQL, and nobody is overtaken by an attempt on the same account.
* The same principal and key, sent again while the first is under way, joins the first: one
  decision, an answer for each.
* A batch that lost a race (a unique key, a deadlock) wrote nothing; its attempts are run one by
  one, each in its own transaction, where the rows that won are visible and the core refuses or
  the receipt is replayed. A mistake in one attempt is found in the same way: its neighbours
  succeed.
* A caller that gives up takes only itself away. An attempt for which nobody waits any more, and
  which no lane has taken, is not run.

Bounds: `pending_max` attempts, `batch_max` commands in a transaction (a batch that somebody
sent as one is never parted: it may hold more, alone) and no more of anything than
`wire/bounds.py` allows,
`deadline_s` for each caller, `ALONE_TRIES_MAX` tries for an attempt that keeps losing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Final, Protocol, Self

from chronos.errors import DeadlineExceeded, Overloaded, Unavailable
from chronos.store.event_store import Conflict
from chronos.store.faults import SERVICE
from chronos.store.found import NeedsOf, Prepared
from chronos.store.gathering import BESIDE_MIN, BESIDE_PATIENCE_S, Gathering
from chronos.telemetry import metrics
from chronos.wire.booking import AnyAttempt, Booked, KeyName
from chronos.wire.bounds import BYTES_MAX, EVENTS_MAX, LOCKS_MAX
from chronos.wire.receipt import Receipt, problem_receipt, too_large_receipt

ALONE_TRIES_MAX: Final = 5
_STOPPING: Final = "this process is stopping"


class Committer(Protocol):
    """Commits one batch after the other: an `EventStore`, or a fake."""

    async def commit(self, batch: Sequence[Prepared]) -> Booked:
        """Decides and writes a batch in one transaction."""
        ...

    async def close(self) -> None:
        """Gives its connection back."""
        ...


class Previewer(Protocol):
    """Decides without writing: a `Preview`, or a fake."""

    async def preview(self, attempt: AnyAttempt) -> Receipt:
        """Tells what the attempt would bring now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one process's group commit."""

    pending_max: int
    """Attempts that wait or run; one more is `Overloaded`."""
    batch_max: int
    """Attempts in one transaction."""
    deadline_s: float
    """Longest time that a caller waits for its receipt."""
    drain_s: float
    """Longest time that closing waits for attempts under way."""


@dataclass(slots=True, eq=False)
class _Job:
    """One attempt under way and everybody who waits for it."""

    prepared: Prepared
    locks: frozenset[int]
    """Its blocking locks and that of its key."""
    arrived_s: float
    waiters: list[asyncio.Future[Receipt]] = field(default_factory=list)

    @property
    def attempt(self) -> AnyAttempt:
        return self.prepared.attempt

    def is_abandoned(self) -> bool:
        return all(waiter.done() for waiter in self.waiters)


@dataclass(slots=True)
class _Load:
    """What the transaction that is being put together holds so far."""

    commands: int = 0
    events: int = 0
    event_bytes: int = 0

    def takes(self, job: _Job, commands_max: int, taken: set[int]) -> bool:
        """Tells whether one more still fits, beside the locks that are taken."""
        prepared = job.prepared
        return (
            self.commands + prepared.commands <= commands_max
            and self.events + prepared.positions <= EVENTS_MAX
            and self.event_bytes + prepared.event_bytes <= BYTES_MAX
            and len(taken) + len(job.locks) <= LOCKS_MAX
        )

    def add(self, prepared: Prepared) -> None:
        """Takes one more in."""
        self.commands += prepared.commands
        self.events += prepared.positions
        self.event_bytes += prepared.event_bytes


class GroupCommit:
    """The journal of one API process, as the ledger's port asks for it."""

    def __init__(
        self,
        committers: Sequence[Committer],
        previewer: Previewer,
        *,
        needs_of: NeedsOf,
        limits: Limits,
    ):
        self._committers = committers
        self._previewer = previewer
        self._needs_of = needs_of
        self._limits = limits
        self._queue: deque[_Job] = deque()
        self._jobs: dict[KeyName, _Job] = {}
        self._held: set[int] = set()
        self._begun_s: list[float] = []
        """When the transactions under way began."""
        self._is_gathering = False
        """Whether a lane waits for its batch, which others let it have."""
        self._work = asyncio.Event()
        self._lanes: list[asyncio.Task[None]] = []
        self._gatherings = [Gathering() for _ in committers]
        self._stopping = False

    async def __aenter__(self) -> Self:
        """Starts one lane for each committer."""
        self._lanes = [
            asyncio.create_task(self._run_lane(*lane), name=f"commit lane {number}")
            for number, lane in enumerate(zip(self._committers, self._gatherings, strict=True))
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops as `close` does."""
        await self.close()

    async def submit(self, attempt: AnyAttempt) -> Receipt:
        """Commits one attempt and gives its receipt, or the stored one of the same key.

        Raises:
            Unavailable: PostgreSQL does not answer; nothing is known of the outcome.
            DeadlineExceeded: It took too long; the outcome is unknown.
            Overloaded: Too many attempts wait; nothing was done.
        """
        if self._stopping:
            raise Unavailable(SERVICE, _STOPPING)
        job = self._jobs.get(attempt.key)
        if job is None:
            job = self._enqueue(attempt)
            if job is None:  # no transaction could hold it
                return too_large_receipt(
                    instance=attempt.instance, request_id=attempt.request_id
                )
        elif job.attempt.request_hash != attempt.request_hash:
            return _reused(attempt)
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Receipt] = loop.create_future()
        job.waiters.append(waiter)
        deadline = loop.call_later(self._limits.deadline_s, _give_up, waiter)
        try:
            return await waiter
        finally:
            deadline.cancel()

    async def preview(self, attempt: AnyAttempt) -> Receipt:
        """Decides an attempt on the present state and writes nothing.

        Raises:
            Unavailable: PostgreSQL does not answer.
        """
        return await self._previewer.preview(attempt)

    @property
    def pending(self) -> int:
        """How many attempts wait or run now."""
        return len(self._jobs)

    async def close(self) -> None:
        """Takes no more attempts, finishes those under way, gives up the rest at the bound."""
        self._stopping = True
        self._work.set()
        for gathering in self._gatherings:
            gathering.stop()
        if self._lanes:
            _, late = await asyncio.wait(self._lanes, timeout=self._limits.drain_s)
            for lane in late:
                lane.cancel()
            await asyncio.gather(*self._lanes, return_exceptions=True)
        for job in [*self._jobs.values()]:
            self._fail(job, Unavailable(SERVICE, _STOPPING))
        for committer in self._committers:
            await committer.close()

    def _enqueue(self, attempt: AnyAttempt) -> _Job | None:
        if len(self._jobs) >= self._limits.pending_max:
            raise Overloaded(SERVICE, f"{len(self._jobs)} commands are waiting already")
        prepared = Prepared.of(attempt, self._needs_of)
        if prepared.is_too_large:
            return None
        locks = prepared.blocking | prepared.keys.keys()
        job = _Job(prepared, locks, perf_counter())
        self._jobs[attempt.key] = job
        self._queue.append(job)
        for gathering in self._gatherings:
            gathering.arrived(prepared.commands)
        if locks.isdisjoint(self._held):  # else the lane that holds them wakes the others
            self._work.set()
        metrics.COMMANDS_PENDING.set(len(self._jobs))
        return job

    async def _run_lane(self, committer: Committer, gathering: Gathering) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._until_enough(gathering)
            batch = self._next_batch()
            if batch:
                began_s = loop.time()
                await self._run(committer, batch)
                known = len(batch) + len(self._queue)
                gathering.ended(known=known, took_s=loop.time() - began_s)
            elif self._stopping and not self._queue:
                return
            else:
                self._work.clear()
                await self._work.wait()

    async def _until_enough(self, gathering: Gathering) -> None:
        while self._queue and not self._stopping:
            waiting = sum(job.prepared.commands for job in self._queue)
            if self._is_gathering:
                missing, longest_s = BESIDE_MIN, BESIDE_PATIENCE_S
            else:
                missing, longest_s = BESIDE_MIN - waiting, self._young_for_s()
                if longest_s <= 0:
                    await self._gather(gathering, waiting)
                    return
                if missing <= 0:
                    return
            # Whatever ends this wait, another lane may have taken what waited.
            await gathering.wait_beside(missing, longest_s)

    async def _gather(self, gathering: Gathering, waiting: int) -> None:
        self._is_gathering = True
        try:
            await gathering.wait(waiting)
        finally:
            self._is_gathering = False

    def _young_for_s(self) -> float:
        # An old one waits for a lock or is somebody's long batch: nobody else waits for it.
        begun_s = self._begun_s
        return max(begun_s) + BESIDE_PATIENCE_S - perf_counter() if begun_s else 0

    def _next_batch(self) -> list[_Job]:
        """Takes what may run together now, oldest first, and marks its locks as held."""
        batch: list[_Job] = []
        left: list[_Job] = []
        taken: set[int] = set()
        kept_out = set(self._held)
        most = self._limits.batch_max
        load = _Load()
        while self._queue and load.commands < most and len(left) < most:
            job = self._queue.popleft()
            if job.is_abandoned():
                self._forget(job)
            elif not job.locks.isdisjoint(kept_out):
                kept_out |= job.locks
                left.append(job)
            elif batch and not load.takes(job, most, taken):
                left.append(job)
                break
            else:
                load.add(job.prepared)
                taken |= job.locks
                batch.append(job)
        self._queue.extendleft(reversed(left))
        self._held |= taken
        return batch

    async def _run(self, committer: Committer, batch: list[_Job]) -> None:
        """Commits a batch; whatever happens, every job of it ends and its locks are free."""
        began_s = perf_counter()
        metrics.COMMAND_WAIT_SECONDS.observe(began_s - batch[0].arrived_s)
        self._begun_s.append(began_s)
        try:
            await self._commit(committer, batch)
        except BaseException:
            for job in batch:
                self._fail(job, Unavailable(SERVICE, _STOPPING))
            raise
        finally:
            for job in batch:
                self._held -= job.locks
            self._begun_s.remove(began_s)
            for gathering in self._gatherings:
                gathering.other_ended()
            self._work.set()
            metrics.COMMANDS_PENDING.set(len(self._jobs))

    async def _commit(self, committer: Committer, batch: list[_Job]) -> None:
        try:
            booked = await committer.commit([job.prepared for job in batch])
        except Unavailable as fault:
            metrics.POSTGRES_UNAVAILABLE.labels(type(fault).__name__).inc()
            for job in batch:
                self._fail(job, fault)
        # A race that was lost, or our own mistake. Alone, each attempt shows which: neighbours
        # and the lane must not die of one, and its own sender is told.
        except Exception:  # noqa: BLE001 - see above
            for job in batch:
                await self._commit_alone(committer, job)
        else:
            self._answer(batch, booked)

    async def _commit_alone(self, committer: Committer, job: _Job) -> None:
        """Runs one attempt by itself until it wins, its own deadline or the bound ends it."""
        for _ in range(ALONE_TRIES_MAX):
            if job.is_abandoned():
                break
            try:
                booked = await committer.commit([job.prepared])
            except Conflict as conflict:
                metrics.APPEND_RETRIES.labels(conflict.sqlstate).inc()
            except Exception as error:  # noqa: BLE001 - handed to its sender
                self._fail(job, error)
                return
            else:
                self._answer([job], booked)
                return
        self._fail(job, Unavailable(SERVICE, "the command kept losing against others"))

    def _answer(self, batch: Sequence[_Job], booked: Booked) -> None:
        stored = {(row.principal, row.idempotency_key) for row in booked.receipt_rows}
        for job, receipt in zip(batch, booked.receipts, strict=True):
            self._forget(job)
            first, *joined = job.waiters
            _tell(first, receipt)
            if joined:
                is_stored = receipt.replayed or job.attempt.key in stored
                repeated = replace(receipt, replayed=is_stored)
                for waiter in joined:
                    _tell(waiter, repeated)

    def _fail(self, job: _Job, fault: Exception) -> None:
        self._forget(job)
        for waiter in job.waiters:
            if not waiter.done():
                waiter.set_exception(fault)

    def _forget(self, job: _Job) -> None:
        if self._jobs.get(job.attempt.key) is job:
            del self._jobs[job.attempt.key]


def _tell(waiter: asyncio.Future[Receipt], receipt: Receipt) -> None:
    if not waiter.done():
        waiter.set_result(receipt)


def _give_up(waiter: asyncio.Future[Receipt]) -> None:
    if not waiter.done():
        waiter.set_exception(DeadlineExceeded(SERVICE, "no receipt within the deadline"))


def _reused(attempt: AnyAttempt) -> Receipt:
    return problem_receipt(
        "idempotency_key_reused",
        f"Idempotency-Key {attempt.idempotency_key} is being used for another request; "
        "choose a new key for a new intention.",
        instance=attempt.instance,
        request_id=attempt.request_id,
    )
