"""What the API counts of its own answers: so a fault sees what clients are told."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp

from chronos.assembly.processes import url
from chronos.chaos.fault import Unseen
from chronos.chaos.scene import Scene

_DEADLINE_S = 3.0
_UNAVAILABLE = 'chronos_http_problems_total{code="unavailable"}'
_ERRORS = "chronos_http_internal_errors_total"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Answers since the API was started."""

    unavailable: int
    """503: PostgreSQL does not answer, or has no room."""
    errors: int
    """500; every one is a bug."""


async def told(scene: Scene) -> Told:
    """Asks the API.

    Raises:
        Unseen: It does not answer.
    """
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_DEADLINE_S)) as http,
            http.get(f"{url(scene.pipeline.crew.ports.admin)}/metrics") as answer,
        ):
            lines = (await answer.text()).splitlines()
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Unseen(f"The API did not show its metrics: {error!r}") from error
    return Told(unavailable=_count(lines, _UNAVAILABLE), errors=_count(lines, _ERRORS))


def _count(lines: list[str], series: str) -> int:
    found = (line.removeprefix(series) for line in lines if line.startswith(f"{series} "))
    return int(float(next(found, "0")))
