"""How far each read model is behind, in events and in seconds; names end in their unit.

A sink is the table, Redis, or one of the two indices. Every worker tells of every group but
of its own Redis alone, so a sink's lag is the greatest of what they say, never their sum.
"""

from __future__ import annotations

from prometheus_client import Gauge

from chronos.telemetry.metrics import REGISTRY

SINK_LAG_EVENTS = Gauge(
    "chronos_sink_lag_events",
    "Events not yet in the read model (table, redis, entries, accounts), past the group's "
    "committed offsets; the last known while Kafka does not answer.",
    ("sink",),
    registry=REGISTRY,
)
SINK_LAG_SECONDS = Gauge(
    "chronos_sink_lag_seconds",
    "Age of the oldest of them; of Redis, the time since it was whole.",
    ("sink",),
    registry=REGISTRY,
)
