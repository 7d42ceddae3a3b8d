"""A connection to the fake server, with the methods of asyncpg's that the store calls.

A statement travels, waits for its turn in the session, is answered, and the answer travels
back; on each of these ways the connection may end. Which statements there are is in
`statements`: an unknown one is an error, so a changed statement of the product is noticed.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from tests.simulation.postgres import FakePostgres, Session
from tests.simulation.statements import Statements

IDLE_IN_TRANSACTION_S = 2.0
_LOST = "connection was closed in the middle of operation"


@dataclass(eq=False, slots=True)
class Request:
    """One statement on its way."""

    statement: str
    arguments: tuple[Any, ...]
    reply: asyncio.Future[Any]
    waiting: asyncio.Task[Any] | None = None


class FakeConnection:
    """One client's end."""

    def __init__(self, postgres: FakePostgres, *, purpose: str, is_durable: bool, limit_s: Any):
        self._postgres = postgres
        self._statements = Statements(postgres)
        self._limit_s = limit_s
        self._is_closed = False
        # In their order: a set's own differs from run to run.
        self._replies: dict[asyncio.Future[Any], None] = {}
        self.session = postgres.open_session(
            purpose, is_durable=is_durable, tell_lost=self._lost
        )

    # What the store calls.

    async def fetch(self, statement: str, *arguments: Any) -> Any:
        return await self._ask(statement, arguments)

    async def fetchrow(self, statement: str, *arguments: Any) -> Any:
        found = await self._ask(statement, arguments)
        return found[0] if found else None

    async def fetchval(self, statement: str, *arguments: Any) -> Any:
        found = await self._ask(statement, arguments)
        return None if not found else found[0][0]

    async def execute(self, statement: str, *arguments: Any) -> str:
        tag: str = await self._ask(statement, arguments)
        return tag

    async def prepare(self, statement: str) -> FakePrepared:
        await self._postgres.network.travel()
        if self._is_closed:
            raise asyncpg.InterfaceError("connection is closed")
        return FakePrepared(self, statement)

    @asynccontextmanager
    async def transaction(self, **_: Any) -> AsyncIterator[None]:
        await self.execute("BEGIN")
        try:
            yield
        except BaseException:
            await self.execute("ROLLBACK")
            raise
        await self.execute("COMMIT")

    def is_closed(self) -> bool:
        return self._is_closed

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        if not self._is_closed:
            await self._postgres.network.travel()
            self._hang_up()

    def terminate(self) -> None:
        if not self._is_closed:
            self._hang_up()

    def _hang_up(self) -> None:
        self._is_closed = True
        postgres, session = self._postgres, self.session
        postgres.server.call_later(postgres.network.delay_s(), postgres.end_session, session)
        self._fail_all()

    def _lost(self) -> None:
        self._is_closed = True
        self._fail_all()

    def _fail_all(self) -> None:
        for reply in list(self._replies):
            if not reply.done():
                reply.set_exception(asyncpg.ConnectionDoesNotExistError(_LOST))

    # A statement's way to the server and back.

    async def _ask(self, statement: str, arguments: tuple[Any, ...]) -> Any:
        if self._is_closed:
            raise asyncpg.InterfaceError("connection is closed")
        postgres, session = self._postgres, self.session
        request = Request(statement, arguments, asyncio.get_running_loop().create_future())
        self._replies[request.reply] = None
        session.requests += 1
        postgres.server.call_later(postgres.network.delay_s(), self._arrive, request)
        try:
            async with asyncio.timeout(self._limit_s):
                return await request.reply
        except (TimeoutError, asyncio.CancelledError):
            # A request to cancel takes a way of its own; it ends a wait for a lock.
            postgres.server.call_later(postgres.network.delay_s(), self._cancel, request)
            raise
        finally:
            self._replies.pop(request.reply, None)

    def _cancel(self, request: Request) -> None:
        if request.waiting is not None:
            request.waiting.cancel()

    def _arrive(self, request: Request) -> None:
        """Serves a request, or lets it wait for the one before it in this session."""
        session = self.session
        if session.is_ended:
            return
        session.queue.append(request)
        if len(session.queue) == 1:
            self._serve(request)

    def _serve(self, request: Request) -> None:
        session = self.session
        session.requests += 1
        try:
            answer = self._statements.run(session, request.statement, request.arguments)
        except Exception as error:  # noqa: BLE001 - the client is told
            self._served(request, None, error)
            return
        if inspect.iscoroutine(answer):
            work = session.waiting = request.waiting = self._postgres.server.spawn(answer)
            work.add_done_callback(lambda done: self._worked(request, done))
        else:
            self._served(request, answer, None)

    def _worked(self, request: Request, done: asyncio.Task[Any]) -> None:
        self.session.waiting = request.waiting = None
        if done.cancelled():
            fault = asyncpg.QueryCanceledError("canceling statement due to user request")
            self._served(request, None, fault)
        elif done.exception() is not None:
            self._served(request, None, done.exception())
        else:
            self._served(request, done.result(), None)

    def _served(self, request: Request, answer: Any, fault: BaseException | None) -> None:
        session, postgres = self.session, self._postgres
        if fault is not None:
            if not isinstance(fault, asyncpg.PostgresError):
                postgres.world.violate(f"the fake server failed: {fault!r}")
            if session.transaction is not None:
                session.transaction.is_failed = True
        self._watch_idleness(session)
        back_s = postgres.network.delay_s()
        postgres.server.call_later(back_s, self._deliver, request, answer, fault)
        session.queue.popleft()
        if session.queue and not session.is_ended:
            self._serve(session.queue[0])

    def _deliver(self, request: Request, answer: Any, fault: BaseException | None) -> None:
        reply = request.reply
        if self.session.is_ended or reply.done():
            if answer == "COMMIT":
                self._postgres.world.saw("the answer to a COMMIT was lost")
        elif fault is None:
            reply.set_result(answer)
        else:
            reply.set_exception(fault)

    def _watch_idleness(self, session: Session) -> None:
        open_one, requests = session.transaction, session.requests
        if open_one is None:
            return

        def look() -> None:
            if session.transaction is open_one and session.requests == requests:
                self._postgres.world.saw("an idle transaction was ended")
                self._postgres.end_session(session)

        self._postgres.server.call_later(IDLE_IN_TRANSACTION_S, look)


