"""Composition of one API process: from settings to its listening servers and their end.

Order of the beginning: ports first, then the start-up checks, repeated until PostgreSQL
answers; until they pass the process is live but not ready, and commands get 503. Order of the
end: stop listening, answer what is in flight, finish the attempts under way, close the
connections; each step is bounded by `drain_s`.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from aiohttp.web import ServerRunner, TCPSite

from chronos.api.app import Api, create_app
from chronos.api.server import BoundedServer
from chronos.assembly.ledger import ledger_on, ledger_rules
from chronos.auth.keys import ApiKeys, read_server_secret
from chronos.clock import SystemClock, SystemIds
from chronos.errors import InvariantBroken, MissingPart, Unavailable
from chronos.rpc.app import create_rpc
from chronos.rpc.server import Listening, Rpc
from chronos.settings import Settings
from chronos.store import startup_checks
from chronos.store.heads import Heads
from chronos.store.opening import Sizes, Store, open_store
from chronos.store.outbox_layout import Layout
from chronos.telemetry.event_loop import EventLoopWatch
from chronos.telemetry.logs import get_logger

BACKLOG = 1024
_CHECK_AGAIN_S = 0.25

_log = get_logger("api")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Doors:
    """The two doors of one ledger."""

    http: Api
    rpc: Rpc


async def serve(settings: Settings, *, number: int = 0) -> None:
    """Serves the API until SIGTERM or SIGINT, and then drains.

    Args:
        settings: `postgres_dsn` is of the writer's own sign-in.
        number: Which of the `api_processes` this is; its admin port is `admin_port` plus it.

    Raises:
        InvariantBroken: Stored facts contradict each other.
        UnsafeSetting: The server or the role is set so that the promise cannot be kept.
        SettingFault: A setting cannot be used.
        MissingPart: A port is taken.
    """
    ending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    _end_on_signals(ending)
    async with (
        open_store(settings.postgres_dsn, ledger_rules(settings), Sizes.of(settings)) as store,
        asyncio.TaskGroup() as tasks,
        EventLoopWatch(),
    ):
        doors = _create(settings, store, ending, process=f"api-{number}")
        api = doors.http
        async with _listening(doors, settings, number):
            checks = tasks.create_task(_check(settings, api))
            _log.info(
                "api_listening",
                port=settings.api_port,
                grpc_port=settings.grpc_port,
                admin_port=_admin(settings, number),
            )
            try:
                await ending
            finally:
                checks.cancel()
                api.health.draining = True
                _log.info(
                    "api_draining",
                    in_flight=api.watch.in_flight + doors.rpc.door.in_flight,
                    streams=doors.rpc.door.streams,
                )
        api.watch.flush()
    _log.info("api_stopped")


def _create(
    settings: Settings, store: Store, ending: asyncio.Future[None], *, process: str
) -> _Doors:
    def stop(broken: InvariantBroken) -> None:
        if not ending.done():
            ending.set_exception(broken)

    clock, ids = SystemClock(), SystemIds()
    ledger = ledger_on(store)
    secret = read_server_secret(settings.key_secret_file)
    auth = ApiKeys(store.keys, server_secret=secret, clock=clock)
    http = create_app(
        ledger=ledger,
        reads=store.reads,
        moments=store.moments,
        books=store.books,
        auth=auth,
        cursor_secret=secret,
        settings=settings,
        clock=clock,
        ids=ids,
        on_broken=stop,
        process=process,
    )
    rpc = create_rpc(
        ledger=ledger,
        reads=store.reads,
        newest=Heads(store.pool),
        auth=auth,
        gate=http.health,
        settings=settings,
        clock=clock,
        ids=ids,
        on_broken=stop,
        process=process,
    )
    return _Doors(http=http, rpc=rpc)


@asynccontextmanager
async def _listening(doors: _Doors, settings: Settings, number: int) -> AsyncIterator[None]:
    """Listens on all ports; on leaving, answers what is in flight, at all doors at once."""
    shared = settings.api_processes > 1
    host, drain_s = settings.api_host, settings.drain_s
    async with AsyncExitStack() as stack:
        admin = await _listen(
            doors.http.admin, host, _admin(settings, number), drain_s=1, shared=False
        )
        stack.push_async_callback(admin.cleanup)
        ends: list[Callable[[], Coroutine[None, None, None]]] = []
        stack.push_async_callback(_together, ends)
        http = await _listen(
            doors.http.server, host, settings.api_port, drain_s=drain_s, shared=shared
        )
        ends.append(http.cleanup)
        rpc = await Listening.start(
            doors.rpc, host=host, port=settings.grpc_port, shared=shared
        )
        ends.append(partial(rpc.drain, drain_s))
        yield


async def _together(works: Sequence[Callable[[], Coroutine[None, None, None]]]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for work in works:
            tasks.create_task(work())


async def _listen(
    server: BoundedServer, host: str, port: int, *, drain_s: float, shared: bool
) -> ServerRunner:
    runner = ServerRunner(server, shutdown_timeout=drain_s)
    await runner.setup()
    site = TCPSite(runner, host, port, backlog=BACKLOG, reuse_port=shared or None)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise MissingPart(
            f"Port {port} on {host} cannot be used ({error.strerror or error}); stop what "
            "listens there or choose another port."
        ) from error
    return runner


async def _check(settings: Settings, api: Api) -> None:
    """Repeats the start-up checks until PostgreSQL answers them."""
    demand = startup_checks.Demand(
        duty=startup_checks.Duty.WRITE,
        transactions_max=settings.writer_lanes * settings.api_processes,
        layout=Layout.of(settings),
    )
    while not api.health.checked:
        try:
            await startup_checks.check(settings.postgres_dsn, demand)
        except Unavailable as fault:
            _log.warning("startup_checks_wait", detail=fault.detail)
            await asyncio.sleep(_CHECK_AGAIN_S)
        else:
            api.health.checked = True
            _log.info("api_ready")


def _end_on_signals(ending: asyncio.Future[None]) -> None:
    def end() -> None:
        if not ending.done():
            ending.set_result(None)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)


def _admin(settings: Settings, number: int) -> int:
    return settings.admin_port + number
