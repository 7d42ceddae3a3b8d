"""The stage of the fault run: a real pipeline behind proxies, whose parts can be hurt.

One pipeline serves all of it, since a start takes longer than what is shown on it.
"""

from __future__ import annotations

import pytest

from chronos.client.refusals import Refused
from chronos.errors import EmbeddedFault
from tests.integration.chaos.conftest import eventually

READY_S = 60


async def test_every_part_can_be_hurt_and_comes_back(scene, client):
    await everything_goes_through_its_link(scene, client)
    await a_cut_between_relay_and_kafka_grows_the_outbox_and_heals(scene, client)
    await postgres_is_killed_with_its_backends_and_comes_back(scene, client)
    await redis_stays_down_until_it_is_brought_up(scene, client)
    await a_paused_process_answers_nobody_until_it_goes_on(scene)
    await further_workers_come_and_go(scene, client)


async def everything_goes_through_its_link(scene, client):
    await move(client)
    await eventually(lambda: has_caught_up(client))

    # The mirror reads events of PostgreSQL only where Kafka lacks one.
    unused = {("mirror", "postgres")}
    for process, server in scene.links.ports:
        if (process, server) not in unused:
            assert scene.links.proxy(process, server).connections, (process, server)


async def a_cut_between_relay_and_kafka_grows_the_outbox_and_heals(scene, client):
    before = await version_in_view(client)
    scene.links.proxy("relay", "kafka").cut()

    await move(client, times=20)

    assert await outbox_rows(client) >= 40
    # What was under way when the link was cut may still have come through.
    assert await version_in_view(client) <= before + 1
    await scene.links.proxy("relay", "kafka").heal()
    await eventually(lambda: has_caught_up(client))
    assert await version_in_view(client) >= before + 20


async def postgres_is_killed_with_its_backends_and_comes_back(scene, client):
    first = await scene.kill("postgres")

    assert await scene.until_ready("postgres", READY_S) > 0
    assert scene.pid("postgres") != first
    await move(client)
    await eventually(lambda: has_caught_up(client))


async def redis_stays_down_until_it_is_brought_up(scene, client):
    await scene.take_down("redis")
    assert "redis" not in scene.pids
    with pytest.raises(EmbeddedFault):
        scene.pid("redis")

    await move(client)

    await scene.bring_up("redis")
    await scene.bring_up("redis")
    assert await scene.is_ready("redis")


async def a_paused_process_answers_nobody_until_it_goes_on(scene):
    paused = scene.pause("api")
    assert not await scene.is_ready("api")
    with pytest.raises(EmbeddedFault, match="api does not serve again after 1 s"):
        await scene.until_ready("api", 1)

    scene.resume("api")

    assert await scene.until_ready("api", READY_S) < READY_S
    assert scene.pid("api") == paused
    scene.pause("mirror")
    await scene.kill("mirror")
    assert await scene.until_ready("mirror", READY_S) < READY_S


async def further_workers_come_and_go(scene, client):
    crew = scene.pipeline.crew
    await scene.add(crew.relay(1))
    await scene.add(crew.balances_worker(1))
    assert {"relay-2", "balances-2"} <= set(scene.pids)

    await move(client)
    await eventually(lambda: has_caught_up(client))

    for name in ("relay-2", "balances-2"):
        await scene.remove(name)
        await scene.remove(name)
    assert not {"relay-2", "balances-2"} & set(scene.plans)
    await eventually(lambda: has_caught_up(client))


async def move(client, times=5):
    for _ in range(times):
        await client.transfers.make("anna", "bela", amount=1, currency="EUR")


async def version_in_view(client):
    try:
        return (await client.views.balance("bela")).version
    except Refused:
        return 0  # The query side has not heard of the account yet.


async def has_caught_up(client):
    written = await client.accounts.read("bela")
    return await version_in_view(client) == written.version


async def outbox_rows(client):
    return (await client.views.pipeline())["stages"]["outbox"]["lag_events"]
