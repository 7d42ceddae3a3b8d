"""The lag of the event loop, on a loop that is kept from turning."""

import asyncio
import time

from chronos.telemetry.event_loop import TICK_S, EventLoopWatch
from chronos.telemetry.metrics import REGISTRY

BLOCKED_S = 0.3


def samples():
    count = REGISTRY.get_sample_value("chronos_event_loop_lag_seconds_count")
    return count, REGISTRY.get_sample_value("chronos_event_loop_lag_seconds_sum")


async def until_looked(before, times):
    async with asyncio.timeout(10):
        while samples()[0] < before + times:  # noqa: ASYNC110 - the condition is a metric
            await asyncio.sleep(0.01)


async def test_a_loop_that_was_blocked_was_late_by_that_long():
    async with EventLoopWatch():
        count, total = samples()
        time.sleep(TICK_S + BLOCKED_S)  # noqa: ASYNC251 - blocking the loop is the point

        await until_looked(count, 1)

    assert samples()[1] - total >= BLOCKED_S


async def test_it_looks_again_and_again_and_stops_when_it_is_closed():
    watch = EventLoopWatch()
    await watch.open()
    await until_looked(samples()[0], 2)

    await watch.close()
    await watch.close()

    count, _ = samples()
    await asyncio.sleep(3 * TICK_S)
    assert samples()[0] == count
