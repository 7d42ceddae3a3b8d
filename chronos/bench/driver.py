"""The load driver: a process of its own that drives kept-alive connections and counts answers.

Closed loop (no rate): every connection sends its next request when its answer is complete.
Open loop (a rate): request n is due at n / rate whatever happened to the others; it waits for a
free connection if need be, and its latency counts from when it was due. So a stalled server
is not hidden by a driver that politely stops asking (coordinated omission). What is due is
looked for every millisecond: up to one of an open loop's latency is the driver's own.

What is done is counted by when it was answered; latency, by when the request was due. So at the
end the driver waits for what is in flight, and sends what was due and found no connection. What
is not answered by then has at least the latency that it has.

Run as `python -m chronos.bench.driver`: a `LoadPlan` as JSON on standard input, a `LoadResult`
as JSON on standard output.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import sys
import time
from collections import deque
from collections.abc import Iterator
from enum import Enum
from typing import cast

import msgspec
import uvloop

from chronos.bench.answers import Answer, AnswerCutter
from chronos.bench.load import LoadPlan, Reads, Request, judge_for, requests_for
from chronos.bench.tally import LoadResult, Tally

TICK_S = 0.001
CONNECT_DEADLINE_S = 10.0
LAST_ANSWERS_DEADLINE_S = 10.0


async def drive(
    plan: LoadPlan, *, last_answers_s: float = LAST_ANSWERS_DEADLINE_S
) -> LoadResult:
    """Runs one load and gives its figures.

    Args:
        plan: What to send, and for how long.
        last_answers_s: The longest wait, after the counted seconds, for what was due in them.
    """
    loop = asyncio.get_running_loop()
    run = _Run(plan, loop)
    async with asyncio.timeout(CONNECT_DEADLINE_S):
        for number in range(plan.connections):
            place = number % len(plan.doors)
            await loop.create_connection(
                functools.partial(_Connection, run, place),
                plan.doors[place].host,
                plan.doors[place].port,
            )
    run.start()
    await asyncio.sleep(plan.warm_up_s)
    run.start_counting()
    await asyncio.sleep(plan.seconds)
    run.stop()
    await run.drain(last_answers_s)
    return run.result()


class _Phase(Enum):
    WARM_UP = "warm-up"
    COUNTED = "counted"
    DRAINED = "drained"


class _Run:
    """What the connections of one load run share."""

    def __init__(self, plan: LoadPlan, loop: asyncio.AbstractEventLoop):
        self._loop = loop
        self._requests = requests_for(plan)
        self._judge = judge_for(plan)
        self._gap_ns = None if plan.rate is None else 1e9 / plan.rate
        self.tally = Tally(plan.work.groups if isinstance(plan.work, Reads) else 1)
        self.phase = _Phase.WARM_UP
        self._counted_from_ns = self._counted_to_ns = 0
        self._cpu_s = 0.0
        self._due_ns: deque[int] = deque()
        self._idle: deque[_Connection] = deque()
        self._started_ns = 0
        self._made_due = 0
        self._drained = asyncio.Event()
        self.in_flight = 0
        self.connections: list[_Connection] = []

    def requests(self, place: int) -> Iterator[Request]:
        return self._requests[place]

    def start(self) -> None:
        self._started_ns = time.perf_counter_ns()
        if self._gap_ns is None:
            for connection in self.connections:
                connection.send(time.perf_counter_ns())
            return
        self._idle.extend(self.connections)
        self._tick()

    def start_counting(self) -> None:
        self.phase = _Phase.COUNTED
        self._cpu_s = time.process_time()
        self._counted_from_ns = time.perf_counter_ns()

    def stop(self) -> None:
        self._make_due()
        self._counted_to_ns = time.perf_counter_ns()
        self._cpu_s = time.process_time() - self._cpu_s
        self.phase = _Phase.DRAINED

    def result(self) -> LoadResult:
        seconds = (self._counted_to_ns - self._counted_from_ns) / 1e9
        return self.tally.result(seconds=seconds, driver_cpu_s=self._cpu_s)

    async def drain(self, deadline_s: float) -> None:
        """Waits for what was due in the counted seconds, then closes; late is late."""
        self.check_drained()
        try:
            async with asyncio.timeout(deadline_s):
                await self._drained.wait()
        except TimeoutError:
            now_ns = time.perf_counter_ns()
            for connection in self.connections:
                if connection.is_waiting:
                    self._gave_up(connection.group, connection.due_ns, now_ns)
            for due_ns in self._due_ns:
                self._gave_up(0, due_ns, now_ns)
        for connection in self.connections:
            connection.close()

    def _gave_up(self, group: int, due_ns: int, now_ns: int) -> None:
        if self._is_counted(due_ns):
            self.tally.gave_up(group, now_ns - due_ns)

    def _is_counted(self, due_ns: int) -> bool:
        return self._counted_from_ns <= due_ns and (
            self.phase is _Phase.COUNTED or due_ns < self._counted_to_ns
        )

    def answered(self, connection: _Connection, answer: Answer) -> None:
        now_ns = time.perf_counter_ns()
        self.in_flight -= 1
        tally, phase = self.tally, self.phase
        if phase is _Phase.WARM_UP:
            tally.warm_up_answers += 1
        else:
            worth, due_ns = self._judge(answer), connection.due_ns
            if phase is _Phase.COUNTED:
                tally.answered(answer, worth)
            else:
                tally.answered_late(worth)
            if self._is_counted(due_ns):
                tally.took(connection.group, now_ns - due_ns)
        self._send_next(connection, now_ns)

    def _send_next(self, connection: _Connection, now_ns: int) -> None:
        if self._gap_ns is not None:
            self._idle.append(connection)
            if self._due_ns:
                self._send_due(self._due_ns.popleft())
        elif self.phase is not _Phase.DRAINED:
            connection.send(now_ns)
        self.check_drained()

    def check_drained(self) -> None:
        if self.phase is _Phase.DRAINED and self.in_flight <= 0 and not self._due_ns:
            self._drained.set()

    def lost(self, connection: _Connection) -> None:
        if connection.is_waiting:
            connection.is_waiting = False
            self.in_flight -= 1
            if self._is_counted(connection.due_ns):
                self.tally.lost()
        if self.phase is not _Phase.DRAINED or not self._drained.is_set():
            self.tally.broken_connections += 1
        self.check_drained()

    def _tick(self) -> None:
        if self.phase is not _Phase.DRAINED:
            self._make_due()
            self._loop.call_later(TICK_S, self._tick)

    def _make_due(self) -> None:
        """Sends what has become due; what finds no idle connection waits, and its time runs."""
        if self._gap_ns is None:
            return
        now_ns = time.perf_counter_ns()
        while (due_ns := self._started_ns + int(self._made_due * self._gap_ns)) <= now_ns:
            self._made_due += 1
            self._send_due(due_ns)

    def _send_due(self, due_ns: int) -> None:
        while self._idle:
            if self._idle.popleft().send(due_ns):
                return
        self._due_ns.append(due_ns)


class _Connection(asyncio.Protocol):
    """One kept-alive connection with at most one request in flight."""

    def __init__(self, run: _Run, place: int):
        self._run = run
        self._requests = run.requests(place)
        self._cutter = AnswerCutter()
        self._transport: asyncio.Transport | None = None
        self.due_ns = 0
        self.group = 0
        self.is_waiting = False
        run.connections.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def send(self, due_ns: int) -> bool:
        """Sends the next request; False when the connection is gone."""
        if self._transport is None or self._transport.is_closing():
            return False
        self.due_ns = due_ns
        self.is_waiting = True
        self._run.in_flight += 1
        request, self.group = next(self._requests)
        self._transport.write(request)
        return True

    def data_received(self, data: bytes) -> None:
        for answer in self._cutter.feed(data):
            self.is_waiting = False
            self._run.answered(self, answer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._run.lost(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def main() -> None:
    """Reads a plan, drives it, writes the figures."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=LoadPlan)
    gc.disable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(drive(plan))
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    main()
