"""What the query side of a worker says to good and to strange questions."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.integration.api import wire
from tests.integration.balances.harness import Scene, Worker, until


@pytest.fixture
async def worker(scene: Scene) -> Worker:
    await scene.publish(await scene.open_accounts(3))
    worker = await scene.worker()
    await scene.assert_equal(worker)
    return worker


async def test_strange_questions_get_problem_documents(scene: Scene, worker: Worker):
    path = "/v1/accounts/a0/balance"
    cases = [
        ("GET", f"{path}?min_version=x", 400, "invalid_parameter"),
        ("GET", f"{path}?min_version=-1", 400, "invalid_parameter"),
        ("GET", f"{path}?min_version=1&min_version=1", 400, "invalid_parameter"),
        ("GET", f"{path}?min_version=%D9%A1", 400, "invalid_parameter"),
        ("GET", f"{path}?min_version=1e3", 400, "invalid_parameter"),
        ("GET", f"{path}?min_version=9007199254740992", 400, "invalid_parameter"),
        ("GET", f"{path}?at=now", 400, "invalid_parameter"),
        ("GET", f"{path}?min_version=9", 503, "read_model_behind"),
        ("GET", "/v1/accounts/nobody/balance", 404, "account_not_found"),
        ("GET", "/v1/accounts/%2e%2e/balance", 404, "not_found"),
        ("GET", "/v1/accounts/a%20b/balance", 404, "id_invalid"),
        ("GET", "/v1/accounts/%F0%9F%92%B8/balance", 404, "id_invalid"),
        ("GET", f"/v1/accounts/{'x' * 65}/balance", 404, "id_invalid"),
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "//", 404, "not_found"),
        ("POST", path, 405, "method_not_allowed"),
        ("DELETE", path, 405, "method_not_allowed"),
        ("GET", "/v1/pipeline?x=1", 400, "invalid_parameter"),
    ]
    for method, target, status, code in cases:
        async with scene.http.request(method, f"{worker.url}{target}") as answer:
            body = await answer.json(content_type="application/problem+json")
            assert (answer.status, body["code"]) == (status, code), target
            assert body["status"] == status
            assert body["request_id"] == answer.headers["X-Request-Id"]
            assert ("Retry-After" in answer.headers) == (status == 503)
            assert ("Allow" in answer.headers) == (status == 405)


async def test_bytes_that_are_no_request_get_a_problem_document_too(worker: Worker):
    start = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
    for raw, status, code in (
        (b"\x16\x03\x01 hello\r\n\r\n", 400, "bad_request"),
        (start + b"no colon\r\n\r\n", 400, "bad_request"),
        (start + b"X: " + b"x" * 9000 + b"\r\n\r\n", 431, "header_too_large"),
    ):
        answer = await asyncio.to_thread(wire.exchange, worker.port, raw)

        assert (answer.status, answer.json["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["request_id"] == answer.headers["x-request-id"]
        assert answer.headers["connection"] == "close"


async def test_nobody_reads_without_a_key(worker: Worker):
    url = f"{worker.url}/v1/accounts/a0/balance"
    unknown = f"Bearer chk_abcdefghijkl_{'x' * 43}"
    async with aiohttp.ClientSession() as stranger:
        for header in (None, "", "Bearer", "Basic abc", unknown):
            headers = {} if header is None else {"Authorization": header}
            async with stranger.get(url, headers=headers) as answer:
                body = await answer.json(content_type="application/problem+json")
            assert (answer.status, body["code"]) == (401, "unauthenticated")
            assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_the_pipeline_shows_every_stage_and_each_fails_alone(
    scene: Scene, worker: Worker, postgres_door, redis_door
):
    async def settled():
        status, body = await scene.ask(worker, "/v1/pipeline")
        assert status == 200, f"{body} {worker.story()}"
        shown[:] = [body["stages"]]
        return shown[0]["balances"].get("lag_events") == 0

    shown: list = []
    await until(settled, lambda: str(shown))
    stages = shown[0]
    assert stages["journal"]["position"] == scene.last_position
    assert stages["outbox"]["lag_events"] == 0
    assert stages["kafka"]["events"] == scene.published
    assert stages["balances"]["is_ready"] is True
    assert stages["redis"]["status"] == "ok"

    await postgres_door.shut()
    await redis_door.shut()

    async def degraded():
        shown[:] = [(await scene.ask(worker, "/v1/pipeline"))[1]["stages"]]
        return {name: stage["status"] for name, stage in shown[0].items()}

    async def both_away():
        said = await degraded()
        return said["journal"] == said["outbox"] == said["redis"] == "unavailable"

    await until(both_away, lambda: str(shown))
    assert shown[0]["kafka"]["status"] == "ok"
    assert shown[0]["balances"]["status"] == "ok"
    await redis_door.open()
    await postgres_door.open()
