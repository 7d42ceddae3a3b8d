"""Metrics of the gRPC door. Labels are closed sets: methods of the interface, codes of gRPC."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from chronos.telemetry.metrics import REGISTRY, REQUEST_SECONDS_BUCKETS

RPCS = Counter(
    "chronos_rpc_calls_total",
    "Calls ended, by method and gRPC status code.",
    ("method", "code"),
    registry=REGISTRY,
)
RPC_SECONDS = Histogram(
    "chronos_rpc_seconds",
    "Time from a call's beginning to its answer; streams, which last, are not in it.",
    ("method",),
    buckets=REQUEST_SECONDS_BUCKETS,
    registry=REGISTRY,
)
RPC_PROBLEMS = Counter(
    "chronos_rpc_problems_total",
    "Calls refused, by their stable code.",
    ("code",),
    registry=REGISTRY,
)
RPC_INTERNAL_ERRORS = Counter(
    "chronos_rpc_internal_errors_total",
    "Calls that ended in an unknown exception; every one is a bug.",
    registry=REGISTRY,
)
RPCS_IN_FLIGHT = Gauge(
    "chronos_rpc_in_flight", "Calls being answered now, streams included.", registry=REGISTRY
)
RPC_STREAMS = Gauge("chronos_rpc_streams", "Streams of events open now.", registry=REGISTRY)
RPC_EVENTS_SENT = Counter(
    "chronos_rpc_events_sent_total", "Events sent on streams.", registry=REGISTRY
)
