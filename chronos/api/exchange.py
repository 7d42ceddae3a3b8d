"""One request on its way through the door, and what the handlers may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

from aiohttp.web import BaseRequest

from chronos.api.docs.page import DocsPage
from chronos.api.places import Places
from chronos.api.query import NO_QUERY, Query
from chronos.api.streaming import StreamedResponse
from chronos.auth.credentials import Authenticator
from chronos.auth.principals import Principal
from chronos.clock import Clock, IdSource
from chronos.ledger.service import Ledger
from chronos.store.books import Books
from chronos.store.moments import Moments
from chronos.store.reads import Reads
from chronos.wire.bodies import Body
from chronos.wire.cursors import Cursors

if TYPE_CHECKING:
    from chronos.api.health import Health
    from chronos.api.watching import Watch

_B = TypeVar("_B")


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the handlers work with."""

    ledger: Ledger
    reads: Reads
    moments: Moments
    books: Books
    auth: Authenticator
    health: Health
    watch: Watch
    ids: IdSource
    clock: Clock
    zone: ZoneInfo
    """Its calendar gives the banking day."""
    statement_cursors: Cursors
    streams: Places
    pages: Places
    openapi: bytes
    docs: DocsPage
    asyncapi: bytes


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request: filled step by step by the checks, read by its handler."""

    request: BaseRequest
    request_id: str
    traceparent: str
    path: str
    """As it came, without the query."""
    caller_span: str | None = None
    """The span that the request is below, empty without one; None: its own is not recorded."""
    route_path: str = "unknown"
    """The path's pattern; a closed set, fit for a metric's label."""
    params: Mapping[str, str] = field(default_factory=dict)
    query: Query = NO_QUERY
    principal: Principal | None = None
    idempotency_key: str | None = None
    expected_version: int | None = None
    """From the header If-Match, on the routes of accounts."""
    body: Body | None = None
    stream: StreamedResponse | None = None
    """Its answer, once that is being streamed."""

    def fresh_id(self, prefix: str) -> str:
        """Makes an id for what the client did not name: unique, as the request's own id is."""
        return prefix + self.request_id.partition("_")[2]

    def body_as(self, shape: type[_B]) -> _B:
        """Gives the body, which the route's checks made of this shape."""
        if not isinstance(self.body, shape):
            raise TypeError(f"{self.route_path} has no body of {shape.__name__}")
        return self.body
