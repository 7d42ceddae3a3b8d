"""Writes one subscription to one client, as server-sent events.

Three tasks run until the subscription is over: one brings it to the live tail, one takes from
its queue and writes, one watches the client and its API key. Whoever of them, or the feed, ends
the subscription first decides the reason. Then the writer is stopped, wherever it is, and the
last event is written: `cut` or `bye`, with the reason, and the connection is closed.

Bounds: a write, and the farewell, that the client takes nothing of for `write_deadline_s` (when
the worker stops: `BYE_S`) breaks the connection. The kernel is told to hold little for a
client, so that one who does not read is noticed early.

Source: WHATWG HTML, section 9.2 (server-sent events).
"""

from __future__ import annotations

import asyncio
import socket
from asyncio import FIRST_COMPLETED
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiohttp import web

from chronos.clock import Clock
from chronos.errors import Unavailable
from chronos.stream.live.events import LiveEvent, Place
from chronos.stream.live.feed import LiveFeed
from chronos.stream.live.subscription import Ending, Subscription
from chronos.telemetry.live_metrics import LIVE_CUT_OFFS, LIVE_EVENTS_SENT
from web.live_ids import LiveIds
from web.respond import Keys, Refusal, check_key

RETRY_MS: Final = 2_000
WATCH_PAUSE_S: Final = 1.0
KEY_CHECK_S: Final = 2.0
"""With what `ApiKeys` believes and waits at most, a revoked key ends within 60 s."""
BYE_S: Final = 2.0
SEND_BUFFER_BYTES: Final = 128 << 10

_DETAILS: Final = {
    Ending.SLOW: "Events came faster than this client read them.",
    Ending.STALLED: "This client read nothing for too long.",
    Ending.KEY: "The API key is no longer valid; send another one.",
    Ending.REPLACED: "The log was made anew and this id is void; read the history, then begin "
    "without an id.",
    Ending.FAILED: "An unexpected fault ended the stream.",
    Ending.STOPPING: "This worker stops.",
}
_RESUMABLE: Final = " The header Last-Event-ID with the last id goes on from there."
_NOT_RESUMABLE: Final = frozenset({Ending.REPLACED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Says how long a stream may be silent, and how long its client."""

    heartbeat_s: float
    write_deadline_s: float


class EventStream:
    """Writes until the subscription is over.

    Args:
        feed: Where the subscription is from.
        subscription: What is written.
        ids: Seals places as ids.
        keys: Knows whether the client's key is still good.
        pace: Its times.
        clock: Times the checks of the key.
    """

    def __init__(
        self,
        feed: LiveFeed,
        subscription: Subscription,
        *,
        ids: LiveIds,
        keys: Keys,
        pace: Pace,
        clock: Clock,
    ):
        self._feed = feed
        self._subscription = subscription
        self._ids = ids
        self._keys = keys
        self._pace = pace
        self._clock = clock
        self._last_id = b""

    def release(self) -> None:
        """Gives the subscription back."""
        self._feed.unsubscribe(self._subscription)

    async def go_on(self, request: web.Request, response: web.StreamResponse) -> None:
        """Writes to the client whose answer's head is sent; returns when all is over."""
        _hold_little(request)
        async with asyncio.TaskGroup() as tasks:
            work = (
                tasks.create_task(self._feed.follow(self._subscription)),
                tasks.create_task(self._write_all(response)),
                tasks.create_task(self._watch(request)),
            )
            await self._subscription.ended.wait()
            for task in work:
                task.cancel()
        await self._say_farewell(request, response)

    async def _write_all(self, response: web.StreamResponse) -> None:
        await self._write(response, b"retry: %d\n%b\n" % (RETRY_MS, self._id_line()))
        while not self._subscription.is_over:
            taken = await self._subscription.take(self._pace.heartbeat_s)
            if taken:
                await self._write(response, b"".join(map(self._text, taken)))
                LIVE_EVENTS_SENT.inc(len(taken))
            else:
                await self._write(response, b": heartbeat\n%b\n" % self._id_line())

    async def _write(self, response: web.StreamResponse, text: bytes) -> None:
        writing = _begun(response.write(text))
        await asyncio.wait((writing,), timeout=self._pace.write_deadline_s)
        if not writing.done():
            self._subscription.end(Ending.STALLED)
            return
        try:
            writing.result()
        except ConnectionError:
            self._subscription.end(Ending.GONE)

    def _text(self, taken: tuple[LiveEvent, Place]) -> bytes:
        event, place = taken
        self._last_id = self._ids.seal(self._subscription.selection.account_id, place)
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (
            self._last_id,
            event.type.encode(),
            event.data,
        )

    def _id_line(self) -> bytes:
        # It moves on in silence too: going on from it does not read again what was for others.
        subscription = self._subscription
        newest = self._ids.seal(subscription.selection.account_id, subscription.place)
        if newest == self._last_id:
            return b""
        self._last_id = newest
        return b"id: %b\n" % newest

    async def _watch(self, request: web.Request) -> None:
        checked_at_s = self._clock.monotonic_s()
        while not self._subscription.is_over:
            await asyncio.sleep(WATCH_PAUSE_S)
            if request.transport is None or request.transport.is_closing():
                self._subscription.end(Ending.GONE)
            elif self._clock.monotonic_s() - checked_at_s >= KEY_CHECK_S:
                checked_at_s = self._clock.monotonic_s()
                await self._check_key(request)

    async def _check_key(self, request: web.Request) -> None:
        try:
            await check_key(self._keys, request)
        except Refusal:
            self._subscription.end(Ending.KEY)
        except Unavailable:
            pass  # as for every request: while PostgreSQL is away, who was let in stays in

    async def _say_farewell(self, request: web.Request, response: web.StreamResponse) -> None:
        ending = self._subscription.ending
        transport = request.transport
        if ending is None or ending is Ending.GONE or transport is None:
            return
        LIVE_CUT_OFFS.labels(ending.value).inc()
        # Without a buffer of its own, the writer waits until the kernel has all of it.
        transport.set_write_buffer_limits(high=0)
        saying = _begun(_end(response, _farewell(ending)))
        leaving = asyncio.ensure_future(self._feed.left.wait())
        deadline_s = self._pace.write_deadline_s
        await asyncio.wait((saying, leaving), timeout=deadline_s, return_when=FIRST_COMPLETED)
        if leaving.done():
            await asyncio.wait((saying,), timeout=BYE_S)
        leaving.cancel()
        if not saying.done() or saying.exception() is not None:
            transport.abort()


async def _end(response: web.StreamResponse, text: bytes) -> None:
    await response.write(text)
    await response.write_eof()


def _begun(writing: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Begins a write, which is never cancelled: who waits longer than he may leaves it alone.

    All who wait for one connection to take more share one future, and cancelling one of them
    would cancel whoever writes next, the farewell.
    """
    task = asyncio.ensure_future(writing)
    # The fault of a write that nobody waits for any more is seen, so that it is not reported.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


def _farewell(ending: Ending) -> bytes:
    name = b"bye" if ending is Ending.STOPPING else b"cut"
    detail = _DETAILS[ending]
    if ending not in _NOT_RESUMABLE:
        detail += _RESUMABLE
    data = msgspec.json.encode({"reason": ending.value, "detail": detail})
    return b"event: %b\ndata: %b\n\n" % (name, data)


def _hold_little(request: web.Request) -> None:
    transport = request.transport
    connection = None if transport is None else transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
