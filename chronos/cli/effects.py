"""What each setting changes: for who is about to change it.

The settings say what they are; here is what follows. A test keeps the two complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EFFECTS: Final[Mapping[str, str]] = {
    "namespace": "another one is another bank on the same servers, with nothing in common",
    "postgres_dsn": "whose database this process works on, and with which rights",
    "writer_dsn": "without it, holds stay open beyond their time until somebody ends them",
    "kafka": "where events are published and read; commands do not need it",
    "redis_url": "where balances are copied to; views serve without it, from their own table",
    "elasticsearch_url": "where history, lists and search are kept; balances do not need it",
    "key_secret_file": "another secret makes every API key unknown, and every cursor void",
    "data_dir": "which running instance a command of the command line speaks to",
    "api_key": "as whom a command of the command line speaks, and with which scopes",
    "partitions": "more: more balances workers can share the work; fixed by the first start on "
    "a database, another count is refused",
    "relay_shards": "more: more relays can share the work; fixed by the first start on a "
    "database, another count is refused",
    "api_host": "0.0.0.0 opens the command API to other machines, without TLS",
    "api_port": "where clients find the command API",
    "api_processes": "more: more processors for commands, and smaller batches for each commit",
    "admin_port": "where health and metrics of the API are found",
    "grpc_port": "where clients find the gRPC door",
    "web_host": "the views forward to each other by it, so other workers must reach it too",
    "balances_port": "where clients find the query side",
    "balances_workers": "how many ports, from the first worker's on, `top`, `doctor` and "
    "`reconcile` ask where no data folder tells them; it starts no worker",
    "mirror_port": "where health and metrics of the mirror are found",
    "relay_port": "where health and metrics of the relay are found",
    "slot": "its ports, folder and member id: two like workers of one slot end each other",
    "state_dir": "in an empty one, tables are filled from Kafka before a worker is ready",
    "command_deadline_s": "more: a slow PostgreSQL is waited for longer before 503 is answered",
    "body_deadline_s": "less: slow clients are cut off sooner (408)",
    "send_deadline_s": "less: clients that do not read are cut off sooner",
    "commands_pending_max": "more: longer queues and more memory instead of 503 under overload",
    "batch_commands_max": "more: fewer commits for each command, and longer ones",
    "writer_lanes": "more: more commits at once, each smaller, and more locks in PostgreSQL",
    "reader_connections_max": "more: more reads at once, and more connections of PostgreSQL",
    "drain_s": "less: a stop is faster, and gives up more that is in flight (clients send "
    "again); keep the time that who stops it waits above it",
    "outbox_rows_max": "more: larger pages and more memory for the relay",
    "outbox_rotate_rows": "more: larger outbox tables, emptied less often",
    "outbox_rotate_s": "more: published rows stay longer before their table is emptied",
    "hold_expiry_poll_s": "more: holds end later after their time, with fewer looks",
    "batch_events_max": "more: fewer writes to the stores for each event, and more memory",
    "batch_wait_ms": "more: fuller batches, and read models that follow later; into "
    "Elasticsearch at least 250 (accounts: 500) are waited for",
    "stuck_after_s": "less: a worker that hangs is started anew sooner, so is a healthy one "
    "that pauses for longer",
    "min_version_wait_s": "more: a read waits longer for its own write before 503 is answered",
    "live_subscribers_max": "more: more open streams, each with its queue in memory",
    "live_queue_events_max": "more: slow readers are kept longer, and cost more memory",
    "live_heartbeat_s": "more: fewer empty lines, and proxies may cut a silent stream",
    "live_write_deadline_s": "more: a reader that takes nothing is kept longer",
    "time_zone": "the day on which a booking falls when its request names none",
    "log_level": "what is less severe is not written",
    "log_format": "json is for machines, console for people",
    "crash_at": "the process ends itself there, as if it was killed",
}
"""By field: what follows from another value."""
