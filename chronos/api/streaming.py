"""An answer that is long, or may be, sent while it is made.

The next piece is made when the client has taken the one before, so a stream holds one piece and
what waits in the socket, however long it is and however slow its client. Every piece must be
taken within a deadline: that is the least speed that is served. A page is one piece.

A stream that breaks off must not look like one that ended. The chunks of HTTP/1.1 are left
without their last, and the connection is reset, not closed: a client of HTTP/1.0, which knows
no chunks, is told by that.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, Mapping
from typing import Final

from aiohttp import HttpVersion11
from aiohttp.web import BaseRequest

from chronos.plain_http import UNSENT_BYTES_MAX, head_of
from chronos.telemetry import metrics

_LAST_CHUNK: Final = b"0\r\n\r\n"
_RESET: Final = struct.pack("ii", 1, 0)


class ClientTooSlow(ConnectionError):
    """Says that a client did not take a piece in time."""


class StreamedResponse:
    """One streamed answer, as aiohttp's protocol takes it once it is sent.

    Args:
        request: What it answers.
        headers: Of the answer; how its length is told is added here.
        closes: Whether the connection ends with it.
        deadline_s: Longest time that a piece may wait for its client.
        length: Of the whole body, where that is known.
    """

    status: Final = 200

    def __init__(
        self,
        request: BaseRequest,
        *,
        headers: Mapping[str, str],
        closes: bool,
        deadline_s: float,
        length: int | None = None,
    ):
        self.code: str | None = None
        """Why it broke off, for the access log; None while it did not."""
        self._request = request
        # Kept, because a protocol that is told to close forgets it.
        self._transport = request.transport
        self._deadline_s = deadline_s
        is_modern = request.version >= HttpVersion11
        self._is_chunked = is_modern and length is None
        self.keep_alive = is_modern and request.keep_alive and not closes
        framing = "Transfer-Encoding: chunked\r\n" if self._is_chunked else ""
        if length is not None:
            framing = f"Content-Length: {length}\r\n"
        if not self.keep_alive:
            framing += "Connection: close\r\n"
        self._head = head_of(self.status, headers, framing=framing).encode("latin-1")

    async def prepare(self, _request: BaseRequest) -> None:
        """Does nothing: all is sent."""

    async def write_eof(self) -> None:
        """Does nothing: all is sent."""

    async def send_head(self) -> None:
        """Sends the head alone, for HEAD."""
        self._write(self._head)
        await self._drain()

    async def send(self, first: bytes, rest: AsyncGenerator[bytes, None]) -> None:
        """Sends the whole answer.

        Args:
            first: The first piece; empty when there is none.
            rest: The others.

        Raises:
            ClientTooSlow: A piece was not taken in time.
            ConnectionError: The client is gone.
        """
        self._write(self._head + self._framed(first))
        await self._drain()
        async for piece in rest:
            self._write(self._framed(piece))
            await self._drain()
        if self._is_chunked:
            self._write(_LAST_CHUNK)
            await self._drain()

    def break_off(self, reason: str) -> None:
        """Ends it so that the client sees that it is not whole."""
        self.code = f"stream_{reason}"
        self.keep_alive = False
        metrics.HTTP_STREAMS_BROKEN.labels(reason=reason).inc()
        if self._transport is None:
            return
        connection = self._transport.get_extra_info("socket")
        if connection is not None and connection.fileno() >= 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    def _framed(self, piece: bytes) -> bytes:
        if not piece or not self._is_chunked:
            return piece
        return b"%x\r\n%b\r\n" % (len(piece), piece)

    def _write(self, data: bytes) -> None:
        writer = self._request.writer
        transport = writer.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client closed the connection")
        writer.output_size += len(data)
        transport.write(data)

    async def _drain(self) -> None:
        writer = self._request.writer
        transport = writer.transport
        if transport is None or transport.get_write_buffer_size() <= UNSENT_BYTES_MAX:
            return
        try:
            async with asyncio.timeout(self._deadline_s):
                await writer.drain()
        except TimeoutError as error:
            raise ClientTooSlow(f"a piece waited for {self._deadline_s:g} s") from error
