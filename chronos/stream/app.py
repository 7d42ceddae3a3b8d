"""The Faust app of one role in one process, with every setting that correctness rests on.

Phases of a worker: topics checked or made, resources opened, web server up (views answer 503),
group joined, tables recovered from disk and changelog, events consumed. On stop: answers that
go on are ended, flow paused, batches in hand finished or given up without acknowledgement,
offsets committed, agents stopped, resources closed last, because agents use them until then.

What is never changed here without a measurement, and why:

- `at_least_once`: `exactly_once` loses records when a process is killed; versions make
  redelivery harmless instead.
- static member id: a worker that comes back within the session's time keeps its partitions, and
  the others are not disturbed.
- a datadir per process: two processes cannot open one RocksDB folder.
- no `web_tables`, no `web_router`: both serve internals without a credential.
- `CrashingSupervisor`: an agent that fails ends the process; Faust's default starts it again
  and steps over the record that failed.
- no autodiscovery: a module that fails to import would be left out in silence.
- no environment: Faust would let `PRODUCER_ACKS=1` or `WEB_PORT=80`, meant for whatever
  program, win over everything here. Ours are `CHRONOS_*`, and unknown ones are refused.
- `broker_max_poll_interval` of a day: waiting for a store that is down counts as alive; the
  default ends the membership in silence after 1,000 s.
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import faust
import structlog
from mode.supervisors import CrashingSupervisor

from chronos.errors import ChronosError
from chronos.memory import settle_memory
from chronos.stream.consume import GivenUp, until_answered
from chronos.stream.consumer_thread import FETCH_WAIT_MS
from chronos.stream.liveness import Liveness, Works
from chronos.stream.pages import PageSchema
from chronos.stream.publisher import COMPRESSION
from chronos.stream.recovery import BulkTableManager
from chronos.stream.sensors import LightMonitor
from chronos.stream.stall_watch import StallWatch
from chronos.stream.topics import ensure_topics
from chronos.stream.transport import KafkaTransport
from chronos.stream.worker import ChronosWorker
from chronos.telemetry.event_loop import EventLoopWatch
from chronos.wire.topics import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chronos.settings import Settings

ROLES = ("relay", "balances", "mirror")
PAGES_WAITING_MAX = 32
_DAY_S = 86_400.0
_LIVELOCK_REPORT_S = 3_600.0
# How often is fetched at most while a fuller batch is waited for: a record waits at both.
_FETCHES_PER_BATCH = 2
# Half of the time after which aiokafka asks for the idle partitions alone.
_FETCH_PAUSE_S_MAX = FETCH_WAIT_MS / 1000 / 2
_log = structlog.get_logger(room="stream")


class Resource(Protocol):
    """Is a pool or client that lives as long as the app."""

    async def open(self) -> None:
        """Opens; a failure stops the start."""
        ...

    async def close(self) -> None:
        """Closes; called once, also after a crash."""
        ...


class ChronosApp(faust.App):
    """Is the Faust app of one role, with its settings, names and resources."""

    def __init__(self, settings: Settings, role: str, **options: Any):
        self.settings = settings
        self.role = role
        self.names = Names(settings.namespace)
        self.liveness = Liveness(stuck_after_s=settings.stuck_after_s)
        self.batch_given_up = asyncio.Event()
        self.paged_topics: frozenset[str] = frozenset()
        self.fetch_pause_s = _FETCH_PAUSE_S_MAX
        """Shortest time between two fetches of little."""
        self._resources: list[Resource] = [StallWatch(self), EventLoopWatch()]
        self._opened: list[Resource] = []
        self._farewells: list[Callable[[], None]] = []
        self.works: list[Works] = []
        super().__init__(self.names.app_id(role), **options)

    def source_topic(
        self, name: str, *, batch_wait_s: float, partitions: int | None = None
    ) -> Any:
        """Gives a topic whose stream gets pages of records; for `chronos.stream.consume`.

        Args:
            name: Of the topic.
            batch_wait_s: How long its agent waits for a fuller batch. All topics of an app are
                fetched together, at the pace of the least patient.
            partitions: Of the topic; as the settings have it for None.
        """
        self.paged_topics |= {name}
        self.fetch_pause_s = min(self.fetch_pause_s, batch_wait_s / _FETCHES_PER_BATCH)
        schema: Any = PageSchema(key_type=bytes, value_type=bytes)
        return self.topic(name, schema=schema, partitions=partitions, maxsize=PAGES_WAITING_MAX)

    def add_resource(self, resource: Resource) -> None:
        """Has `resource` opened before anything runs and closed after everything ended."""
        self._resources.append(resource)

    def close_last(self, resource: Resource) -> None:
        """Has `resource` opened before all others and closed after them."""
        self._resources.insert(0, resource)

    def add_work(self, works: Works) -> None:
        """Has the stall watch look at work that no topic's offset shows."""
        self.works.append(works)

    def add_farewell(self, say: Callable[[], None]) -> None:
        """Has `say` called when the stop begins, before anything is stopped.

        For answers that go on: the web server waits for them, and the stop for the web server.
        """
        self._farewells.append(say)

    def acknowledge(self, event: Any) -> None:
        """Acknowledges an event whose effect is there: its offset may be committed."""
        consumer: Any = self.consumer  # of `KafkaTransport`
        consumer.acknowledge(event)

    async def on_first_start(self) -> None:
        """Makes the folder of this process's tables."""
        await asyncio.to_thread(
            Path(self.conf.datadir).mkdir, parents=True, exist_ok=True, mode=0o700
        )
        await super().on_first_start()

    async def on_start(self) -> None:
        """Checks the topics and opens the resources, in the order they were added.

        A worker that starts while a server is away waits for it, as one that runs already does.
        """
        await super().on_start()
        try:
            await until_answered(self, "start", lambda: ensure_topics(self.settings))
            for resource in self._resources:
                self._opened.append(resource)
                await until_answered(self, "start", resource.open)
        except GivenUp:
            return
        settle_memory(objects_between_looks=50_000)

    async def on_stop(self) -> None:
        """Says the farewells, then stops the flow of events."""
        for say in self._farewells:
            say()
        await super().on_stop()

    async def on_shutdown(self) -> None:
        """Closes the resources, last opened first."""
        while self._opened:
            resource = self._opened.pop()
            try:
                await resource.close()
            except (ChronosError, OSError, TimeoutError) as error:
                _log.warning("resource_close_failed", reason=repr(error))
        await super().on_shutdown()

    def _new_transport(self) -> KafkaTransport:
        return KafkaTransport(self.conf.broker_consumer, self)

    def _crash(self, reason: BaseException) -> None:
        # The first reason decides the exit code; what breaks afterwards is its consequence.
        super()._crash(self.crash_reason or reason)

    async def _consumer_wait_empty(self, consumer: Any, logger: Any) -> None:
        # Faust waits for ever for events that a stopping agent has given up. A batch without
        # acknowledgement is delivered again after the start: leaving it is safe.
        waiting = asyncio.ensure_future(super()._consumer_wait_empty(consumer, logger))
        if not self.should_stop:
            await waiting
            return
        given_up = asyncio.ensure_future(self.batch_given_up.wait())
        await asyncio.wait(
            {waiting, given_up},
            timeout=self.settings.drain_s / 2,
            return_when=asyncio.FIRST_COMPLETED,
        )
        # Faust's wait swallows a cancellation; it ends by itself once the consumer stops.
        given_up.cancel()


