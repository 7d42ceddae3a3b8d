"""Puts the balances worker together: table, agent, Redis, views."""

from __future__ import annotations

from pathlib import Path

from agents import balances as agent
from agents.resources import HistoryWatch, Resources
from agents.startup import ReaderCheck
from chronos import __version__
from chronos.auth.keys import ApiKeys, read_server_secret
from chronos.clock import Clock
from chronos.mirror.follower import RedisFollower
from chronos.mirror.lag_watch import LagWatch
from chronos.mirror.marker import FilledMark
from chronos.stream.app import ChronosApp
from chronos.stream.live.feed import LiveFeed
from chronos.stream.live.source import KafkaSource
from chronos.stream.live.subscription import QUEUE_BYTES_MAX, QueueBounds
from tables.balances import BalancesTable
from web import health
from web.accounts import Accounts
from web.balances import Balances
from web.history import History
from web.holds import Holds
from web.live import Live
from web.live_ids import LiveIds
from web.pipeline import Pipeline
from web.respond import Respond
from web.routes.document import Described
from web.routes.table import ROUTES
from web.routing import Owners, Routing
from web.transfers import Transfers


def add_balances(app: ChronosApp, clock: Clock) -> None:
    """Registers everything that a balances worker does with its app, which must not run yet.

    Raises:
        SettingFault: The secret that API keys are proved with cannot be read.
    """
    settings = app.settings
    resources = Resources(settings, app.role, clock)
    table = BalancesTable(app, app.names, partitions=settings.partitions)
    worker = f"{app.role}-{settings.slot}"
    mark = FilledMark(settings.redis_url, app.names, worker=worker)
    follower = RedisFollower(resources.redis, mark, table, clock)
    app.add_resource(ReaderCheck(app))
    app.add_resource(resources)
    app.add_resource(
        HistoryWatch(resources.journal, end=app.crash, tables=Path(app.conf.datadir))
    )
    app.add_resource(follower)
    app.add_resource(LagWatch(resources.lag, app.names, clock))
    agent.register(app, table, journal=resources.journal, copy=follower, clock=clock)
    _add_views(app, resources, table, follower, clock)


def _add_views(
    app: ChronosApp,
    resources: Resources,
    table: BalancesTable,
    follower: RedisFollower,
    clock: Clock,
) -> None:
    settings = app.settings
    secret = read_server_secret(settings.key_secret_file)
    keys = ApiKeys(resources.journal, server_secret=secret, clock=clock)
    respond = Respond(app, keys, clock=clock)
    owners = Owners()
    app.add_resource(owners)
    routing = Routing(
        table, copy=resources.redis, owners=owners, wait_s=settings.min_version_wait_s
    )
    Balances(routing).add_to(respond)
    Holds(routing).add_to(respond)
    search = resources.search
    History(search.entries, settings, secret=secret, clock=clock).add_to(respond)
    Accounts(search.accounts, secret=secret).add_to(respond)
    Transfers(search.transfers, settings, secret=secret, clock=clock).add_to(respond)
    pipeline = Pipeline(
        app.names, write_side=resources.journal, lag=resources.lag, table=table, clock=clock
    )
    pipeline.add_copies(resources.redis, follower, search)
    pipeline.add_to(respond)
    Described(ROUTES, version=__version__).add_to(respond)
    ids = LiveIds(secret, app.names.events, partitions=settings.partitions)
    Live(_live_feed(app), ids, keys, settings=settings, clock=clock).add_to(respond)

    async def redis_state() -> str:
        await resources.redis.ping()
        return "behind" if follower.is_behind else "ok"

    async def search_state() -> str:
        await search.ping()
        return "ok"

    health.register(app, reports={"redis": redis_state, "elasticsearch": search_state})


def _live_feed(app: ChronosApp) -> LiveFeed:
    settings = app.settings
    feed = LiveFeed(
        KafkaSource(settings.kafka, app.names.events, partitions=settings.partitions),
        subscribers_max=settings.live_subscribers_max,
        bounds=QueueBounds(
            events_max=settings.live_queue_events_max, bytes_max=QUEUE_BYTES_MAX
        ),
    )
    app.add_resource(feed)
    app.add_farewell(feed.leave)
    return feed
