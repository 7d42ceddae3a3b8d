"""Puts the mirror worker together: two agents into Elasticsearch, and its health."""

from __future__ import annotations

from agents import mirror as agents
from agents.resources import HistoryWatch, Resources
from agents.startup import ReaderCheck
from chronos.clock import Clock
from chronos.mirror.lag_watch import LagWatch
from chronos.stream.app import ChronosApp
from web import health


def add_mirror(app: ChronosApp, clock: Clock) -> None:
    """Registers everything that a mirror worker does with its app, which must not run yet."""
    resources = Resources(app.settings, app.role, clock)
    app.add_resource(ReaderCheck(app))
    app.add_resource(resources)
    app.add_resource(HistoryWatch(resources.journal, end=app.crash))
    app.add_resource(LagWatch(resources.lag, app.names, clock))
    agents.register(app, resources.search, journal=resources.journal, clock=clock)

    async def search_state() -> str:
        await resources.search.ping()
        return "ok"

    health.register(app, reports={"elasticsearch": search_state})
