"""Metrics of the write side, in Prometheus' form; names end in their unit.

One registry a process. A label is a closed set (route, outcome, code), never an id: the number
of series is bounded. Buckets end where a deadline ends, so that a full last bucket means
time-outs.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

# A second series for each, which tells when it began; process_start_time_seconds does.
disable_created_metrics()  # type: ignore[no-untyped-call]  # without annotations there

CONTENT_TYPE = CONTENT_TYPE_LATEST
REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

REQUEST_SECONDS_BUCKETS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
TRANSACTION_SECONDS_BUCKETS = (
    0.0005,
    0.001,
    0.002,
    0.004,
    0.008,
    0.016,
    0.032,
    0.064,
    0.128,
    0.256,
    0.512,
    1.0,
    2.5,
    5.0,
)
# A read gives up after five seconds.
POOL_WAIT_SECONDS_BUCKETS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

# The door: HTTP.
HTTP_REQUEST_SECONDS = Histogram(
    "chronos_http_request_seconds",
    "Time from a request's head to its answer.",
    ("route", "method"),
    buckets=REQUEST_SECONDS_BUCKETS,
    registry=REGISTRY,
)
HTTP_REQUESTS = Counter(
    "chronos_http_requests_total",
    "Requests answered.",
    ("route", "method", "status"),
    registry=REGISTRY,
)
HTTP_PROBLEMS = Counter(
    "chronos_http_problems_total",
    "Problem documents answered, by their stable code.",
    ("code",),
    registry=REGISTRY,
)
HTTP_INTERNAL_ERRORS = Counter(
    "chronos_http_internal_errors_total",
    "Requests that ended in an unknown exception; every one is a bug.",
    registry=REGISTRY,
)
HTTP_STREAMS_BROKEN = Counter(
    "chronos_http_streams_broken_total",
    "Streamed answers that broke off (client_gone, client_slow, cancelled, unavailable, …).",
    ("reason",),
    registry=REGISTRY,
)
HTTP_HEAVY_ANSWERS = Gauge(
    "chronos_http_heavy_answers",
    "Answers with a place of their own (stream, page) that are being made or sent.",
    ("kind",),
    registry=REGISTRY,
)
HTTP_HEAVY_ANSWERS_REFUSED = Counter(
    "chronos_http_heavy_answers_refused_total",
    "Requests refused because all places for such an answer (stream, page) were taken.",
    ("kind",),
    registry=REGISTRY,
)
HTTP_REQUESTS_IN_FLIGHT = Gauge(
    "chronos_http_requests_in_flight", "Requests being answered now.", registry=REGISTRY
)
HTTP_CONNECTIONS = Gauge(
    "chronos_http_connections", "Open connections of clients.", registry=REGISTRY
)
HTTP_CONNECTIONS_REFUSED = Counter(
    "chronos_http_connections_refused_total",
    "Connections closed at once because the process had its most.",
    registry=REGISTRY,
)

# The use case: commands.
COMMANDS = Counter(
    "chronos_commands_total",
    "Commands answered, by kind and outcome (booked, refused, replayed, "
    "previewed, unavailable).",
    ("command", "outcome"),
    registry=REGISTRY,
)
REJECTIONS = Counter(
    "chronos_rejections_total",
    "Commands refused by a business rule, by its stable code.",
    ("code",),
    registry=REGISTRY,
)

# The store: command transactions.
APPEND_SECONDS = Histogram(
    "chronos_append_seconds",
    "Time of one command transaction, from its first statement to its commit.",
    buckets=TRANSACTION_SECONDS_BUCKETS,
    registry=REGISTRY,
)
APPEND_PHASE_SECONDS = Histogram(
    "chronos_append_phase_seconds",
    "Time of one phase of a command transaction (lock, read, decide, insert, commit).",
    ("phase",),
    buckets=TRANSACTION_SECONDS_BUCKETS,
    registry=REGISTRY,
)
APPEND_BATCH_COMMANDS = Histogram(
    "chronos_append_batch_commands",
    "Commands in one transaction.",
    buckets=BATCH_BUCKETS,
    registry=REGISTRY,
)
APPEND_EVENTS = Counter(
    "chronos_append_events_total", "Events committed.", ("type",), registry=REGISTRY
)
APPEND_RETRIES = Counter(
    "chronos_append_retries_total",
    "Transactions rolled back and run again, by SQLSTATE.",
    ("sqlstate",),
    registry=REGISTRY,
)
COMMANDS_PENDING = Gauge(
    "chronos_commands_pending", "Commands waiting for their transaction.", registry=REGISTRY
)
COMMAND_WAIT_SECONDS = Histogram(
    "chronos_command_wait_seconds",
    "Longest time that a command of a transaction waited before it began.",
    buckets=TRANSACTION_SECONDS_BUCKETS,
    registry=REGISTRY,
)
POSTGRES_CONNECTIONS = Gauge(
    "chronos_postgres_connections",
    "Connections for reads that are open, by pool (reads, keys, journal) and state (idle, "
    "busy).",
    ("pool", "state"),
    registry=REGISTRY,
)
POSTGRES_POOL_WAIT_SECONDS = Histogram(
    "chronos_postgres_pool_wait_seconds",
    "Time that a read waited for a connection of its pool, the opening of a new one included.",
    ("pool",),
    buckets=POOL_WAIT_SECONDS_BUCKETS,
    registry=REGISTRY,
)
POSTGRES_UNAVAILABLE = Counter(
    "chronos_postgres_unavailable_total",
    "Transactions that PostgreSQL did not answer, by the fault's name.",
    ("cause",),
    registry=REGISTRY,
)

# The credential.
AUTHENTICATIONS = Counter(
    "chronos_authentications_total",
    "Credentials judged (cached, fresh, stale, refused).",
    ("outcome",),
    registry=REGISTRY,
)

# The process.
PROCESS_READY = Gauge(
    "chronos_process_ready",
    "1 while this process would answer /readyz with 200, found out at each scrape.",
    registry=REGISTRY,
)

# A counter that begins with its first increment hides it: Prometheus sees no increase.
for _cause in ("Unavailable", "DeadlineExceeded"):
    POSTGRES_UNAVAILABLE.labels(_cause)

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
