"""Workers are killed, Redis goes away or forgets; nothing is lost, doubled or invented."""

from __future__ import annotations

import asyncio
import random
import time

from chronos.mirror.redis import RedisMirror
from tests.integration.balances.harness import Scene, until

ACCOUNTS = 40
SEED = 7
SLEEPER_LEAVES_S = 10.0
"""It has nothing to finish; 20 s were its drain."""


async def pay_around(scene: Scene, transfers: int) -> None:
    """Books random transfers and publishes them in portions, some records twice."""
    chance = random.Random(SEED)
    for start in range(0, transfers, 200):
        pairs = [chance.sample(range(ACCOUNTS), 2) for _ in range(min(200, transfers - start))]
        rows = await scene.book(*(scene.pay(f"a{x}", f"a{y}") for x, y in pairs))
        await scene.publish(rows)
        await scene.publish(chance.sample(rows, 10))


async def assert_redis_equal(scene: Scene, redis_url: str) -> None:
    mirror = RedisMirror(redis_url, scene.names)
    heads = scene.bank.state.heads

    async def equal() -> bool:
        found = await mirror.read_many(list(heads))
        return all(
            balance is not None
            and (balance.version, balance.booked) == (head.state.version, head.state.booked)
            and balance.hash == head.hash.hex()
            for head, balance in zip(heads.values(), found, strict=True)
        )

    try:
        await until(equal, lambda: "Redis differs from the bank")
    finally:
        await mirror.close()


async def test_a_worker_killed_under_load_has_the_fold_in_the_end(scene: Scene, redis_url):
    await scene.publish(await scene.open_accounts(ACCOUNTS))
    worker = await scene.worker()
    load = asyncio.create_task(pay_around(scene, 4000))

    for least in (2, 20):
        await scene.balance(worker, "a0", min_version=least)
        worker.kill()
        worker.start()
        await scene.until_ready(worker)
    await load

    assert await scene.assert_equal(worker) == {"table"}
    await assert_redis_equal(scene, redis_url)


async def test_a_table_lost_with_its_disk_comes_back_from_the_changelog(
    scene: Scene, redis_url
):
    await scene.publish(await scene.open_accounts(ACCOUNTS))
    worker = await scene.worker()
    await pay_around(scene, 600)
    await scene.assert_equal(worker)
    assert await worker.stop() == 0

    scene.lose_disk(worker)
    worker.start()
    await scene.until_ready(worker)

    (read,) = worker.said("table_recovered_in_bulk")
    assert read["records"] >= ACCOUNTS
    assert await scene.assert_equal(worker) == {"table"}
    await assert_redis_equal(scene, redis_url)


async def test_redis_may_go_and_come_and_forget(scene: Scene, redis_door, redis, redis_url):
    await scene.publish(await scene.open_accounts(ACCOUNTS))
    worker = await scene.worker()
    await scene.assert_equal(worker)

    await redis_door.shut()
    await pay_around(scene, 400)
    assert await scene.assert_equal(worker) == {"table"}
    await redis_door.open()
    await assert_redis_equal(scene, redis_url)

    redis_door.hush()
    await pay_around(scene, 200)
    assert await scene.assert_equal(worker) == {"table"}
    redis_door.speak()
    await assert_redis_equal(scene, redis_url)

    await redis.flushdb()
    await assert_redis_equal(scene, redis_url)


async def test_two_workers_answer_for_every_account_and_one_takes_over(
    scene: Scene, redis_door
):
    await scene.publish(await scene.open_accounts(ACCOUNTS))
    first = await scene.worker(0)
    second = await scene.worker(1)
    await pay_around(scene, 400)

    for worker in (first, second):
        assert await scene.assert_equal(worker) == {"table", "redis"}

    # Without Redis the worker that does not know asks the one that does.
    await redis_door.shut()
    forwarded = 'chronos_balance_sources_total{source="forwarded"}'
    for worker in (first, second):
        before = await scene.counter(worker, forwarded)
        assert await scene.assert_equal(worker) == {"table"}
        assert await scene.counter(worker, forwarded) > before
    for worker in (first, second):
        async with scene.http.get(f"{worker.url}/v1/accounts/nobody/balance") as answer:
            body = await answer.json(content_type="application/problem+json")
        assert (answer.status, body["code"]) == (404, "account_not_found")
        assert body["request_id"] == answer.headers["X-Request-Id"]

    second.kill()
    await pay_around(scene, 200)
    assert await scene.assert_equal(first) == {"table"}
    await redis_door.open()


async def test_a_dead_owner_is_503_and_not_a_stale_number(scene: Scene, redis_door):
    await scene.publish(await scene.open_accounts(ACCOUNTS))
    first = await scene.worker(0)
    second = await scene.worker(1)
    await scene.assert_equal(first)
    await redis_door.shut()
    second.freeze()

    async def refused() -> bool:
        answers = [
            await scene.ask(first, f"/v1/accounts/a{n}/balance") for n in range(ACCOUNTS)
        ]
        assert {status for status, _ in answers} <= {200, 503}
        return any(status == 503 for status, _ in answers)

    await until(refused, first.story)


async def test_a_worker_that_slept_through_its_session_harms_nothing(scene: Scene, redis_url):
    await scene.publish(await scene.open_accounts(ACCOUNTS))
    first = await scene.worker(0)
    second = await scene.worker(1)
    await scene.assert_equal(first)

    load = asyncio.create_task(pay_around(scene, 2000))
    await scene.balance(second, "a0", min_version=4)
    second.freeze()
    await load
    await scene.until_owner_of_all(first)
    assert await scene.assert_equal(first) == {"table"}
    second.thaw()
    woken_s = time.monotonic()
    assert await second.exit_code() == 1, second.story()
    assert time.monotonic() - woken_s < SLEEPER_LEAVES_S, second.story()
    second.start()
    await pay_around(scene, 400)
    await scene.until_ready(second)

    for worker in (first, second):
        await scene.assert_equal(worker)
    await assert_redis_equal(scene, redis_url)

    # The changelog alone tells the same: nothing that the sleeper wrote late is left in it.
    for worker in (first, second):
        assert await worker.stop() == 0
        scene.lose_disk(worker)
    first.start()
    await scene.until_ready(first)
    await scene.until_owner_of_all(first)
    assert await scene.assert_equal(first) == {"table"}
