"""Liveness, readiness and metrics: on the API's port and on each process's own admin port.

Live means that the loop turns. Ready means that a command would be taken: the start-up checks
have passed, PostgreSQL answers, and the process is not stopping. A process that is not ready
still answers; its commands get 503 and may be sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from chronos.api.answer import HTML, Answer, json_answer
from chronos.api.answers import Health as HealthAnswer
from chronos.api.exchange import Exchange, Services
from chronos.errors import Unavailable
from chronos.telemetry import metrics
from chronos.telemetry.exposed import Process, exposition_of

LOOK_S: Final = 0.5
"""How long whoever reads the metrics waits for PostgreSQL."""


class Health:
    """Knows whether this process may be sent work."""

    def __init__(self, probe: Callable[[], Awaitable[object]]):
        """Starts as not ready.

        Args:
            probe: Asks PostgreSQL for a sign of life; raises Unavailable.
        """
        self._probe = probe
        self.checked = False
        """Whether the start-up checks have passed."""
        self.draining = False
        """Whether the process is stopping."""
        self._look: asyncio.Task[None] | None = None

    def refuse_when_closed(self) -> None:
        """Lets work through, unless nothing is known of the server yet.

        Raises:
            Unavailable: The start-up checks have not passed.
        """
        if not self.checked:
            raise Unavailable("postgresql", "the start-up checks have not passed yet")

    async def ask(self) -> None:
        """Asks whether the process is ready.

        Raises:
            Unavailable: It is not.
        """
        try:
            self._refuse_when_draining()
            self.refuse_when_closed()
            await self._probe()
        except Unavailable:
            metrics.PROCESS_READY.set(0)
            raise
        metrics.PROCESS_READY.set(1)

    async def look(self) -> None:
        """Has the metric of readiness say what is so now; no answer in time is a no.

        One look at a time, and it is never cut short: a server that hangs would cost a
        connection for each reader of the metrics.
        """
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._ask_and_note(), name="readiness")
        done, _ = await asyncio.wait({self._look}, timeout=LOOK_S)
        if not done:
            metrics.PROCESS_READY.set(0)

    async def _ask_and_note(self) -> None:
        with contextlib.suppress(Unavailable):
            await self.ask()

    def _refuse_when_draining(self) -> None:
        if self.draining:
            raise Unavailable("api", "this process is stopping")


async def live(_services: Services, _exchange: Exchange) -> Answer:
    """Answers `GET /healthz`."""
    return json_answer(HealthAnswer(status="ok"))


async def ready(services: Services, _exchange: Exchange) -> Answer:
    """Answers `GET /readyz`."""
    await services.health.ask()
    return json_answer(HealthAnswer(status="ready"))


async def expose_metrics(services: Services, _exchange: Exchange) -> Answer:
    """Answers `GET /metrics`."""
    services.watch.flush()
    await services.health.look()
    body = exposition_of(Process.API)
    return Answer(status=200, body=body, content_type=metrics.CONTENT_TYPE)


async def show_openapi(services: Services, _exchange: Exchange) -> Answer:
    """Answers `GET /openapi.json`."""
    return Answer(status=200, body=services.openapi)


async def show_docs(services: Services, _exchange: Exchange) -> Answer:
    """Answers `GET /docs`."""
    page = services.docs
    return Answer(status=200, body=page.body, content_type=HTML, headers=page.headers)


async def show_asyncapi(services: Services, _exchange: Exchange) -> Answer:
    """Answers `GET /asyncapi.json`."""
    return Answer(status=200, body=services.asyncapi)
