"""Open holds through real workers: the owner's table, Redis elsewhere, the owner when asked."""

from __future__ import annotations

import msgspec

from chronos.mirror.redis import RedisMirror
from chronos.wire.balance import OpenHold
from tests.integration.balances.harness import Scene, Worker, until

ACCOUNTS = 12


async def shown(scene: Scene, worker: Worker, account_id: str, **query: int) -> dict:
    status, body = await scene.ask(worker, f"/v1/accounts/{account_id}/holds", **query)
    assert status == 200, body
    return body


async def test_every_worker_knows_the_open_holds_of_every_account(
    scene: Scene, redis_url: str, redis_door
):
    await scene.publish(await scene.open_accounts(ACCOUNTS))
    workers = [await scene.worker(0), await scene.worker(1)]
    for worker in workers:
        await scene.assert_equal(worker)

    sources: dict[str, list[str]] = {}
    for number in range(ACCOUNTS):
        for worker in workers:
            body = await shown(scene, worker, f"a{number}", min_version=2)
            assert (body["held"], body["version"], body["data"]) == (0, 2, [])
            sources.setdefault(f"a{number}", []).append(body["source"])

    # Redis may be ahead of what this worker's neighbour has told so far.
    mirror = RedisMirror(redis_url, scene.names)
    hold = OpenHold(id="hld_1", amount=70, expires_at="2031-05-06T07:08:09.000000Z")
    account_id = next(name for name, found in sources.items() if found[0] == "redis")

    async def copied() -> bool:
        return await mirror.read(account_id) is not None

    await until(copied, lambda: f"Redis has no {account_id}")
    known = await mirror.read(account_id)
    newer = msgspec.structs.replace(known, version=3, held=70, holds=(hold,))
    assert await mirror.write_many([newer]) == 1
    body = await shown(scene, workers[0], account_id, min_version=3)
    assert (body["source"], body["held"]) == ("redis", 70)
    assert body["data"] == [{"id": "hld_1", "amount": 70, "expires_at": hold.expires_at}]
    await mirror.close()

    await redis_door.shut()
    assert (await shown(scene, workers[0], account_id))["source"] == "table"
    await redis_door.open()
