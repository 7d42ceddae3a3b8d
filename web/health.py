"""Health, readiness and metrics of a worker, on its web port, without a credential.

`/healthz` is for the supervisor: 503 means "start me again". `/readyz` is for whoever sends
requests: 503 means "not now". Stores beside the acknowledgement path are reported by `/readyz`
and never fail it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

import msgspec
from aiohttp import web
from faust.web import View

from chronos.clock import IdSource, SystemIds
from chronos.errors import ChronosError
from chronos.stream.app import ChronosApp
from chronos.stream.liveness import readiness
from chronos.stream.sensors import consumer_lag, watch_lag
from chronos.telemetry.exposed import Process, exposition_of
from chronos.telemetry.metrics import CONTENT_TYPE, PROCESS_READY
from web.routes.route import ViewRoute
from web.routes.shapes import LiveAnswer, ReadyAnswer
from web.routes.table import HEALTHZ, METRICS, READYZ

REPORT_DEADLINE_S = 1.0

Report = Callable[[], Awaitable[str]]
"""Says in one word how a store does, "ok" when well; may raise a fault."""

NO_REPORTS: Mapping[str, Report] = MappingProxyType({})


class Health:
    """Answers for one worker.

    Args:
        app: The worker's app.
        reports: How the stores do that this role uses, by name.
        ready: A further condition for readiness: empty when met, else the reason.
    """

    def __init__(
        self,
        app: ChronosApp,
        *,
        reports: Mapping[str, Report] = NO_REPORTS,
        ready: Callable[[], str] = str,
    ):
        self._app = app
        self._reports = reports
        self._ready = ready

    async def healthz(self, _request: web.Request) -> web.Response:
        """Answers 200 while the worker is alive, 503 once it is stuck or crashed."""
        lag = sum(consumer_lag(self._app).values())
        stuck = self._app.crashed or self._app.liveness.stall is not None
        state = LiveAnswer(
            status="stuck" if stuck else "ok",
            role=self._app.role,
            slot=self._app.settings.slot,
            lag_records=lag,
            waiting_for=self._app.liveness.waiting_for,
        )
        return _json(state, status=503 if stuck else 200)

    async def readyz(self, _request: web.Request) -> web.Response:
        """Answers 200 once recovered and settled, 503 with the reason before."""
        reason = readiness(self._app).reason or self._ready()
        names = list(self._reports)
        said = await asyncio.gather(*(_ask(self._reports[name]) for name in names))
        state = ReadyAnswer(
            ready=not reason,
            reason=reason or None,
            role=self._app.role,
            slot=self._app.settings.slot,
            stores=dict(zip(names, said, strict=True)),
        )
        return _json(state, status=503 if reason else 200)

    async def metrics(self, _request: web.Request) -> web.Response:
        """Answers with this process's metrics."""
        PROCESS_READY.set(not (readiness(self._app).reason or self._ready()))
        body = exposition_of(Process(self._app.role))
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})


def register(
    app: ChronosApp,
    *,
    reports: Mapping[str, Report] = NO_REPORTS,
    ready: Callable[[], str] = str,
    ids: IdSource | None = None,
) -> None:
    """Puts `/healthz`, `/readyz` and `/metrics` on the web server of `app`."""
    health = Health(app, reports=reports, ready=ready)
    named = ids or SystemIds()
    watch_lag(app)
    _serve(app, HEALTHZ, health.healthz, named)
    _serve(app, READYZ, health.readyz, named)
    _serve(app, METRICS, health.metrics, named)


def _serve(
    app: ChronosApp,
    route: ViewRoute,
    answer: Callable[[web.Request], Awaitable[web.Response]],
    ids: IdSource,
) -> None:
    async def named(request: web.Request) -> web.Response:
        response = await answer(request)
        response.headers["X-Request-Id"] = ids.new_id("req_")
        return response

    class Endpoint(View):
        """Hands the request over as it is."""

        view_path = route.path
        view_name = route.name

        async def get(self, request: web.Request, **_: str) -> web.Response:
            return await named(request)

        async def __call__(self, request: web.Request) -> web.Response:
            return await named(request)

    app.web.add_view(Endpoint)


async def _ask(report: Report) -> str:
    try:
        async with asyncio.timeout(REPORT_DEADLINE_S):
            return await report()
    except (ChronosError, OSError):
        return "unavailable"


def _json(value: object, *, status: int) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json"
    )
