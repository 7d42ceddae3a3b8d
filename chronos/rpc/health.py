"""The standard health service: SERVING means that a command would be taken now.

It answers without a credential, as `/readyz` does. PostgreSQL is asked at most once in
`BELIEVED_S` for all who ask here.
"""

from __future__ import annotations

import asyncio
from typing import Final

import grpc
from grpc.aio import ServicerContext
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chronos.clock import Clock
from chronos.errors import Unavailable
from chronos.rpc.call import Gate
from chronos.rpc.methods import SERVICE

BELIEVED_S: Final = 0.5
WATCH_EACH_S: Final = 1.0
WATCHES_MAX: Final = 64

_SERVICES: Final = ("", SERVICE)
_Request = health_pb2.HealthCheckRequest
_Response = health_pb2.HealthCheckResponse
_Context = ServicerContext[_Request, _Response]


class Health(health_pb2_grpc.HealthServicer):
    """Answers `grpc.health.v1.Health`."""

    def __init__(self, gate: Gate, clock: Clock):
        self._gate = gate
        self._clock = clock
        self._stopping = asyncio.Event()
        self._asking = asyncio.Lock()
        self._serving = False
        self._believed_until_s = 0.0
        self._watches = 0

    async def Check(self, request: _Request, context: _Context) -> _Response:  # noqa: N802
        """Tells whether a service would take work now."""
        if request.service not in _SERVICES:
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such service here.")
        return _Response(status=await self._status(request.service))

    async def Watch(self, request: _Request, context: _Context) -> None:  # noqa: N802
        """Tells it now and whenever it changes, until the client goes or the process stops."""
        if self._watches >= WATCHES_MAX:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, f"{WATCHES_MAX} clients watch already."
            )
        self._watches += 1
        try:
            await self._watch(request.service, context)
        finally:
            self._watches -= 1

    def stop(self) -> None:
        """Tells everybody that the process takes no more work."""
        self._stopping.set()

    async def _watch(self, service: str, context: _Context) -> None:
        told: int | None = None
        while True:
            status = await self._status(service)
            if status != told:
                await context.write(_Response(status=status))
                told = status
            if self._stopping.is_set():
                return
            try:
                async with asyncio.timeout(WATCH_EACH_S):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    async def _status(self, service: str) -> int:
        if service not in _SERVICES:
            return _Response.SERVICE_UNKNOWN
        if not self._stopping.is_set() and await self._is_serving():
            return _Response.SERVING
        return _Response.NOT_SERVING

    async def _is_serving(self) -> bool:
        async with self._asking:
            if self._clock.monotonic_s() >= self._believed_until_s:
                try:
                    await self._gate.ask()
                except Unavailable:
                    self._serving = False
                else:
                    self._serving = True
                self._believed_until_s = self._clock.monotonic_s() + BELIEVED_S
        return self._serving
