"""Metrics of the spans themselves; there where spans are recorded."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from chronos.telemetry.metrics import REGISTRY

SPANS = Counter(
    "chronos_trace_spans_total",
    "Spans by what became of them: exported; dropped, since the queue was full or the process "
    "ended; failed, since the receiver did not take them.",
    ("outcome",),
    registry=REGISTRY,
)
SPANS_QUEUED = Gauge(
    "chronos_trace_spans_queued",
    "Spans that wait to be exported.",
    registry=REGISTRY,
)
