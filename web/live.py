"""`GET /v1/stream?account=`: events as they come, of one account or of all, on any worker.

A stream begins with the first event after its head was sent, or `from=beginning`, or behind the
event whose id is in the header `Last-Event-ID` (before the parameter `last_event_id`, which is
for clients that cannot set a header). Each account's events come in the order of their
versions. An account need not exist: who waits for its first event may ask before it is opened.

What is promised: every event behind the place, at least once. An account's stream gives each
version once, over all its reconnections. A stream of all accounts leaves out what the relay
published twice while this connection, or the worker's memory, still knows of it.
"""

from __future__ import annotations

import re

from aiohttp import web

from chronos.clock import Clock
from chronos.errors import Overloaded
from chronos.settings import Settings
from chronos.stream.live.events import Place
from chronos.stream.live.feed import LiveFeed, Start, UnknownPlace
from web.event_stream import EventStream, Pace
from web.live_ids import ID_CHARACTERS_MAX, InvalidId, LiveIds
from web.parameters import Parameters
from web.respond import Keys, Refusal, Respond, StreamedAnswer
from web.routes.table import EVENT_STREAM, STREAM

ID_HEADER = "Last-Event-ID"
_STARTS = frozenset(start.value for start in Start)
_RETRY_AFTER_S = 5
_HEADERS = {
    "Content-Type": EVENT_STREAM,
    "Cache-Control": "no-store",
    # Tells a proxy in front (nginx) to pass each event on at once.
    "X-Accel-Buffering": "no",
}
_FITTING = frozenset({"*/*", "text/*", EVENT_STREAM})
_ZERO_QUALITY = re.compile(r";\s*q\s*=\s*0(?:\.0*)?\s*(?:;|$)", re.IGNORECASE)


class Live:
    """Answers with streams of events.

    Args:
        feed: Where the events come from.
        ids: Seals places as ids.
        keys: Checks the client's key again and again.
        settings: Gives the pace.
        clock: Times those checks.
    """

    def __init__(
        self, feed: LiveFeed, ids: LiveIds, keys: Keys, *, settings: Settings, clock: Clock
    ):
        self._feed = feed
        self._ids = ids
        self._keys = keys
        self._clock = clock
        self._pace = Pace(
            heartbeat_s=settings.live_heartbeat_s,
            write_deadline_s=min(settings.live_write_deadline_s, settings.drain_s / 2),
        )

    def add_to(self, respond: Respond) -> None:
        """Puts the view on its path."""
        respond.add_view(STREAM, self.answer)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answers with a stream that ends when the client, or this worker, has enough.

        Raises:
            Refusal: A parameter, the id or the `Accept` header cannot be used, or there are
                too many streams.
            Unavailable: Kafka does not answer, or the worker stops.
        """
        if not _takes_events(request.headers.get("Accept", "")):
            raise Refusal("not_acceptable", f"This address answers {EVENT_STREAM} only.")
        parameters = Parameters(request, STREAM.names, characters_max=ID_CHARACTERS_MAX)
        account_id = parameters.id("account")
        start = self._start(request, parameters, account_id)
        if request.method == "HEAD":
            return web.StreamResponse(headers=_HEADERS)
        try:
            subscription = await self._feed.subscribe(account_id, start)
        except UnknownPlace as error:
            raise _invalid_id() from error
        except Overloaded as fault:
            raise Refusal(
                "unavailable",
                "This worker has as many open streams as it may have; ask another one.",
                retry_after_s=_RETRY_AFTER_S,
            ) from fault
        stream = EventStream(
            self._feed,
            subscription,
            ids=self._ids,
            keys=self._keys,
            pace=self._pace,
            clock=self._clock,
        )
        return StreamedAnswer(stream.go_on, stream.release, headers=_HEADERS)

    def _start(
        self, request: web.Request, parameters: Parameters, account_id: str | None
    ) -> Place | Start:
        # A client that reconnects by itself repeats its query and adds the header.
        asked = parameters.one_of("from", _STARTS)
        given = parameters.text("last_event_id", length_max=ID_CHARACTERS_MAX)
        last_id = request.headers.get(ID_HEADER) or given
        if not last_id:
            return Start.END if asked is None else Start(asked)
        try:
            return self._ids.open(account_id, last_id)
        except InvalidId as error:
            raise _invalid_id() from error


def _invalid_id() -> Refusal:
    return Refusal(
        "invalid_cursor",
        "The last event id was not given out by this stream: it is of another account or "
        "instance, or of a log made anew. Read the history, then begin without an id.",
    )


def _takes_events(accept: str) -> bool:
    for entry in accept.split(","):
        media_range, _, parameters = entry.partition(";")
        fits = media_range.strip().lower() in _FITTING
        if fits and not _ZERO_QUALITY.search(";" + parameters):
            return True
    return not accept.strip()
