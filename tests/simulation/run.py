"""One run from one seed: the bank opens, works in trouble, heals, and is looked at."""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest import mock

import structlog

import tables.balances
from agents import index_source, relay
from chronos.audit import topic_end
from chronos.mirror import bulk, marker
from chronos.mirror import redis as redis_mirror
from chronos.settings import Settings
from chronos.store import outbox, outbox_poller
from chronos.stream import publisher
from tests.simulation.checks import behind, wrongs
from tests.simulation.cluster import PARTITIONS, SHARDS, Cluster
from tests.simulation.connection import FakeDriver
from tests.simulation.faust_table import WriteBatch
from tests.simulation.kafka import FakeKafka
from tests.simulation.loop import SimLoop, Stuck
from tests.simulation.postgres import FakePostgres
from tests.simulation.search import FakeElasticsearch
from tests.simulation.sinks import FakeRedis
from tests.simulation.tellers import History, Teller
from tests.simulation.trouble import Trouble
from tests.simulation.watch import Watch
from tests.simulation.world import Trace, World

TELLERS = 4
COMMANDS_EACH = 10
WORK_S = 300.0
HEAL_S = 60.0
_LOOK_S = 0.25
_LOOKS_EQUAL = 2
ROOMS = ("chronos.", "agents.", "tables.")


@dataclass
class Outcome:
    """What one run came to."""

    seed: int
    digest: str = ""
    violations: list[str] = field(default_factory=list)
    trace_steps: int = 0
    loop_steps: int = 0
    seconds: float = 0.0
    facts: dict[str, int] = field(default_factory=dict)
    sightings: Counter[str] = field(default_factory=Counter)

    @property
    def command(self) -> str:
        """Replays this run, step by step."""
        return f"python -m tests.simulation --seed {self.seed} --trace"


def simulate(seed: int, show: Callable[[str], None] | None = None) -> Outcome:
    """Runs one seed."""
    outcome = Outcome(seed)
    trace = Trace(show)
    loop = SimLoop(World(seed).chance("turns"))
    asyncio.set_event_loop(None)
    collects = gc.isenabled()
    gc.disable()
    with _virtual_time(loop), _quiet(trace):
        try:
            loop.run_until_complete(_run(outcome, trace))
        except Stuck as error:
            outcome.violations.append(str(error))
        outcome.loop_steps, outcome.trace_steps = loop.steps, trace.steps
        outcome.digest = trace.digest
        loop.bury()
    if collects:
        gc.enable()
    return outcome


def simulate_many(seeds: Sequence[int], *, jobs: int) -> Iterator[Outcome]:
    """Runs seeds in several processes; gives the outcomes in their order."""
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawned) as pool:
        yield from pool.map(simulate, seeds, chunksize=10)


async def _run(outcome: Outcome, trace: Trace) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: trace.remark(str(context)))
    world = World(outcome.seed, trace)
    outcome.violations, outcome.sightings = world.violations, world.sightings
    started_s = loop.time()
    with ExitStack() as stack:
        cluster = _cluster(world, stack)
        watch, history, trouble = Watch(cluster), History(), Trouble(cluster)
        for role, count in (("api", 2), ("relay", 2), ("balances", 2), ("mirror", 2)):
            for number in range(count):
                cluster.add(role, number)
        await _work(world, cluster, history, trouble)
        await _heal(world, cluster, watch)
        if not world.violations:
            for wrong in wrongs(cluster, history):
                world.violate(wrong)
    outcome.seconds = round(loop.time() - started_s, 3)
    outcome.facts = {
        "commands": len(history.attempts),
        "unknown": history.unknown,
        "events": sum(1 for _ in cluster.postgres.tables.every_event()),
        "records": len(cluster.kafka.logs) and sum(map(len, cluster.kafka.logs.values())),
        "faults": sum(trouble.counts.values()),
        "starts": cluster.starts,
    }
    trace(f"end {sorted(outcome.facts.items())}")


