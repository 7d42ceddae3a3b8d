"""Several relays share several shards: each shard has one of them, whoever comes and goes."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from tests.integration.relay.harness import in_kafka, inversions, until
from tests.integration.relay.test_processes import all_in_kafka, steady_writing

SHARDS = {0, 1, 2, 3}
HOLDERS = """
SELECT l.objid AS shard, count(DISTINCT l.pid) AS holders
FROM pg_locks AS l
JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted
  AND a.datname = current_database() AND a.application_name LIKE 'chronos relay shard %'
GROUP BY l.objid
ORDER BY l.objid
"""


@pytest.fixture
def shards() -> int:
    return len(SHARDS)


async def test_three_relays_share_four_shards_and_two_take_over_from_the_third(
    settings, outbox, relay
):
    relays = [relay(slot) for slot in range(3)]
    await until(lambda: _shared(relays), "three relays did not share four shards")
    owner = await outbox.connect()
    async with steady_writing(outbox):
        for one in relays:
            before = await _published(one)
            await until(lambda o=one, b=before: _grew(o, b), "a relay publishes nothing")
    seen = await until(lambda: all_in_kafka(settings, outbox), "events were lost")
    # Two relays of one shard would each publish its rows.
    assert Counter(seen).most_common(1)[0][1] == 1
    assert [tuple(row) for row in await owner.fetch(HOLDERS)] == [(n, 1) for n in SHARDS]

    async with steady_writing(outbox):
        relays[0].kill()
        await until(lambda: _shared(relays[1:]), "the two that are left did not take over")

    await until(lambda: all_in_kafka(settings, outbox), "events were lost with their relay")
    seen = await in_kafka(settings)
    assert [tuple(row) for row in await owner.fetch(HOLDERS)] == [(n, 1) for n in SHARDS]
    assert inversions(seen) == []
    assert set(seen) == set(outbox.committed)
    relays[1].send(signal.SIGTERM)
    assert await relays[1].exit_code() == 0
    await owner.close()


async def _shared(relays) -> bool:
    owned = [await one.shards() for one in relays]
    return all(owned) and sorted(n for some in owned for n in some) == sorted(SHARDS)


async def _published(one) -> float:
    return await one.counted("chronos_outbox_rows_published_total{")


async def _grew(one, before: float) -> bool:
    assert one.process.poll() is None, one.story()
    return await _published(one) >= before + 100
