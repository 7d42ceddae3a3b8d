"""One connection of HTTP whose requests are served by its own task, one after the other.

aiohttp gives each request a task: so it takes three turns of the event loop from its bytes to
its answer, and making the task and waking its parent cost a tenth of what a door spends on it.
Nothing needs that task. Requests of one connection are answered in their order anyway, and
whoever ends the connection's task ends the request in its hands, as before. What a request puts
into context variables outlives it here: the ids of its log lines are taken off at its end.

Bounds, order and shutdown are aiohttp's, whose `start` this is without the task; of its parts
that are used here none is public.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp.helpers import ceil_timeout
from aiohttp.http import StreamWriter
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import _PAYLOAD_ACCESS_ERROR as _ENDED
from aiohttp.web_protocol import ERROR, RequestHandler, _ErrInfo

from chronos.telemetry.logs import unbind_correlation


class OneTaskHandler(RequestHandler):
    """Serves one connection in one task."""

    __slots__ = ()

    async def start(self) -> None:
        """Serves what comes until the connection is closed."""
        goes_on = True
        while goes_on and not self._force_close:
            if not self._messages:
                self._waiter = self._loop.create_future()
                try:
                    await self._waiter
                finally:
                    self._waiter = None
            message, payload = self._next_message()
            goes_on = await self._serve(message, payload)
            if self._messages:
                # Who sends many requests at once waits its turn after each, as everybody does.
                await asyncio.sleep(0)
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()

    def _next_message(self) -> tuple[Any, StreamReader]:
        """Takes the next request, and makes room for those that wait to be parsed."""
        message, payload = self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()
        return message, payload

    async def _serve(self, message: Any, payload: StreamReader) -> bool:
        """Answers one request; tells whether another may follow it."""
        manager, task = self._manager, self._task_handler
        if manager is None or task is None:
            return False  # closed in the same turn in which the request came
        handler = manager.request_handler
        if isinstance(message, _ErrInfo):
            handler, message = self._make_error_handler(message), ERROR
        manager.requests_count += 1
        writer = StreamWriter(self, self._loop)
        request = manager.request_factory(message, payload, self, writer, task)
        try:
            response, is_lost = await self._handle_request(request, None, handler)
            if is_lost:
                return False
            self._keepalive = bool(response.keep_alive)
            await self._linger(payload)
            payload.set_exception(_ENDED)
        except ConnectionError:
            return False
        except asyncio.CancelledError:
            self.force_close()
            raise
        except Exception as error:  # noqa: BLE001 - one connection's trouble, as in aiohttp
            self.log_exception("Unhandled exception", exc_info=error)
            self.force_close()
        finally:
            unbind_correlation()
            request._task = None  # type: ignore[assignment]  # noqa: SLF001 - aiohttp's ring
        return self._await_next()

    async def _linger(self, payload: StreamReader) -> None:
        """Reads the rest of a body whose answer is decided, for a while; then closes."""
        if payload.is_eof():
            return
        now_s = self._loop.time()
        end_s = now_s + self._lingering_time
        try:
            while not self._force_close and not payload.is_eof() and now_s < end_s:
                async with ceil_timeout(end_s - now_s):
                    await payload.readany()
                now_s = self._loop.time()
        except TimeoutError:
            pass
        if not payload.is_eof() and not self._force_close:
            self.close()

    def _await_next(self) -> bool:
        """Tells whether the connection stays open, and lets it stay idle for so long."""
        if not self._keepalive or self._close or self._force_close:
            return False
        close_s = self._loop.time() + self._keepalive_timeout
        self._next_keepalive_close_time = close_s
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(close_s, self._process_keepalive)
        return True
