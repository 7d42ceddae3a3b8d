"""What goes wrong: faults at seeded moments, and their end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from chronos.errors import Unavailable
from chronos.mirror.generations import Generations
from chronos.mirror.marker import FILLING
from chronos.store.pool import LOOKUPS_ONLY
from tests.simulation.cluster import Cluster, Slot, picked
from tests.simulation.connection import FakeDriver
from tests.simulation.kafka import Record

STEPS_MAX = 60
STOP_S = 5.0
_PAUSE_MAX_S = 1.4
_WAIT_S = 0.002
_WAITS_MAX = 1_500
_MOMENT_MAX_S = 0.01
_REMADE = 0.5
_SWITCHED = 0.8


class Trouble:
    """Breaks things, a few at a time."""

    def __init__(self, cluster: Cluster):
        self._cluster = cluster
        self._world = cluster.world
        self._chance = cluster.world.chance("trouble")
        self._under_way: list[asyncio.Task[None]] = []
        self.foreign = 0
        self.counts: dict[str, int] = {}

    async def make(self) -> None:
        """Makes trouble until it is cancelled."""
        faults = self._faults()
        names = list(faults)
        while True:
            await asyncio.sleep(0.1 + self._chance.random() * _PAUSE_MAX_S)
            name = picked(self._chance, names)
            self.counts[name] = self.counts.get(name, 0) + 1
            self._world.trace(f"fault: {name}")
            self._under_way.append(asyncio.create_task(faults[name]()))

    async def end(self) -> None:
        """Heals everything."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        cluster = self._cluster
        for slot in cluster.slots.values():
            if slot.process is not None:
                slot.process.is_paused = False
                slot.process.after_steps(0, _nothing)
        cluster.postgres.server.after_steps(0, _nothing)
        cluster.postgres.start()
        cluster.kafka.is_down = cluster.redis.is_down = cluster.search.is_down = False
        self._world.is_calm = True
        self._world.trace("calm")
        await self._last_loss()

    async def _last_loss(self) -> None:
        """A copy may be lost when nothing else will happen that would have it looked at."""
        loss = picked(self._chance, [self._redis_flushed, self._indices_lost, None])
        if loss is not None:
            self._world.trace("fault: a last loss")
            await loss()

    def _faults(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "kill api": lambda: self._kill("api"),
            "kill relay": lambda: self._kill("relay"),
            "kill balances": lambda: self._kill("balances"),
            "kill mirror": lambda: self._kill("mirror"),
            "stop api": lambda: self._stop("api"),
            "stop relay": lambda: self._stop("relay"),
            "stop balances": lambda: self._stop("balances"),
            "pause api": lambda: self._pause("api", 3.0),
            "pause relay": lambda: self._pause("relay", 9.0),
            "pause balances": lambda: self._pause("balances", 7.0),
            "pause mirror": lambda: self._pause("mirror", 7.0),
            "scale balances": self._scale,
            "crash postgres": self._crash_postgres,
            "end a session": self._end_session,
            "idle writer": self._idle_writer,
            "kafka away": self._kafka_away,
            "foreign record": self._foreign_record,
            "redis restarts": self._redis_restarts,
            "redis flushed": self._redis_flushed,
            "elasticsearch away": self._search_away,
            "indices lost": self._indices_lost,
            "a rebuild killed": self._rebuild_killed,
        }

    def _slot(self, role: str) -> Slot | None:
        running = [
            slot
            for slot in self._cluster.slots.values()
            if slot.role == role and slot.is_running
        ]
        return picked(self._chance, running) if running else None

    def _soon(self) -> int:
        """Steps of a process until something befalls it."""
        return 1 + int(self._chance.random() * STEPS_MAX)

    async def _kill(self, role: str) -> None:
        slot = self._slot(role)
        if slot is not None and slot.process is not None:
            slot.process.after_steps(self._soon(), lambda: self._cluster.kill(slot))

    async def _stop(self, role: str) -> None:
        """Asks a process to stop, as SIGTERM does; it is killed if that takes too long."""
        slot = self._slot(role)
        if slot is None or slot.process is None or slot.stop is None:
            return
        process = slot.process
        process.spawn(slot.stop())
        await asyncio.sleep(STOP_S)
        if slot.process is process:
            self._cluster.kill(slot)

    async def _pause(self, role: str, most_s: float) -> None:
        slot = self._slot(role)
        if slot is None or slot.process is None or slot.process.is_paused:
            return
        process = slot.process
        paused = asyncio.Event()

        def pause() -> None:
            process.is_paused = True
            paused.set()

        process.after_steps(self._soon(), pause)
        await paused.wait()
        try:
            await asyncio.sleep(self._chance.random() * most_s)
        finally:
            process.is_paused = False
            self._world.trace(f"resumes {process.name}")

    async def _scale(self) -> None:
        """Takes a worker away for a while."""
        slot = self._slot("balances")
        if slot is None:
            return
        slot.is_wanted = False
        self._cluster.kill(slot)
        try:
            await asyncio.sleep(1 + self._chance.random() * 5)
        finally:
            slot.is_wanted = True
            self._cluster.start(slot)

    async def _crash_postgres(self) -> None:
        crashed = asyncio.Event()

        def crash() -> None:
            self._cluster.postgres.crash()
            crashed.set()

        self._cluster.postgres.server.after_steps(self._soon(), crash)
        await crashed.wait()
        await asyncio.sleep(self._chance.random())
        self._cluster.postgres.start()

    async def _end_session(self) -> None:
        sessions = self._cluster.postgres.sessions
        if sessions:
            session = picked(self._chance, sessions)
            self._world.trace(f"ends the session {session.purpose}")
            self._cluster.postgres.end_session(session)

    async def _idle_writer(self) -> None:
        """Holds a transaction number for a while and writes nothing."""
        driver = FakeDriver(self._cluster.postgres)
        connection = await driver.connect(
            "", command_timeout=5.0, server_settings=dict(LOOKUPS_ONLY)
        )
        await connection.execute("BEGIN")
        await connection.fetchval("SELECT pg_current_xact_id()")
        await asyncio.sleep(self._chance.random() * 4)
        connection.terminate()

    async def _kafka_away(self) -> None:
        self._cluster.kafka.is_down = True
        await asyncio.sleep(self._chance.random() * 3)
        self._cluster.kafka.is_down = False

    async def _foreign_record(self) -> None:
        cluster = self._cluster
        partition = int(self._chance.random() * cluster.kafka.partitions)
        self.foreign += 1
        record = Record(b"stranger", b"hello", ())
        cluster.kafka.append((cluster.names.events, partition), 0, 0, [record])

    async def _redis_restarts(self) -> None:
        redis = self._cluster.redis
        redis.is_down = self._chance.random() < 0.5
        redis.restart()
        await asyncio.sleep(self._chance.random() * 2)
        redis.is_down = False

    async def _redis_flushed(self) -> None:
        """Redis loses its data and says nothing, and again while it is filled."""
        redis = self._cluster.redis
        redis.flush()
        await self._until(lambda: FILLING.encode() in redis.strings.values())
        redis.flush()

    async def _search_away(self) -> None:
        self._cluster.search.is_down = True
        await asyncio.sleep(self._chance.random() * 3)
        self._cluster.search.is_down = False

    async def _indices_lost(self) -> None:
        """Elasticsearch loses one index or both, and again while they are filled.

        Somebody else may make them again at once, so that no write fails for it.
        """
        search, names = self._cluster.search, self._cluster.names
        both = (names.entries_alias, names.accounts_alias)
        lost = picked(self._chance, [both, both[:1], both[1:]])
        for _ in range(2):
            search.lose(*lost)
            if self._chance.random() < _REMADE:
                search.make(*lost)
            await self._until(lambda: search.has(*lost))

    async def _rebuild_killed(self) -> None:
        """A rebuild ends before its indices hold anything, before or after they took over."""
        generations = Generations(self._cluster.search, self._cluster.names)  # type: ignore[arg-type]
        with contextlib.suppress(Unavailable):
            await generations.begin()
            if self._chance.random() < _SWITCHED:
                await generations.switch()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        """Waits for something, for a while, and then a moment longer."""
        for _ in range(_WAITS_MAX):
            await asyncio.sleep(_WAIT_S)
            if is_so():
                break
        await asyncio.sleep(self._chance.random() * _MOMENT_MAX_S)


def _nothing() -> None:
    """Befalls those who are left in peace."""
