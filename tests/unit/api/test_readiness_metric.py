"""The metric of readiness, which nobody need have asked about."""

import asyncio

import pytest

from chronos.api import health as room
from chronos.api.health import Health
from chronos.errors import Unavailable
from chronos.telemetry.metrics import REGISTRY


class Server:
    """PostgreSQL, as far as a probe sees it."""

    def __init__(self):
        self.fault = None
        self.hangs = asyncio.Event()
        self.hangs.set()
        self.asked = 0

    async def answer(self):
        self.asked += 1
        await self.hangs.wait()
        if self.fault:
            raise self.fault


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def health(server):
    made = Health(server.answer)
    made.checked = True
    return made


def ready():
    return REGISTRY.get_sample_value("chronos_process_ready")


async def test_it_says_what_is_so_at_the_scrape(health, server):
    await health.look()
    assert ready() == 1

    server.fault = Unavailable("postgresql", "away")
    await health.look()
    assert ready() == 0

    server.fault = None
    await health.look()
    assert ready() == 1


async def test_a_process_that_stops_or_has_not_begun_is_not_ready(health, server):
    health.checked = False
    await health.look()
    assert ready() == 0

    health.checked, health.draining = True, True
    await health.look()
    assert ready() == 0
    assert server.asked == 0


async def test_a_server_that_hangs_is_asked_once_and_holds_no_scrape_up(
    health, server, monkeypatch
):
    monkeypatch.setattr(room, "LOOK_S", 0.01)
    server.hangs.clear()

    async with asyncio.timeout(5):
        for _ in range(5):
            await health.look()
    assert (ready(), server.asked) == (0, 1)

    server.hangs.set()
    async with asyncio.timeout(5):
        while ready() != 1:  # noqa: ASYNC110 - the condition is a metric
            await asyncio.sleep(0.001)
