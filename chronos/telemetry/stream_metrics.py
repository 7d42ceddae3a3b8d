"""Metrics of the relay and of the loop that every consumer shares; names end in their unit.

Labels are topics, partitions, shards, agents and stores: closed sets, never an account.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from chronos.telemetry.metrics import REGISTRY

COMMIT_TO_KAFKA_BUCKETS = (
    0.001,
    0.002,
    0.003,
    0.005,
    0.01,
    0.02,
    0.03,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    30.0,
    300.0,
)
STEP_SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
EXPIRY_LAG_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3600.0, 86400.0)
BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

# The shared loop: consume.py.
EVENTS_PROCESSED = Counter(
    "chronos_stream_events_processed_total",
    "Records that an agent took and acknowledged.",
    ("agent",),
    registry=REGISTRY,
)
BATCH_EVENTS = Histogram(
    "chronos_stream_batch_events",
    "Records in one batch of an agent.",
    ("agent",),
    buckets=BATCH_BUCKETS,
    registry=REGISTRY,
)
STEP_SECONDS = Histogram(
    "chronos_stream_step_seconds",
    "Time an agent spent on one batch, waits for stores included.",
    ("agent",),
    buckets=STEP_SECONDS_BUCKETS,
    registry=REGISTRY,
)
STORE_WAITS = Counter(
    "chronos_stream_store_waits_total",
    "Times an agent tried again because a store did not answer.",
    ("agent", "service"),
    registry=REGISTRY,
)
STORE_AWAITED = Gauge(
    "chronos_stream_store_awaited",
    "1 from a store's first missing answer until it answers the agent again.",
    ("agent", "service"),
    registry=REGISTRY,
)
DEAD_LETTERS = Counter(
    "chronos_stream_dead_letters_total",
    "Foreign records moved to the dead letter topic.",
    ("agent",),
    registry=REGISTRY,
)
UNDECODABLE = Counter(
    "chronos_stream_undecodable_total",
    "Records whose bytes could not be read and were fetched from PostgreSQL instead.",
    ("agent",),
    registry=REGISTRY,
)

# The Faust app: sensors.py.
MESSAGES_RECEIVED = Counter(
    "chronos_stream_messages_received_total",
    "Records that entered a stream.",
    ("topic",),
    registry=REGISTRY,
)
COMMIT_SECONDS = Histogram(
    "chronos_stream_offset_commit_seconds",
    "Time of one commit of consumer offsets.",
    buckets=STEP_SECONDS_BUCKETS,
    registry=REGISTRY,
)
REBALANCE_SECONDS = Histogram(
    "chronos_stream_rebalance_seconds",
    "Time from the begin of a rebalance to its end, recovery included.",
    buckets=STEP_SECONDS_BUCKETS,
    registry=REGISTRY,
)
SEND_ERRORS = Counter(
    "chronos_stream_send_errors_total",
    "Changelog records that Kafka did not take.",
    registry=REGISTRY,
)

# The relay.
OUTBOX_ROWS_PUBLISHED = Counter(
    "chronos_outbox_rows_published_total",
    "Outbox rows that Kafka acknowledged, repetitions included.",
    ("shard",),
    registry=REGISTRY,
)
OUTBOX_PAGE_ROWS = Histogram(
    "chronos_outbox_page_rows",
    "Rows in one published page.",
    buckets=BATCH_BUCKETS,
    registry=REGISTRY,
)
OUTBOX_PUBLISH_SECONDS = Histogram(
    "chronos_outbox_publish_seconds",
    "Time from handing a page to the producer to its last acknowledgement.",
    buckets=COMMIT_TO_KAFKA_BUCKETS,
    registry=REGISTRY,
)
OUTBOX_COMMIT_TO_KAFKA_SECONDS = Histogram(
    "chronos_outbox_commit_to_kafka_seconds",
    "Age of a row, counted from the time in its event, when Kafka acknowledged it; one sample "
    "a page, of its oldest row.",
    buckets=COMMIT_TO_KAFKA_BUCKETS,
    registry=REGISTRY,
)
OUTBOX_UNPUBLISHED_AGE_SECONDS = Gauge(
    "chronos_outbox_oldest_unpublished_age_seconds",
    "Age of the oldest outbox row that is not in Kafka yet; 0 without one, absent where this "
    "process does not own the shard.",
    ("shard",),
    registry=REGISTRY,
)
OUTBOX_BACKLOG_ROWS = Gauge(
    "chronos_outbox_backlog_rows",
    "Outbox rows that wait to be published, counted every few seconds up to a bound.",
    ("shard",),
    registry=REGISTRY,
)
OUTBOX_TABLE_BYTES = Gauge(
    "chronos_outbox_table_bytes",
    "Size on disk of one of the outbox's tables, its indexes included, looked at every few "
    "seconds.",
    ("table",),
    registry=REGISTRY,
)
OUTBOX_TABLE_ROWS = Gauge(
    "chronos_outbox_table_rows",
    "Rows in one of the outbox's tables, published ones included, by PostgreSQL's statistics.",
    ("table",),
    registry=REGISTRY,
)
OUTBOX_TABLE_AGE_SECONDS = Gauge(
    "chronos_outbox_table_age_seconds",
    "Age of the oldest row in one of the outbox's tables, published or not; 0 in an empty one.",
    ("table",),
    registry=REGISTRY,
)
RELAY_SHARD_OWNED = Gauge(
    "chronos_relay_shard_owned",
    "1 where this process holds the shard's lock, 0 where it does not.",
    ("shard",),
    registry=REGISTRY,
)
RELAY_EPOCH = Gauge(
    "chronos_relay_epoch",
    "Epoch under which this process owns the shard.",
    ("shard",),
    registry=REGISTRY,
)
RELAY_PUBLISH_FAILURES = Counter(
    "chronos_relay_publish_failures_total",
    "Pages that Kafka did not acknowledge whole and that were sent again.",
    registry=REGISTRY,
)
RELAY_TAKEOVERS = Counter(
    "chronos_relay_takeovers_total",
    "Times this process ended the connection of a holder that did not give a shard up.",
    registry=REGISTRY,
)
RELAY_FENCED = Counter(
    "chronos_relay_fenced_total",
    "Times this process lost a shard to another one.",
    registry=REGISTRY,
)
OUTBOX_ROTATIONS = Counter(
    "chronos_outbox_rotations_total",
    "Switches of the outbox to its next table.",
    registry=REGISTRY,
)
OUTBOX_TRUNCATIONS = Counter(
    "chronos_outbox_truncations_total",
    "Outbox tables emptied after their rows were published.",
    registry=REGISTRY,
)

# The expiry of holds.
HOLD_EXPIRIES = Counter(
    "chronos_hold_expiries_total",
    "Due holds that were found ended after the expiry agent had sent its command: expired by "
    "it, replayed (by its command, sent before), or forestalled by a capture or void.",
    ("outcome",),
    registry=REGISTRY,
)
HOLD_EXPIRY_LAG_SECONDS = Histogram(
    "chronos_hold_expiry_lag_seconds",
    "How long after its expiry a hold was expired, by PostgreSQL's clock.",
    buckets=EXPIRY_LAG_BUCKETS,
    registry=REGISTRY,
)
HOLD_EXPIRY_FAILURES = Counter(
    "chronos_hold_expiry_failures_total",
    "Tries to find or expire due holds that did not succeed, by reason: unavailable and "
    "in_progress are tried again at once, refused and error after a minute, broken never.",
    ("reason",),
    registry=REGISTRY,
)
HOLD_EXPIRY_OWNED = Gauge(
    "chronos_hold_expiry_owned",
    "1 where this process looks for due holds.",
    registry=REGISTRY,
)
HOLD_EXPIRY_PASS_AGE_SECONDS = Gauge(
    "chronos_hold_expiry_pass_age_seconds",
    "Time since this process last had all due holds behind it; 0 where it does not look for "
    "them.",
    registry=REGISTRY,
)

# A counter that begins with its first increment hides it: Prometheus sees no increase.
for _reason in ("unavailable", "in_progress", "refused", "error", "broken"):
    HOLD_EXPIRY_FAILURES.labels(_reason)
