"""Metrics of the balances worker and of the query side; names end in their unit."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from chronos.telemetry.metrics import REGISTRY

FOLLOW_SECONDS_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0)
VIEW_SECONDS_BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5)

# The agent: events into the table.
BALANCE_EVENTS = Counter(
    "chronos_balance_events_total",
    "Events read by the balances agent, by what became of them "
    "(applied, duplicate, repaired, foreign, undecodable).",
    ("outcome",),
    registry=REGISTRY,
)
BALANCE_BATCH_SECONDS = Histogram(
    "chronos_balance_batch_seconds",
    "Time of one batch, from its first event to its last acknowledgement.",
    buckets=FOLLOW_SECONDS_BUCKETS,
    registry=REGISTRY,
)
BALANCE_TABLE_WRITES = Counter(
    "chronos_balance_table_writes_total", "Values written to the table.", registry=REGISTRY
)
BALANCE_CHANGELOG_RETRIES = Counter(
    "chronos_balance_changelog_retries_total",
    "Values sent to the changelog again because Kafka did not take them.",
    registry=REGISTRY,
)
COMMIT_TO_TABLE_SECONDS = Histogram(
    "chronos_commit_to_read_model_seconds",
    "Age of an event when its read model shows it (table, redis, entries, accounts).",
    ("read_model",),
    buckets=FOLLOW_SECONDS_BUCKETS,
    registry=REGISTRY,
)
GAPS_REPAIRED = Counter(
    "chronos_balance_gaps_repaired_total",
    "Gaps of an account's versions filled from PostgreSQL.",
    registry=REGISTRY,
)

# The copy in Redis.
REDIS_WRITES = Counter(
    "chronos_redis_balances_written_total",
    "Balances handed to Redis, by way (follow, refill).",
    ("way",),
    registry=REGISTRY,
)
REDIS_FAILURES = Counter(
    "chronos_redis_failures_total", "Writes that Redis did not take.", registry=REGISTRY
)
REDIS_REFILLS = Counter(
    "chronos_redis_refills_total",
    "Refills of Redis from the table, by cause (assignment, outage, loss).",
    ("cause",),
    registry=REGISTRY,
)
REDIS_PENDING = Gauge(
    "chronos_redis_balances_pending", "Balances that wait for Redis.", registry=REGISTRY
)
REDIS_BEHIND = Gauge(
    "chronos_redis_behind",
    "1 from a failure, a loss or a new assignment until Redis is filled again.",
    registry=REGISTRY,
)

# The views.
QUERY_ANSWERS = Counter(
    "chronos_query_answers_total",
    "Answers of the query side.",
    ("view", "status"),
    registry=REGISTRY,
)
QUERY_SECONDS = Histogram(
    "chronos_query_seconds",
    "Time from a request's head to its answer on the query side.",
    ("view",),
    buckets=VIEW_SECONDS_BUCKETS,
    registry=REGISTRY,
)
BALANCE_SOURCES = Counter(
    "chronos_balance_sources_total",
    "Balances and holds answered, by where they came from (table, redis, forwarded).",
    ("source",),
    registry=REGISTRY,
)
