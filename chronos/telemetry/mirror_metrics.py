"""Metrics of the mirror worker; names end in their unit."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from chronos.telemetry.metrics import REGISTRY

MIRROR_DOCUMENTS = Counter(
    "chronos_mirror_documents_total",
    "Records read by the mirror's agents, by index (entries, accounts) and what became of them "
    "(applied, already_applied, superseded in its batch, tombstone, foreign, undecodable).",
    ("index", "outcome"),
    registry=REGISTRY,
)
MIRROR_GAPS_REPAIRED = Counter(
    "chronos_mirror_gaps_repaired_total",
    "Gaps of an account's versions in the events topic, whose entries came from PostgreSQL.",
    registry=REGISTRY,
)
MIRROR_BULK_SECONDS = Histogram(
    "chronos_mirror_bulk_seconds",
    "Time of one batch in Elasticsearch, waits for it included.",
    ("index",),
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0),
    registry=REGISTRY,
)