class FakePrepared:
    """A prepared statement."""

    def __init__(self, connection: FakeConnection, statement: str):
        self._connection = connection
        self._statement = statement

    async def fetchrow(self, *arguments: Any) -> Any:
        return await self._connection.fetchrow(self._statement, *arguments)


class FakePool:
    """A pool, as far as the store's reads need one."""

    def __init__(self, driver: FakeDriver, dsn: str, size: int, options: dict[str, Any]):
        self._driver = driver
        self._dsn = dsn
        self._options = options
        self._room = asyncio.Semaphore(size)
        self._idle: list[FakeConnection] = []

    def get_size(self) -> int:
        return self.get_idle_size()

    def get_idle_size(self) -> int:
        return len(self._idle)

    @asynccontextmanager
    async def acquire(self, *, timeout: float) -> AsyncIterator[FakeConnection]:  # noqa: ASYNC109
        async with asyncio.timeout(timeout):
            await self._room.acquire()
        try:
            connection = self._idle.pop() if self._idle else None
            if connection is None or connection.is_closed():
                connection = await self._driver.connect(self._dsn, **self._options)
            try:
                yield connection
            finally:
                if not connection.is_closed():
                    self._idle.append(connection)
        finally:
            self._room.release()

    def close(self) -> asyncio.Future[None]:
        self.terminate()
        closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        closed.set_result(None)
        return closed

    def terminate(self) -> None:
        for connection in self._idle:
            connection.terminate()
        self._idle.clear()


class FakeDriver:
    """Stands where the store finds `asyncpg.connect` and `asyncpg.create_pool`."""

    def __init__(self, postgres: FakePostgres):
        self._postgres = postgres

    async def connect(
        self,
        _dsn: str,
        *,
        command_timeout: float,
        server_settings: dict[str, str] | None = None,
        **_: Any,
    ) -> FakeConnection:
        postgres, how = self._postgres, server_settings or {}
        await postgres.network.travel()
        if postgres.is_down:
            raise ConnectionRefusedError("nobody listens")
        return FakeConnection(
            postgres,
            purpose=how.get("application_name", ""),
            is_durable=how.get("synchronous_commit") != "off",
            limit_s=command_timeout,
        )

    async def create_pool(
        self,
        dsn: str,
        *,
        min_size: int,
        max_size: int,
        reset: Any,
        timeout: Any,  # noqa: ASYNC109 - asyncpg's own
        **options: Any,
    ) -> FakePool:
        del min_size, reset, timeout
        return FakePool(self, dsn, max_size, options)
