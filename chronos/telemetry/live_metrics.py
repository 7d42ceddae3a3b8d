"""Metrics of the live stream; names end in their unit."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from chronos.telemetry.metrics import REGISTRY

LIVE_SUBSCRIBERS = Gauge(
    "chronos_live_subscribers", "Open streams of events on this worker.", registry=REGISTRY
)
LIVE_EVENTS_SENT = Counter(
    "chronos_live_events_sent_total",
    "Events written to the clients of live streams.",
    registry=REGISTRY,
)
LIVE_CATCH_UPS = Counter(
    "chronos_live_catch_ups_total",
    "Streams that began behind what is kept in memory and read Kafka by themselves first.",
    registry=REGISTRY,
)
LIVE_CUT_OFFS = Counter(
    "chronos_live_cut_offs_total",
    "Streams that this worker ended, by reason (slow_reader, stalled_reader, key_revoked, "
    "log_replaced, failed, worker_stopping).",
    ("reason",),
    registry=REGISTRY,
)
