"""A relay that does not get on ends itself, and the next one publishes what it left."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import pytest

from tests.integration.relay.harness import in_kafka, until

STUCK_AFTER_S = 5
HANGS = (sys.executable, "-m", "tests.integration.relay.planted", "worker", "relay")


@pytest.fixture
async def settings(settings):
    return replace(settings, stuck_after_s=STUCK_AFTER_S, drain_s=4)


async def test_a_relay_whose_publishing_hangs_ends_itself_and_loses_nothing(
    settings, outbox, relay
):
    connection = await outbox.connect()
    try:
        stuck = relay(program=HANGS)
        await until(stuck.is_ready, "the relay is ready")
        await outbox.write(connection, "acc_1", "acc_2")

        assert await stuck.exit_code() == 1, stuck.story()
        assert '"worker_stuck"' in stuck.story()
        assert "relay.publish" in stuck.story()

        relay(slot=1)

        async def is_all_there() -> bool:
            return sorted(set(await in_kafka(settings))) == sorted(outbox.committed)

        await until(is_all_there, "what the stuck relay left is published")
    finally:
        await connection.close()


async def test_a_relay_with_little_to_do_or_nothing_is_not_stuck(settings, outbox, relay):
    connection = await outbox.connect()
    ends_s = time.monotonic() + 3 * STUCK_AFTER_S
    try:
        alive = relay()
        await until(alive.is_ready, "the relay is ready")
        await outbox.write(connection, "acc_1", "acc_2")

        async def is_over() -> bool:
            assert alive.process.poll() is None, alive.story()
            return time.monotonic() > ends_s

        await until(is_over, "the time is over")
    finally:
        await connection.close()

    assert sorted(set(await in_kafka(settings))) == sorted(outbox.committed)
    assert '"worker_stuck"' not in alive.story()