def make_app(settings: Settings, role: str) -> ChronosApp:
    """Makes the app of `role`; nothing is opened or contacted before it starts.

    Args:
        settings: The settings of this process.
        role: One of `ROLES`.
    """
    tame_loggers()
    return ChronosApp(
        settings,
        role,
        monitor=LightMonitor(),
        TableManager=BulkTableManager,
        Worker=ChronosWorker,
        autodiscover=False,
        env={},
        agent_supervisor=CrashingSupervisor,
        **_broker_options(settings, role),
        **_state_options(settings, role),
        **_web_options(settings, role),
    )


def web_port(settings: Settings, role: str) -> int:
    """Tells the port of this worker's web server: the role's base port plus the slot."""
    base = {
        "relay": settings.relay_port,
        "balances": settings.balances_port,
        "mirror": settings.mirror_port,
    }[role]
    return base + settings.slot


def table_options() -> dict[str, object]:
    """Gives the RocksDB options of one table, a new dictionary each time (Faust empties it).

    Faust's defaults reserve gigabytes for each partition.
    """
    return {
        "block_cache_size": 16 << 20,
        "write_buffer_size": 4 << 20,
        "max_open_files": 256,
        "driver": "rocksdict",
    }


def tame_loggers() -> None:
    """Quiets the loggers that report every message or every retry of a known condition."""
    logging.getLogger("faust.transport.producer").setLevel(logging.ERROR)
    logging.getLogger("aiokafka.consumer.group_coordinator").setLevel(logging.ERROR)
    logging.getLogger("faust.livecheck").setLevel(logging.ERROR)


def _broker_options(settings: Settings, role: str) -> Mapping[str, Any]:
    return {
        "broker": f"kafka://{settings.kafka}",
        "broker_client_id": f"{role}-{settings.slot}",
        "broker_commit_every": 5_000,
        "broker_commit_interval": 1.0,
        "broker_commit_livelock_soft_timeout": _LIVELOCK_REPORT_S,
        "broker_heartbeat_interval": 1.0,
        "broker_max_poll_interval": _DAY_S,
        "broker_max_poll_records": settings.batch_events_max,
        "broker_request_timeout": 90.0,
        "broker_session_timeout": 10.0,
        "consumer_auto_offset_reset": "earliest",
        # The address is part of the name. A member that comes back under its old name gets its
        # old assignment without a rebalance, address and all: with a new port it, and whoever
        # forwards to it, would be led to the old one.
        "consumer_group_instance_id": f"{role}-{settings.slot}-{web_port(settings, role)}",
        "processing_guarantee": "at_least_once",
        "producer_acks": -1,
        "producer_compression_type": COMPRESSION,
        "producer_linger": 0.005,
        "topic_disable_leader": True,
        "topic_partitions": settings.partitions,
        "topic_replication_factor": 1,
    }


def _state_options(settings: Settings, role: str) -> Mapping[str, Any]:
    return {
        "datadir": os.fspath(settings.state_dir / f"{role}-{settings.slot}"),
        "key_serializer": "raw",
        "value_serializer": "raw",
        "store": "rocksdb://",
        # Of changelog records, while the tables recover.
        "stream_buffer_maxsize": 8_192,
        "stream_processing_timeout": _LIVELOCK_REPORT_S,
        "stream_wait_empty": True,
        "table_standby_replicas": 0,
    }


def _web_options(settings: Settings, role: str) -> Mapping[str, Any]:
    port = web_port(settings, role)
    return {
        "canonical_url": f"http://{settings.web_host}:{port}",
        "web_bind": settings.web_host,
        "web_graph_enabled": False,
        "web_host": settings.web_host,
        "web_metrics_enabled": False,
        "web_port": port,
        "web_router_enabled": False,
        "web_stats_enabled": False,
        "web_tables_enabled": False,
    }
