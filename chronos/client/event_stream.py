"""The live stream of events: goes on by itself where it was when its line breaks.

A broken line, a silence, and the server's own farewell are all the same: after a pause the
stream is asked for again, behind the last id that came. A refusal ends it, and so does a server
that does not answer within the client's patience. Between two events nothing is lost; the
stream of one account gives each version once, that of all may give an event twice.

Source: WHATWG HTML, section 9.2 (server-sent events).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from types import TracebackType
from typing import Final, NamedTuple, Self

from chronos.client.calls import Calls, decoded
from chronos.client.events import Event
from chronos.client.refusals import BrokenOff, UnreadableAnswer

PATH: Final = "/v1/stream"
BLOCK_BYTES_MAX: Final = 1 << 20
FAREWELLS: Final = frozenset({"cut", "bye"})
_PAUSE_S: Final = 0.5
_PAUSE_MAX_S: Final = 10.0


class LiveEvent(NamedTuple):
    """One event of the stream."""

    id: str
    """Begin behind it with `last_event_id`, also in another process."""
    event: Event
    data: bytes
    """Its JSON as it came."""


class LiveStream:
    """The events from now on, or from another place; used with `async with`.

    Args:
        calls: Sends the requests.
        account_id: Whose events; None is all accounts.
        from_beginning: Begin with the oldest event that the stream still has.
        last_event_id: Begin behind this one.
    """

    def __init__(
        self,
        calls: Calls,
        account_id: str | None,
        *,
        from_beginning: bool,
        last_event_id: str | None,
    ) -> None:
        self._calls = calls
        self._query = {
            "account": account_id,
            "from": "beginning" if from_beginning else None,
        }
        self._last_id = last_event_id or ""
        self._pause_s = _PAUSE_S
        self._events = self._go_on()
        self.begun_again = 0
        """How often the line broke and the stream went on."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._events.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> LiveEvent:
        return await anext(self._events)

    async def _go_on(self) -> AsyncGenerator[LiveEvent, None]:
        while True:
            try:
                async for event in self._one_line():
                    yield event
            except BrokenOff:
                pass
            self.begun_again += 1
            await asyncio.sleep(self._pause_s)

    async def _one_line(self) -> AsyncGenerator[LiveEvent, None]:
        headers = {"Accept": "text/event-stream"}
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        blocks = Blocks(self._last_id)
        async with self._calls.follow(PATH, self._query, headers=headers) as pieces:
            async for piece in pieces:
                for block in blocks.take(piece):
                    self._last_id = block.id
                    if block.data and block.name not in FAREWELLS:
                        event = decoded(block.data, Event, PATH)
                        yield LiveEvent(id=block.id, event=event, data=block.data)
                if blocks.retry_ms is not None:
                    self._pause_s = min(blocks.retry_ms / 1000, _PAUSE_MAX_S)


class Block(NamedTuple):
    """One block of a stream; one without data says only how far the stream is."""

    id: str
    name: str
    data: bytes


class Blocks:
    """Cuts a stream of bytes into its blocks.

    Args:
        last_id: The id that stands until another comes.
    """

    def __init__(self, last_id: str = "") -> None:
        self._rest = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._size_bytes = 0
        self._last_id = last_id
        self.retry_ms: int | None = None
        """The pause that the server asks for before another attempt."""

    def take(self, piece: bytes) -> Iterator[Block]:
        """Yields the blocks that the next bytes complete.

        Raises:
            UnreadableAnswer: A block is larger than any of Chronos.
        """
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            text = line.removesuffix(b"\r")
            if text:
                self._add(text)
            elif self._fields:
                yield self._block()
        if self._size_bytes + len(self._rest) > BLOCK_BYTES_MAX:
            raise UnreadableAnswer(f"{PATH} sends an event above {BLOCK_BYTES_MAX} bytes.")

    def _add(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if not name:
            return
        self._size_bytes += len(line)
        self._fields.append((name, value.removeprefix(b" ")))

    def _block(self) -> Block:
        kind, data = "message", []
        for name, value in self._fields:
            if name == b"id":
                self._last_id = value.decode("ascii", "replace")
            elif name == b"event":
                kind = value.decode("utf-8", "replace")
            elif name == b"data":
                data.append(value)
            elif name == b"retry" and value.isdigit():
                self.retry_ms = int(value)
        self._fields, self._size_bytes = [], 0
        return Block(id=self._last_id, name=kind, data=b"\n".join(data))
