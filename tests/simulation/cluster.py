"""The processes of one simulated bank: API, relay, balances, mirror; each may die."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any

from aiokafka.errors import KafkaError

from agents import balances, mirror, relay
from agents.resources import JournalReader
from chronos.audit.topic_end import prove_topic_end
from chronos.errors import InvariantBroken, Unavailable
from chronos.ledger.needs import needs_of
from chronos.ledger.service import Ledger
from chronos.mirror.accounts import AccountIndex
from chronos.mirror.entries import EntryIndex
from chronos.mirror.follower import RedisFollower
from chronos.mirror.indices import ensure_indices
from chronos.mirror.marker import FilledMark
from chronos.mirror.redis import RedisMirror
from chronos.settings import Settings
from chronos.store.event_store import Rules
from chronos.store.group_commit import Limits
from chronos.store.opening import Sizes, open_store
from chronos.stream.sleep_guard import Slept
from chronos.wire.booking import AnyAttempt
from chronos.wire.receipt import Receipt
from chronos.wire.topics import Names
from tests.builders import bookkeeper
from tests.simulation.faust_app import SimApp, Stopped
from tests.simulation.faust_table import Disk, SimTable
from tests.simulation.kafka import FakeKafka
from tests.simulation.loop import Process
from tests.simulation.postgres import FakePostgres
from tests.simulation.search import FakeElasticsearch
from tests.simulation.sinks import FakeRedis
from tests.simulation.world import Network, SeededIds, SimClock, World

PARTITIONS = 4
SHARDS = 2
_RESTART_S = 0.8
_EXPECTED_EXITS = (Stopped, Unavailable, Slept, KafkaError, KeyError, OSError)
"""Ends of a process after which its supervisor starts it again; others are mistakes."""


class Reset(Exception):
    """The connection to the API broke: nothing is known of the command."""


class Api:
    """One process of the command endpoint."""

    def __init__(self) -> None:
        self.ledger: Ledger | None = None
        self.process: Process | None = None
        self._stop = asyncio.Event()
        # In their order: a set's own differs from run to run.
        self._asked: dict[asyncio.Future[Receipt], None] = {}

    async def run(self, cluster: Cluster, name: str, process: Process) -> BaseException:
        chance = cluster.world.chance(f"api/{name}/{cluster.starts}")
        self.process = process
        process.at_death.append(self._reset)
        keeper = bookkeeper(
            partitions=PARTITIONS,
            shards=SHARDS,
            ids=SeededIds(chance),
            # So that every other transaction is inserted in parts, as only long ones are.
            part_events=3,
        )
        own = Rules(needs_of=needs_of, book_in_parts=keeper.book_in_parts, zone=keeper.zone)
        limits = Limits(pending_max=64, batch_max=8, deadline_s=3, drain_s=1)
        sizes = Sizes(lanes=2, reader_connections_max=2, limits=limits)
        async with open_store("api", own, sizes) as store:
            self.ledger = Ledger(store.journal, store.references)
            self._stop.clear()
            cluster.slots[name].stop = self.stop
            await self._stop.wait()
        return Stopped()

    async def stop(self) -> None:
        """Does what SIGTERM asks for."""
        self._stop.set()

    async def execute(self, attempt: AnyAttempt, network: Network) -> Receipt:
        """Sends an attempt as a client does.

        Raises:
            Reset: The process is not there, or died meanwhile.
            Unavailable: It says that it does not know.
        """
        await network.travel()
        process, ledger = self.process, self.ledger
        if process is None or process.is_dead or ledger is None:
            raise Reset("nobody listens")
        reply: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._asked[reply] = None
        process.spawn(_answer(ledger, attempt, reply))
        try:
            return await reply
        finally:
            self._asked.pop(reply, None)
            await network.travel()

    def _reset(self) -> None:
        self.ledger = None
        for reply in list(self._asked):
            if not reply.done():
                reply.set_exception(Reset("connection reset by peer"))


async def _answer(ledger: Ledger, attempt: AnyAttempt, reply: asyncio.Future[Receipt]) -> None:
    try:
        receipt = await ledger.execute(attempt)
    except Exception as error:  # noqa: BLE001 - it is the client's to look at
        if not reply.done():
            reply.set_exception(error)
    else:
        if not reply.done():
            reply.set_result(receipt)


@dataclass
class Slot:
    """Where a process runs, again and again."""

    name: str
    main: Callable[[Process], Awaitable[BaseException]]
    stop: Callable[[], Coroutine[Any, Any, None]] | None = None
    is_wanted: bool = True
    process: Process | None = None

    @property
    def role(self) -> str:
        return self.name.split("-")[0]

    @property
    def is_running(self) -> bool:
        return self.process is not None and not self.process.is_dead


@dataclass
class Cluster:
    """Everything that runs, and what it runs on."""

    world: World
    postgres: FakePostgres
    kafka: FakeKafka
    redis: FakeRedis
    search: FakeElasticsearch
    settings: Settings
    apis: dict[str, Api] = field(default_factory=dict)
    slots: dict[str, Slot] = field(default_factory=dict)
    disks: dict[int, Disk] = field(default_factory=dict)
    starts: int = 0

    def __post_init__(self) -> None:
        self.names = Names(self.settings.namespace)
        self._supervisor = self.world.process("supervisor")
        self._chance = self.world.chance("supervisor")

    def add(self, role: str, number: int) -> None:
        """Adds a process and starts it."""
        name = f"{role}-{number}"
        if role == "api":
            api = self.apis.setdefault(name, Api())
            slot = Slot(name, lambda process: api.run(self, name, process))
        else:
            slot = Slot(name, lambda _: self._worker(role, number))
        self.slots[name] = slot
        self.start(slot)

    def start(self, slot: Slot) -> None:
        if slot.is_running or not slot.is_wanted:
            return
        self.starts += 1
        slot.stop = None
        slot.process = self.world.process(f"{slot.name}#{self.starts}")
        self.world.trace(f"starts {slot.process.name}")
        slot.process.spawn(self._run(slot, slot.process))

    def kill(self, slot: Slot) -> None:
        """Ends a process at whatever it awaits, and has it started again."""
        if slot.process is not None and slot.is_running:
            self.world.trace(f"kills {slot.process.name}")
            slot.process.kill()
            self._start_later(slot)

    def _start_later(self, slot: Slot) -> None:
        self._supervisor.call_later(self._chance.random() * _RESTART_S, self.start, slot)

    async def _run(self, slot: Slot, process: Process) -> None:
        try:
            reason = await slot.main(process)
        except Exception as error:  # noqa: BLE001 - looked at below
            reason = error
        self._supervisor.call_later(0.0, self._ended, slot, process, reason)

    def _ended(self, slot: Slot, process: Process, reason: BaseException) -> None:
        self.world.trace(f"{process.name} ends by {type(reason).__name__}")
        self.world.saw(f"{slot.role} ended by {type(reason).__name__}")
        if isinstance(reason, InvariantBroken):
            self.world.violate(f"{slot.role} stopped for good: {reason}")
            slot.is_wanted = False
        elif not isinstance(reason, _EXPECTED_EXITS):
            self.world.violate(f"{slot.role} failed: {reason!r}")
            slot.is_wanted = False
        process.kill()
        self._start_later(slot)

    # The three kinds of Faust worker, wired by the product's own `register`.

    async def _worker(self, role: str, number: int) -> BaseException:
        app = SimApp(self.world, self.kafka, self._settings(number), role)
        chance = self.world.chance(f"{role}/{number}/{self.starts}")
        clock = SimClock(self.world, skew_s=chance.uniform(-5, 5))
        if role == "relay":
            proof = partial(prove_topic_end, "relay", "kafka", app.names)
            relay.register(app, prove_topic_end=proof)  # type: ignore[arg-type]
        elif role == "balances":
            self._balances(app, number, clock)
        else:
            self._mirror(app, clock)
        self.slots[f"{role}-{number}"].stop = app.stop
        return await app.run()

    def _settings(self, number: int) -> Settings:
        return _with_slot(self.settings, number)

    def _balances(self, app: SimApp, number: int, clock: SimClock) -> None:
        table = SimTable(app, self.disks.setdefault(number, Disk()))
        journal = _journal(app)
        follower = RedisFollower(
            RedisMirror("redis", app.names),
            FilledMark("redis", app.names, worker=f"balances-{number}"),
            table,
            clock,
        )
        app.add_resource(follower)
        balances.register(app, table, journal=journal, copy=follower, clock=clock)  # type: ignore[arg-type]

    def _mirror(self, app: SimApp, clock: SimClock) -> None:
        search: Any = self.search

        target = SimpleNamespace(
            client=search,
            entries=EntryIndex(search, app.names.entries_alias),
            accounts=AccountIndex(search, app.names.accounts_alias),
            ensure_indices=lambda: ensure_indices(search, app.names),
        )
        mirror.register(app, target, journal=_journal(app), clock=clock)  # type: ignore[arg-type]


def _journal(app: SimApp) -> Any:
    made = JournalReader(app.settings, app.role)
    app.add_resource(made)
    return made


def _with_slot(settings: Settings, slot: int) -> Settings:
    return replace(settings, slot=slot)


def picked(chance: Random, choices: list[Any]) -> Any:
    """One of several."""
    return choices[int(chance.random() * len(choices))]
