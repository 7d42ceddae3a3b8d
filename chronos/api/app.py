"""The API of one process, put together: its door, its server, its admin server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import msgspec

from chronos import __version__
from chronos.api.docs.page import docs_page
from chronos.api.exchange import Services
from chronos.api.health import Health
from chronos.api.middleware import Door
from chronos.api.openapi import openapi_document
from chronos.api.places import PAGES_AT_ONCE_MAX, STREAMS_AT_ONCE_MAX, Places
from chronos.api.routes import Router
from chronos.api.server import BoundedServer
from chronos.api.table import ADMIN_ROUTES, ROUTES
from chronos.api.watching import Watch
from chronos.auth.credentials import Authenticator
from chronos.clock import Clock, IdSource
from chronos.errors import InvariantBroken
from chronos.ledger.service import Ledger
from chronos.settings import Settings
from chronos.store.books import Books
from chronos.store.moments import Moments
from chronos.store.reads import Reads
from chronos.telemetry.logs import AccessLog
from chronos.wire.contract.asyncapi import asyncapi_document
from chronos.wire.cursors import Cursors
from chronos.wire.topics import Names


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """What one process serves."""

    server: BoundedServer
    """The whole interface, for the API's port."""
    admin: BoundedServer
    """Health and metrics alone, for the process's own port."""
    health: Health
    watch: Watch


def create_app(  # noqa: PLR0913  the parts of a process, each by its name
    *,
    ledger: Ledger,
    reads: Reads,
    moments: Moments,
    books: Books,
    auth: Authenticator,
    cursor_secret: bytes,
    settings: Settings,
    clock: Clock,
    ids: IdSource,
    on_broken: Callable[[InvariantBroken], None],
    process: str = "api-0",
) -> Api:
    """Puts the API together; must be called on the event loop.

    Args:
        ledger: Executes the commands.
        reads: Answers the reads, and the readiness probe.
        moments: Answers for the past of an account.
        books: Adds up all accounts.
        auth: Knows the API keys.
        cursor_secret: Seals cursors; the same in every process.
        settings: Deadlines, the bank's time zone, and the form of the access log.
        clock: For the access log.
        ids: For request ids and the ids that a client leaves out.
        on_broken: Is told when stored facts contradict each other.
        process: Name of the process in its logs.
    """
    health = Health(reads.is_answering)
    watch = Watch(process=process, clock=clock, access_log=AccessLog(form=settings.log_format))
    openapi = openapi_document(ROUTES, version=__version__)
    services = Services(
        ledger=ledger,
        reads=reads,
        moments=moments,
        books=books,
        auth=auth,
        health=health,
        watch=watch,
        ids=ids,
        clock=clock,
        zone=ZoneInfo(settings.time_zone),
        statement_cursors=Cursors(cursor_secret, list_name="statement"),
        streams=Places("stream", STREAMS_AT_ONCE_MAX),
        pages=Places("page", PAGES_AT_ONCE_MAX),
        openapi=openapi,
        docs=docs_page(openapi),
        asyncapi=_asyncapi(settings),
    )
    servers = [
        BoundedServer(
            Door(
                Router(routes),
                services,
                body_deadline_s=settings.body_deadline_s,
                send_deadline_s=settings.send_deadline_s,
                on_broken=on_broken,
            ),
            ids=ids,
            head_deadline_s=settings.body_deadline_s,
        )
        for routes in (ADMIN_ROUTES, ROUTES)
    ]
    return Api(server=servers[1], admin=servers[0], health=health, watch=watch)


def _asyncapi(settings: Settings) -> bytes:
    document = asyncapi_document(
        Names(settings.namespace),
        partitions=settings.partitions,
        shards=settings.relay_shards,
        version=__version__,
    )
    return msgspec.json.encode(document)
