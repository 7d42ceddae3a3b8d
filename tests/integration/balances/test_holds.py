"""Open holds through real workers: the owner's table, Redis elsewhere, the owner when asked."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from chronos.domain.ids import HoldId
from chronos.mirror.redis import RedisMirror
from chronos.wire.balance import OpenHold
from tests.builders import NOW
from tests.commands import place, void
from tests.integration.balances.harness import Scene, Worker, until

ACCOUNTS = 12
EXPIRES_AT = NOW + timedelta(days=1)
EXPIRES_TEXT = "2026-03-03T12:00:00.123456Z"


async def shown(scene: Scene, worker: Worker, account_id: str, **query: int) -> dict:
    status, body = await scene.ask(worker, f"/v1/accounts/{account_id}/holds", **query)
    assert status == 200, body
    return body


async def test_every_worker_knows_the_open_holds_of_every_account(
    scene: Scene, redis_url: str, redis_door
):
    await scene.publish(await scene.open_accounts(ACCOUNTS))
    names = [f"a{number}" for number in range(ACCOUNTS)]
    for name in names:
        first, second = HoldId(f"hld_{name}_1"), HoldId(f"hld_{name}_2")
        await scene.publish(
            await scene.book(
                place(name, 70, hold_id=first, expires_at=EXPIRES_AT),
                place(name, 5, hold_id=second),
            )
        )
    await scene.publish(await scene.book(void("hld_a0_1")))
    workers = [await scene.worker(0), await scene.worker(1)]

    sources: dict[str, list[str]] = {}
    for name in names:
        await scene.balance(workers[0], name, min_version=4)
        for worker in workers:
            body = await shown(scene, worker, name, min_version=5 if name == "a0" else 4)
            holds = [
                {"id": f"hld_{name}_1", "amount": 70, "expires_at": EXPIRES_TEXT},
                {"id": f"hld_{name}_2", "amount": 5, "expires_at": None},
            ]
            assert body["data"] == (holds[1:] if name == "a0" else holds)
            assert body["held"] == sum(hold["amount"] for hold in body["data"])
            sources.setdefault(name, []).append(body["source"])

    await shows_what_redis_has(scene, workers[0], sources, redis_url)
    # Without Redis, whoever keeps the account is asked.
    await redis_door.shut()
    for worker in workers:
        for name in names:
            assert (await shown(scene, worker, name))["source"] == "table"
    await redis_door.open()


async def shows_what_redis_has(
    scene: Scene, worker: Worker, sources: dict[str, list[str]], redis_url: str
) -> None:
    """Writes a newer balance to Redis alone: a worker that does not keep it shows it."""
    account_id = next(name for name, found in sources.items() if found[0] == "redis")
    mirror = RedisMirror(redis_url, scene.names)

    async def copied() -> bool:
        known = await mirror.read(account_id)
        return known is not None and known.version >= 4

    await until(copied, lambda: f"Redis has no {account_id}")
    known = await mirror.read(account_id)
    hold = OpenHold(id="hld_9", amount=1, expires_at=None)
    newer = msgspec.structs.replace(known, version=99, held=1, holds=(hold,))
    assert await mirror.write_many([newer]) == 1
    body = await shown(scene, worker, account_id, min_version=99)
    assert (body["source"], body["held"], body["version"]) == ("redis", 1, 99)
    assert body["data"] == [{"id": "hld_9", "amount": 1, "expires_at": None}]
    await mirror.close()
