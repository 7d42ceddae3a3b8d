"""A door in front of a server: open, shut as by a kill, or silent as by a stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit


class Cut:
    """Passes bytes on until it is told not to."""

    def __init__(self, target: str):
        self._target = urlsplit(target)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._passes = asyncio.Event()
        self._passes.set()

    @classmethod
    @contextlib.asynccontextmanager
    async def before(cls, target: str) -> AsyncIterator[Cut]:
        cut = cls(target)
        await cut.open()
        try:
            yield cut
        finally:
            cut.speak()
            await cut.shut()

    @property
    def url(self) -> str:
        """The address to use instead of the server's."""
        credential, at, _ = self._target.netloc.rpartition("@")
        return urlunsplit(
            self._target._replace(netloc=f"{credential}{at}127.0.0.1:{self._port}")
        )

    async def open(self) -> None:
        """Lets everything pass, as a server that has started again."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Refuses connections and resets those that are open, as a killed server."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in self._writers:
            writer.transport.abort()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if server is not None:
            await server.wait_closed()

    def hush(self) -> None:
        """Keeps connections open and passes nothing on, as a stopped server."""
        self._passes.clear()

    def speak(self) -> None:
        """Ends `hush`."""
        self._passes.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        far: asyncio.StreamWriter | None = None
        try:
            far_reader, far = await asyncio.open_connection(
                self._target.hostname, self._target.port
            )
            self._writers.add(far)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, far))
                group.create_task(self._pass(far_reader, writer))
        except (asyncio.CancelledError, ExceptionGroup, OSError):
            pass
        finally:
            self._tasks.discard(task)
            for end in (writer, far):
                if end is not None:
                    self._writers.discard(end)
                    end.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._passes.wait()
            writer.write(data)
            await writer.drain()
        writer.close()
