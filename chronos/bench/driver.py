"""The load driver: a process of its own that drives kept-alive connections and counts answers.

Closed loop (no rate): every connection sends its next request when its answer is complete.
Open loop (a rate): request n is due at n / rate whatever happened to the others; it waits for a
free connection if need be, and its latency counts from when it was due. So a stalled server
is not hidden by a driver that politely stops asking (coordinated omission).

Run as `python -m chronos.bench.driver`: a `LoadPlan` as JSON on standard input, a `LoadResult`
as JSON on standard output.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import cast

import msgspec
import uvloop

from chronos.bench.answers import AnswerCutter
from chronos.bench.load import LoadPlan, transfer_requests
from chronos.bench.tally import LoadResult, Tally

TICK_S = 0.001
CONNECT_DEADLINE_S = 10.0
LAST_ANSWERS_DEADLINE_S = 10.0


async def drive(plan: LoadPlan) -> LoadResult:
    """Runs one load and gives its figures."""
    loop = asyncio.get_running_loop()
    run = _Run(plan, loop)
    async with asyncio.timeout(CONNECT_DEADLINE_S):
        for _ in range(plan.connections):
            await loop.create_connection(lambda: _Connection(run), plan.host, plan.port)
    run.start()
    await asyncio.sleep(plan.warm_up_s)
    run.start_counting()
    await asyncio.sleep(plan.seconds)
    result = run.stop()
    await run.close(LAST_ANSWERS_DEADLINE_S)
    return result


class _Run:
    """What the connections of one load run share."""

    def __init__(self, plan: LoadPlan, loop: asyncio.AbstractEventLoop):
        self.plan = plan
        self.loop = loop
        self.requests: Iterator[bytes] = transfer_requests(plan)
        self.tally = Tally()
        self.running = False
        self.counting_since_ns = 0
        self._cpu_before_s = 0.0
        self._due_ns: deque[int] = deque()
        self._idle: deque[_Connection] = deque()
        self._next_due_ns = 0
        self._drained = asyncio.Event()
        self.in_flight = 0
        self.connections: list[_Connection] = []

    def start(self) -> None:
        self.running = True
        self._next_due_ns = time.perf_counter_ns()
        if self.plan.rate is not None:
            self._idle.extend(self.connections)
            self._tick()
            return
        for connection in self.connections:
            connection.send(time.perf_counter_ns())

    def start_counting(self) -> None:
        self._cpu_before_s = time.process_time()
        self.counting_since_ns = time.perf_counter_ns()

    def stop(self) -> LoadResult:
        seconds = (time.perf_counter_ns() - self.counting_since_ns) / 1e9
        cpu_s = time.process_time() - self._cpu_before_s
        self.running = False
        late = len(self._due_ns)
        self.tally.statuses.update({0: late} if late else {})
        return self.tally.result(seconds=seconds, driver_cpu_s=cpu_s)

    async def close(self, deadline_s: float) -> None:
        """Waits for the answers in flight, so that nothing is cut off, then closes."""
        if self.in_flight:
            try:
                async with asyncio.timeout(deadline_s):
                    await self._drained.wait()
            except TimeoutError:
                self.tally.broken_connections += self.in_flight
        for connection in self.connections:
            connection.close()

    def answered(self, connection: _Connection, status: int, due_ns: int) -> None:
        now_ns = time.perf_counter_ns()
        self.in_flight -= 1
        if not self.running:
            self.check_drained()
            return
        if self.counting_since_ns:
            self.tally.latencies_ns.append(now_ns - due_ns)
            self.tally.statuses[status] += 1
        else:
            self.tally.warm_up_answers += 1
        if self.plan.rate is None:
            connection.send(now_ns)
        elif self._due_ns:
            connection.send(self._due_ns.popleft())
        else:
            self._idle.append(connection)

    def check_drained(self) -> None:
        if not self.running and self.in_flight <= 0:
            self._drained.set()

    def _tick(self) -> None:
        """Sends what has become due; what finds no idle connection waits, and its time runs."""
        if not self.running or self.plan.rate is None:
            return
        gap_ns = int(1e9 / self.plan.rate)
        now_ns = time.perf_counter_ns()
        while self._next_due_ns <= now_ns:
            if self._idle:
                self._idle.popleft().send(self._next_due_ns)
            else:
                self._due_ns.append(self._next_due_ns)
            self._next_due_ns += gap_ns
        self.loop.call_later(TICK_S, self._tick)


class _Connection(asyncio.Protocol):
    """One kept-alive connection with at most one request in flight."""

    def __init__(self, run: _Run):
        self._run = run
        self._cutter = AnswerCutter()
        self._transport: asyncio.Transport | None = None
        self._due_ns = 0
        self._waiting = False
        run.connections.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def send(self, due_ns: int) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._due_ns = due_ns
        self._waiting = True
        self._run.in_flight += 1
        self._transport.write(next(self._run.requests))

    def data_received(self, data: bytes) -> None:
        for status in self._cutter.feed(data):
            self._waiting = False
            self._run.answered(self, status, self._due_ns)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._waiting:
            self._waiting = False
            self._run.in_flight -= 1
            self._run.check_drained()
        if self._run.running:
            self._run.tally.broken_connections += 1

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
