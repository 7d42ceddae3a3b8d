"""What Faust's sensors tell, as Prometheus metrics, at a cost that fits a message path.

Faust's own monitor keeps a dozen histories for each event. This one keeps the offsets, which
the lag is made of, and counts; the lag is computed when somebody asks.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from faust.exceptions import ConsumerNotStarted
from faust.sensors import Monitor
from prometheus_client.core import GaugeMetricFamily

from chronos.telemetry.metrics import REGISTRY
from chronos.telemetry.stream_metrics import (
    COMMIT_SECONDS,
    MESSAGES_RECEIVED,
    REBALANCE_SECONDS,
    SEND_ERRORS,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class LightMonitor(Monitor):
    """Keeps offsets and a few counts for each message, and no history."""

    def __init__(self, **options: Any):
        super().__init__(**options)
        self._received: dict[str, Any] = {}

    def on_message_in(self, tp: Any, offset: int, message: Any) -> None:  # noqa: ARG002 - Faust's signature
        """Notes the newest offset that entered a stream."""
        self.tp_read_offsets[tp] = offset
        counter = self._received.get(tp.topic)
        if counter is None:
            counter = self._received[tp.topic] = MESSAGES_RECEIVED.labels(tp.topic)
        counter.inc()

    def on_stream_event_in(self, tp: Any, offset: int, stream: Any, event: Any) -> None:
        """Keeps nothing: the agent's loop counts its batches."""

    def on_stream_event_out(
        self, tp: Any, offset: int, stream: Any, event: Any, state: Any = None
    ) -> None:
        """Keeps nothing."""

    def on_message_out(self, tp: Any, offset: int, message: Any) -> None:
        """Keeps nothing."""

    def on_table_get(self, table: Any, key: Any) -> None:
        """Keeps nothing."""

    def on_table_set(self, table: Any, key: Any, value: Any) -> None:
        """Keeps nothing."""

    def on_send_initiated(self, *_args: Any, **_options: Any) -> None:
        """Keeps nothing."""

    def on_send_completed(self, *_args: Any, **_options: Any) -> None:
        """Keeps nothing."""

    def on_send_error(self, *_args: Any, **_options: Any) -> None:
        """Counts a changelog record that Kafka refused."""
        SEND_ERRORS.inc()

    def on_commit_initiated(self, consumer: Any) -> float:  # noqa: ARG002 - Faust's signature
        """Begins to time a commit of offsets."""
        return monotonic()

    def on_commit_completed(self, consumer: Any, state: Any) -> None:  # noqa: ARG002 - Faust's signature
        """Times a commit of offsets."""
        COMMIT_SECONDS.observe(monotonic() - state)

    def on_rebalance_end(self, app: Any, state: Any) -> None:
        """Times a rebalance with its recovery."""
        super().on_rebalance_end(app, state)
        REBALANCE_SECONDS.observe(state["latency_end"])


class LagCollector:
    """Gives the consumer lag of the assigned partitions at the moment of a scrape."""

    def __init__(self, app: Any):
        self._app = app

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields the records that each assigned partition holds past its committed offset."""
        lag = GaugeMetricFamily(
            "chronos_stream_consumer_lag_records",
            "Records between the committed offset and the end of a partition.",
            labels=("topic", "partition"),
        )
        for (topic, partition), records in consumer_lag(self._app).items():
            lag.add_metric((topic, str(partition)), records)
        yield lag

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yields nothing: the labels are known only while partitions are assigned."""
        return iter(())


def watch_lag(app: Any) -> None:
    """Adds the consumer lag of `app` to this process's metrics."""
    REGISTRY.register(LagCollector(app))


def consumer_lag(app: Any) -> dict[tuple[str, int], int]:
    """Tells for each assigned source partition how many records are not committed yet."""
    return {(tp.topic, tp.partition): lag for tp, lag in lagging_partitions(app).items()}


def lagging_partitions(app: Any) -> dict[Any, int]:
    """Tells for each assigned source partition how far its commit is behind its end.

    Numbers at the end that no record has, because a transaction or a compaction left them, are
    no lag.
    """
    changelogs = app.tables.changelog_topics
    lags: dict[Any, int] = {}
    for tp in _assigned(app):
        if tp.topic in changelogs:
            continue
        end = app.consumer.highwater(tp) or app.monitor.tp_end_offsets.get(tp)
        if end is None:
            continue
        is_done = app.consumer.has_done_all_before(tp, end)
        lags[tp] = 0 if is_done else max(0, end - committed_offset(app, tp))
    return lags


def committed_offset(app: Any, tp: Any) -> int:
    """Tells before which offset everything is committed."""
    done = app.monitor.tp_committed_offsets.get(tp)
    if done is None:
        done = app.consumer._committed_offset.get(tp) or 0  # noqa: SLF001 - no public way
    return int(done)


def _assigned(app: Any) -> frozenset[Any]:
    try:
        return frozenset(app.consumer.assignment())
    except (ConsumerNotStarted, AttributeError):
        return frozenset()
