"""A TCP proxy on the loopback address that hurts the connections through it when told to.

Each connection has two pipes, one for each way, and each pipe is one task that holds at most
one piece of `PIECE_BYTES` beside the bounded buffers of its two streams: where a pipe stands
still, the sender is held back by TCP itself, as by a network that lost its route. What was sent
into a cut arrives when it heals, also an end of the connection, as it does when TCP sends again
after a real cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct
from asyncio import StreamReader, StreamWriter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType

from chronos.embedded.ports import LOOPBACK

PIECE_BYTES = 65_536
CONNECTIONS_MAX = 2_000
_CONNECT_S = 5.0
# So that a slow pipe sends small pieces often instead of large ones seldom.
_PIECES_PER_S = 10
# An abortive close: the other side gets a reset instead of an end.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Way(enum.StrEnum):
    """A direction through a proxy."""

    TO_SERVER = "to the server"
    TO_CLIENT = "to the client"


BOTH_WAYS = (Way.TO_SERVER, Way.TO_CLIENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast a slow link is: bytes in a second, and how long each piece is on its way."""

    bytes_per_s: int
    delay_s: float = 0.0

    @property
    def piece_bytes(self) -> int:
        """Gives the size of the pieces in which it sends; 1 for a drip."""
        return max(1, min(PIECE_BYTES, self.bytes_per_s // _PIECES_PER_S))

    def seconds(self, size_bytes: int) -> float:
        """Tells how long a piece takes."""
        return self.delay_s + size_bytes / self.bytes_per_s


class Proxy:
    """Forwards connections from its own port to a server's; an asynchronous context manager.

    Args:
        name: Names the link, for notes.
        port: Where it listens.
        target_port: Where the server listens; it need not be there yet.
    """

    def __init__(self, name: str, *, port: int, target_port: int):
        self.name = name
        self.port = port
        self.target_port = target_port
        self._flowing = {way: asyncio.Event() for way in Way}
        self._speeds: dict[Way, Speed] = {}
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Proxy:
        """Begins to listen.

        Raises:
            OSError: The port is taken.
        """
        self._tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        self._stack.callback(self._end)
        await self.heal()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops listening and breaks every connection."""
        # The error is kept from the task group, which would wrap it.
        await self._stack.aclose()

    @property
    def connections(self) -> int:
        """Tells how many connections are open."""
        return len(self._connections)

    def cut(self, *ways: Way) -> None:
        """Lets nothing through any more, in silence; without `ways`, both ways.

        Connections stay open, and new ones are accepted: nobody is told.
        """
        for way in ways or BOTH_WAYS:
            self._flowing[way].clear()

    def slow(self, speed: Speed, *ways: Way) -> None:
        """Lets bytes through slowly; without `ways`, both ways."""
        for way in ways or BOTH_WAYS:
            self._speeds[way] = speed

    def half_close(self, way: Way) -> None:
        """Ends one way of every present connection in order; the other way goes on."""
        for connection in self._connections:
            connection.end(way)

    async def reset(self) -> None:
        """Resets every connection and refuses new ones until healed."""
        self._stop_listening()
        self.break_connections()

    def break_connections(self) -> None:
        """Resets every connection; new ones are welcome."""
        for connection in tuple(self._connections):
            connection.reset()
            if connection.task is not None:
                connection.task.cancel()

    async def heal(self) -> None:
        """Lets everything through again; safe to call when nothing is wrong.

        Raises:
            OSError: The port was taken by another program while it was closed.
        """
        if self._server is None:
            self._server = await asyncio.start_server(
                self._accept, LOOPBACK, self.port, limit=PIECE_BYTES
            )
        self._speeds.clear()
        for flowing in self._flowing.values():
            flowing.set()

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        connection = _Connection(reader, writer)
        if len(self._connections) >= CONNECTIONS_MAX:
            connection.reset()
            return
        self._connections.add(connection)
        connection.task = self._tasks.create_task(self._serve(connection))

    async def _serve(self, connection: _Connection) -> None:
        try:
            # A cut in one direction is enough to keep two ends from shaking hands.
            for flowing in self._flowing.values():
                await flowing.wait()
            if await connection.connect(self.target_port):
                async with asyncio.TaskGroup() as pipes:
                    for way in Way:
                        pipes.create_task(self._pipe(connection, way))
        finally:
            connection.reset()
            self._connections.discard(connection)

    async def _pipe(self, connection: _Connection, way: Way) -> None:
        reader, flowing = connection.readers[way], self._flowing[way]
        is_over = False
        while not is_over:
            speed = self._speeds.get(way)
            try:
                piece = await reader.read(PIECE_BYTES if speed is None else speed.piece_bytes)
            except OSError:
                await flowing.wait()
                connection.reset()
                return
            if speed is not None:
                await asyncio.sleep(speed.seconds(len(piece)))
            await flowing.wait()
            is_over = not piece
            try:
                await connection.forward(way, piece)
            except OSError:
                connection.reset()
                return

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _end(self) -> None:
        self._stop_listening()
        self.break_connections()


class _Connection:
    """One client's connection and, once there is one, the proxy's own to the server."""

    def __init__(self, reader: StreamReader, writer: StreamWriter):
        self.readers = {Way.TO_SERVER: reader}
        self._writers = {Way.TO_CLIENT: writer}
        self._ended: set[Way] = set()
        self.task: asyncio.Task[None] | None = None

    async def connect(self, port: int) -> bool:
        """Opens the side of the server; tells whether it could."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CONNECT_S):
                reader, writer = await asyncio.open_connection(
                    LOOPBACK, port, limit=PIECE_BYTES
                )
            self.readers[Way.TO_CLIENT] = reader
            self._writers[Way.TO_SERVER] = writer
            return True
        return False

    async def forward(self, way: Way, piece: bytes) -> None:
        """Sends a piece on, and waits until there is room for the next; empty: ends the way."""
        if not piece:
            self.end(way)
        elif way not in self._ended:
            writer = self._writers[way]
            writer.write(piece)
            await writer.drain()

    def end(self, way: Way) -> None:
        """Tells the receiver of one way that nothing more will come."""
        writer = self._writers.get(way)
        if writer is not None and way not in self._ended:
            self._ended.add(way)
            if not writer.is_closing():
                with contextlib.suppress(OSError):
                    writer.write_eof()

    def reset(self) -> None:
        """Breaks both sides; those whose both ways have ended simply close."""
        for writer in self._writers.values():
            if len(self._ended) < len(Way) and not writer.is_closing():
                raw: socket.socket = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                writer.transport.abort()
            writer.close()
