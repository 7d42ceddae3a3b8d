"""What all simulated things share: chance, time, delays and the trace of what happened."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.simulation.loop import Process, SimLoop, current

EPOCH = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Trace:
    """Hashes every interesting step; equal hashes mean equal runs."""

    def __init__(self, show: Callable[[str], None] | None = None):
        self._hash = hashlib.sha256()
        self._show = show
        self.steps = 0

    def __call__(self, what: str) -> None:
        process = current()
        name = "-" if process is None else process.name
        line = f"{asyncio.get_running_loop().time():.6f} {name}: {what}"
        self._hash.update(line.encode() + b"\n")
        self.steps += 1
        if self._show is not None:
            self._show(line)

    def remark(self, line: str) -> None:
        """Shows what is no step: the product's own log."""
        if self._show is not None:
            self._show(line)

    @property
    def is_shown(self) -> bool:
        return self._show is not None

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


class World:
    """One run's chance, clock and trace, and what was found to be wrong."""

    def __init__(self, seed: int, trace: Trace | None = None):
        self.seed = seed
        self.trace = trace or Trace()
        self.violations: list[str] = []
        self.is_broken = asyncio.Event()
        self.sightings: Counter[str] = Counter()
        """How often each rare thing came about: a run without any shows nothing."""
        self.is_calm = False
        """True once the faults are over: delays are short and nothing is lost any more."""

    def chance(self, purpose: str) -> Random:
        """A source of chance of its own for each purpose, the same in every process."""
        return Random(f"{self.seed}/{purpose}")

    def process(self, name: str) -> Process:
        """Starts a process; on a loop that is not simulated it is only a name."""
        made = Process(name)
        loop = asyncio.get_running_loop()
        return loop.add(made) if isinstance(loop, SimLoop) else made

    def violate(self, what: str) -> None:
        """Notes that a promise was broken."""
        self.trace(f"VIOLATION {what}")
        self.violations.append(what)
        self.is_broken.set()

    def saw(self, what: str) -> None:
        """Notes that something rare came about."""
        self.sightings[what] += 1

    def now(self) -> datetime:
        """The wall clock of the servers."""
        return EPOCH + timedelta(seconds=asyncio.get_running_loop().time())


class SimClock:
    """A process's clocks; its wall clock may go wrong by seconds."""

    def __init__(self, world: World, *, skew_s: float = 0.0):
        self._world = world
        self._skew = timedelta(seconds=skew_s)

    def now(self) -> datetime:
        return self._world.now() + self._skew

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()


class SeededIds:
    """Identifiers from a seed, in the forms that the product makes."""

    def __init__(self, chance: Random):
        self._chance = chance

    def event_id(self) -> str:
        text = f"{self._chance.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-7{text[13:16]}-8{text[17:20]}-{text[20:]}"

    def new_id(self, prefix: str) -> str:
        return f"{prefix}{self._chance.getrandbits(100):026d}"


class Network:
    """How long a message is on its way, and whether it arrives."""

    def __init__(self, world: World, name: str, *, slow: float = 0.02):
        self._world = world
        self._slow = slow
        self._chance = world.chance(f"network/{name}")

    def ask(self, server: Process, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """Has a server do something; it does so even if who asked has died meanwhile."""
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def arrive() -> None:
            try:
                answer, fault = work(), None
            except Exception as error:  # noqa: BLE001 - it is the asker's to look at
                answer, fault = None, error
            server.call_later(self.delay_s(), deliver, answer, fault)

        def deliver(answer: Any, fault: Exception | None) -> None:
            if reply.done():
                return
            if fault is None:
                reply.set_result(answer)
            else:
                reply.set_exception(fault)

        server.call_later(self.delay_s(), arrive)
        return reply

    async def travel(self) -> None:
        await asyncio.sleep(self.delay_s())

    def delay_s(self) -> float:
        """Mostly some hundred microseconds, now and then up to a second."""
        draw = self._chance.random()
        if draw < self._slow and not self._world.is_calm:
            return 0.2 + self._chance.random() * 0.8
        return 0.0002 + draw * 0.0015

    def happens(self, probability: float) -> bool:
        """Draws; nothing bad happens any more once the world is calm."""
        return self._chance.random() < probability and not self._world.is_calm
