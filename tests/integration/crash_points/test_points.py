"""Each process ends at each of its points, again and again, under load; then all is counted."""

from __future__ import annotations

import json
import os
import random
import time

import pytest

from chronos.crash_points import EXIT_CODE, CrashPoint
from tests.integration.end_to_end.running import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")
CRASHES = int(os.environ.get("TEST_CRASHES", "2"))
HIT_S = 120.0
SETTLED_S = 120.0
PASSES_MAX = 4
STARTS_MAX = 5
POINTS = [
    ("api", CrashPoint.AFTER_LOCK),
    ("api", CrashPoint.AFTER_APPEND),
    ("api", CrashPoint.AFTER_COMMIT),
    ("relay", CrashPoint.AFTER_KAFKA_ACK),
    ("relay", CrashPoint.AFTER_CHECKPOINT),
    # The commands of the relay worker: each ends a hold whose time has come.
    ("relay", CrashPoint.AFTER_COMMIT),
    ("balances", CrashPoint.AFTER_TABLE_WRITE),
    ("balances", CrashPoint.AFTER_CHANGELOG_ACK),
    ("balances", CrashPoint.AFTER_REDIS_WRITE),
    ("mirror", CrashPoint.AFTER_ELASTICSEARCH_WRITE),
]


@pytest.mark.parametrize(("role", "point"), POINTS)
async def test_nothing_is_lost_and_nothing_doubled(scene, figures, role, point):
    member = scene.members[role]
    began_s, answered = time.monotonic(), len(scene.crowd.answered)
    chance = random.Random(f"{role} {point}")
    async with scene.crowd.at_work():
        member.kill()
        for _ in range(CRASHES):
            await hit(member, f"{point}:{chance.randint(1, PASSES_MAX)}")
        member.start()
        await member.until_ready()

    violations = await settled(scene)
    figures.append(
        {
            "process": role,
            "point": point,
            "hits": CRASHES,
            "acknowledged": len(scene.crowd.answered) - answered,
            "violations": len(violations),
            "seconds": round(time.monotonic() - began_s, 1),
        }
    )
    assert violations == []
    assert len(scene.crowd.answered) > answered


async def hit(member, crash_at: str) -> None:
    """Has a process end at a point; on a busy machine it may need more than one start."""
    for _ in range(STARTS_MAX):
        member.start(crash_at=crash_at)
        code = await member.exit_code(HIT_S)
        # A worker that finds a server silent when it starts says so and ends with 1.
        if code != 1 or " is unavailable: " not in member.story():
            break
    assert code == EXIT_CODE, member.story()


async def settled(scene) -> list[str]:
    """What is still wrong when the copies have had time to catch up."""
    found: list[str] = []

    async def clean() -> bool:
        found[:] = await scene.violations()
        return not found

    try:
        await eventually(clean, within_s=SETTLED_S)
    except AssertionError:
        return found
    return []


async def test_every_repeated_answer_was_the_first_one(scene):
    assert scene.crowd.repeated > 0, "no client ever had to ask twice"
    assert scene.crowd.wrong == []
    told = {
        (scene.crowd.asked[key].path, answer.status, code_of(answer))
        for key, answer in scene.crowd.answered.items()
    }
    executed = {(f"/v1/{what}", 201, None) for what in ("accounts", "transfers", "holds")}
    # A poor customer is refused; so is a hold that was to end while nobody answered.
    refused = {
        ("/v1/transfers", 409, "insufficient_funds"),
        ("/v1/holds", 409, "insufficient_funds"),
        ("/v1/holds", 422, "date_invalid"),
    }
    assert told <= executed | refused


def code_of(answer) -> str | None:
    """Why a command was refused; None of one that was executed."""
    return None if answer.status == 201 else json.loads(answer.body)["code"]