def _cluster(world: World, stack: ExitStack) -> Cluster:
    postgres = FakePostgres(world)
    kafka = FakeKafka(world, partitions=PARTITIONS)
    redis = FakeRedis(world)
    driver = FakeDriver(postgres)

    async def is_safe(*_: Any) -> None:
        """The start-up checks look at settings of a real server."""

    for target, name, fake in (
        (sys.modules["asyncpg"], "connect", driver.connect),
        (sys.modules["asyncpg"], "create_pool", driver.create_pool),
        (publisher, "AIOKafkaProducer", kafka.producer),
        (redis_mirror, "open_client", redis.client),
        (marker.Redis, "from_url", redis.client),
        (relay, "check", is_safe),
        (topic_end, "open_topic", kafka.reader),
        (index_source, "open_topic", kafka.reader),
        (index_source, "CATCHING_UP_MAX_S", 2.0),
        (tables.balances, "rocksdict", SimpleNamespace(WriteBatch=WriteBatch)),
        (tables.balances, "PAGE_BALANCES_MAX", 2),
        # Few documents in two lanes of several requests, as thousands are in life.
        (bulk, "LANE_ITEMS_MIN", 2),
        (bulk, "REQUEST_DOCUMENTS_MAX", 3),
        # Virtual time is cheap, steps are not.
        (outbox_poller, "BUSY_PAUSE_S", 0.04),
        (outbox_poller, "IDLE_PAUSE_S", 0.2),
        (outbox, "TAKEOVER_AFTER_S", 1.5),
    ):
        stack.enter_context(mock.patch.object(target, name, fake))
    settings = Settings(
        partitions=PARTITIONS,
        relay_shards=SHARDS,
        outbox_rows_max=10,
        outbox_rotate_rows=60,
        outbox_rotate_s=2,
        batch_events_max=8,
    )
    search = FakeElasticsearch(world)
    return Cluster(world, postgres, kafka, redis, search, settings)


async def _work(world: World, cluster: Cluster, history: History, trouble: Trouble) -> None:
    """Lets the clients finish in trouble; the first broken promise ends it."""
    work = asyncio.create_task(_let_work(cluster, history))
    troubles = asyncio.create_task(trouble.make())
    broken = asyncio.create_task(world.is_broken.wait())
    await asyncio.wait((work, broken), timeout=WORK_S, return_when=asyncio.FIRST_COMPLETED)
    if not work.done() and not world.violations:
        world.violate(f"the clients are not done after {WORK_S:g} s")
    for task in (work, troubles, broken):
        task.cancel()
    await asyncio.gather(work, troubles, broken, return_exceptions=True)
    await trouble.end()


async def _let_work(cluster: Cluster, history: History) -> None:
    tellers = [Teller(cluster, history, number) for number in range(TELLERS)]
    await tellers[0].open_the_bank()
    await asyncio.gather(*(teller.work(COMMANDS_EACH) for teller in tellers))


async def _heal(world: World, cluster: Cluster, watch: Watch) -> None:
    """Waits until every copy is what the journal is, and stays so."""
    deadline = asyncio.get_running_loop().time() + HEAL_S
    equal = 0
    while equal < _LOOKS_EQUAL and not world.violations:
        await asyncio.sleep(_LOOK_S)
        reason = behind(cluster, watch)
        equal = 0 if reason else equal + 1
        if asyncio.get_running_loop().time() > deadline:
            world.violate(f"after {HEAL_S:g} s of calm {reason}")
            return
    world.trace("healed")


@contextmanager
def _virtual_time(loop: SimLoop) -> Iterator[None]:
    """Gives every module of the product that reads a monotonic clock the loop's."""
    clocks = (time.monotonic, time.perf_counter)
    with ExitStack() as stack:
        for name, module in sorted(sys.modules.items()):
            if not name.startswith(ROOMS):
                continue
            for attribute in ("monotonic", "perf_counter"):
                if vars(module).get(attribute) in clocks:
                    stack.enter_context(mock.patch.object(module, attribute, loop.time))
        yield


@contextmanager
def _quiet(trace: Trace) -> Iterator[None]:
    """Keeps the product's log out of the way, or in the trace that somebody looks at."""

    def keep(_: Any, __: str, event: dict[str, Any]) -> Any:
        trace.remark(f"    {event}")
        raise structlog.DropEvent

    before = structlog.get_config()
    level = logging.DEBUG if trace.is_shown else logging.CRITICAL
    structlog.configure(
        processors=[keep], wrapper_class=structlog.make_filtering_bound_logger(level)
    )
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        structlog.configure(**before)
