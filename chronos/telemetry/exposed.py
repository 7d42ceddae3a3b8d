"""Which process exposes which metric: a process never shows a number that it cannot know.

Modules of metrics are imported by whoever composes a process, and some are shared: without
this, a mirror would say that it booked no command, and an alert would believe it. A family
belongs to the processes of its longest known beginning; `METRICS.md` shows the result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from chronos.telemetry.metrics import REGISTRY


class Process(StrEnum):
    """The kinds of process that answer `/metrics`."""

    API = "api"
    RELAY = "relay"
    BALANCES = "balances"
    MIRROR = "mirror"


_ALL: Final = frozenset(Process)
_API: Final = frozenset({Process.API})
_RELAY: Final = frozenset({Process.RELAY})
_BALANCES: Final = frozenset({Process.BALANCES})
_MIRROR: Final = frozenset({Process.MIRROR})
# The relay books too: it expires holds.
_BOOKS: Final = _API | _RELAY
_FOLLOWS: Final = _BALANCES | _MIRROR

SHOWN_BY: Final[Mapping[str, frozenset[Process]]] = {
    "chronos_http_": _API,
    "chronos_rpc_": _API,
    "chronos_authentications": _API | _BALANCES,
    "chronos_commands": _BOOKS,
    "chronos_command_wait_": _BOOKS,
    "chronos_rejections": _BOOKS,
    "chronos_append_": _BOOKS,
    "chronos_postgres_unavailable": _BOOKS,
    "chronos_postgres_": _ALL,
    "chronos_outbox_": _RELAY,
    "chronos_relay_": _RELAY,
    "chronos_hold_expir": _RELAY,
    "chronos_stream_": _RELAY | _FOLLOWS,
    "chronos_sink_": _FOLLOWS,
    "chronos_commit_to_read_model_": _FOLLOWS,
    "chronos_balance_": _BALANCES,
    "chronos_redis_": _BALANCES,
    "chronos_query_": _BALANCES,
    "chronos_live_": _BALANCES,
    "chronos_mirror_": _MIRROR,
    "chronos_process_": _ALL,
    "chronos_trace_": _ALL,
    "chronos_event_loop_": _ALL,
    "process_": _ALL,
    "python_": _ALL,
}
"""By the beginning of a family's name."""


def processes_of(family: str) -> frozenset[Process]:
    """Tells which processes expose a family; none for a name of unknown beginning."""
    known = (beginning for beginning in SHOWN_BY if family.startswith(beginning))
    return SHOWN_BY.get(max(known, key=len, default=""), frozenset())


def exposition_of(process: Process) -> bytes:
    """Writes the values of this process, which is of this kind, as Prometheus text."""
    shown = CollectorRegistry()
    shown.register(_Shown(process))
    return generate_latest(shown)


class _Shown(Collector):
    """The part of this process's metrics that belongs to its kind."""

    def __init__(self, process: Process):
        self._process = process

    def collect(self) -> Iterator[Metric]:
        for family in REGISTRY.collect():
            if self._process in processes_of(family.name):
                yield family

    def describe(self) -> Iterator[Metric]:
        """Yields nothing: the names are known when they are asked for."""
        return iter(())
