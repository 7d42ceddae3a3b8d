"""What a relay says of a shard that another one relays now: that it does not own it."""

from agents.relay import _forget_shard
from chronos.telemetry import stream_metrics as metrics
from chronos.telemetry.exposed import Process, exposition_of

SHARD = "63"


def said():
    lines = exposition_of(Process.RELAY).decode().splitlines()
    return [line for line in lines if f'shard="{SHARD}"' in line]


def test_a_shard_that_was_given_up_leaves_no_backlog_behind():
    metrics.RELAY_SHARD_OWNED.labels(SHARD).set(1)
    metrics.RELAY_EPOCH.labels(SHARD).set(7)
    metrics.OUTBOX_BACKLOG_ROWS.labels(SHARD).set(12_000)
    metrics.OUTBOX_UNPUBLISHED_AGE_SECONDS.labels(SHARD).set(40)
    assert len(said()) == 4

    _forget_shard(SHARD)

    assert said() == [f'chronos_relay_shard_owned{{shard="{SHARD}"}} 0.0']


def test_a_shard_may_be_given_up_before_its_backlog_was_counted():
    _forget_shard("62")
