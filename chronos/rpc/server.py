"""The gRPC server of one process: its bounds, its beginning and its end.

Order of the end: health says NOT_SERVING, no new call is taken, streams are told to go on
elsewhere, calls with one answer are answered; what is left after `drain_s`, or after
`STREAMS_END_S` when only streams are left (a client that does not read), is cancelled.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE
from grpc_reflection.v1alpha import reflection

from chronos.errors import MissingPart
from chronos.rpc.door import Door
from chronos.rpc.following import Following
from chronos.rpc.health import Health
from chronos.rpc.methods import METHODS, SERVICE, Stream, Unary
from chronos.rpc.watching import Watch

MESSAGE_BYTES_MAX: Final = 64 * 1024
"""Of a request; as much as a command's body over HTTP."""
CALLS_MAX: Final = 8192
CONNECTIONS_MAX: Final = 4096
CALLS_OF_A_CONNECTION_MAX: Final = 1024
STREAMS_END_S: Final = 1.0
_LOOK_AGAIN_S: Final = 0.02
_SECOND_MS: Final = 1000

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_concurrent_streams", CALLS_OF_A_CONNECTION_MAX),
    ("grpc.max_allowed_incoming_connections", CONNECTIONS_MAX),
    # A peer that went away without a word is found out; one that asks us so may ask often.
    ("grpc.keepalive_time_ms", 30 * _SECOND_MS),
    ("grpc.keepalive_timeout_ms", 10 * _SECOND_MS),
    ("grpc.http2.min_ping_interval_without_data_ms", 5 * _SECOND_MS),
    ("grpc.keepalive_permit_without_calls", 1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rpc:
    """What one process serves by gRPC."""

    door: Door
    health: Health
    following: Following
    watch: Watch


class Listening:
    """A door that listens, until it is drained."""

    def __init__(self, rpc: Rpc, server: grpc.aio.Server):
        self._rpc = rpc
        self._server = server
        self._rounds = asyncio.create_task(rpc.following.run(), name="following")

    @classmethod
    async def start(cls, rpc: Rpc, *, host: str, port: int, shared: bool) -> Self:
        """Listens.

        Args:
            rpc: What is served.
            host: Address to listen on.
            port: Port to listen on.
            shared: Whether other processes listen on the same port.

        Raises:
            MissingPart: The port is taken.
        """
        server = _server(rpc, shared=shared)
        try:
            server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        except RuntimeError as error:
            raise MissingPart(
                f"Port {port} on {host} cannot be used for gRPC; stop what listens there or "
                "choose another port."
            ) from error
        await server.start()
        return cls(rpc, server)

    async def drain(self, drain_s: float) -> None:
        """Takes no more calls, and ends those under way, within the time."""
        rpc = self._rpc
        rpc.health.stop()
        rpc.following.stop()
        stopping = asyncio.create_task(self._server.stop(drain_s), name="stop gRPC")
        loop = asyncio.get_running_loop()
        streams_end_s = loop.time() + STREAMS_END_S
        while not stopping.done():
            if not rpc.door.in_flight and loop.time() >= streams_end_s:
                await self._server.stop(None)
            await asyncio.wait((stopping,), timeout=_LOOK_AGAIN_S)
        await stopping
        self._rounds.cancel()
        await asyncio.gather(self._rounds, return_exceptions=True)
        rpc.watch.flush()


def _server(rpc: Rpc, *, shared: bool) -> grpc.aio.Server:
    server = grpc.aio.server(
        options=(*_OPTIONS, ("grpc.so_reuseport", int(shared))),
        maximum_concurrent_rpcs=CALLS_MAX,
    )
    handlers = {method.name: _handler(rpc.door, method) for method in METHODS}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    health_pb2_grpc.add_HealthServicer_to_server(rpc.health, server)
    reflection.enable_server_reflection(
        (SERVICE, HEALTH_SERVICE, reflection.SERVICE_NAME), server
    )
    return server


def _handler(door: Door, method: Unary | Stream) -> grpc.RpcMethodHandler[bytes, Message]:
    """Makes a handler that takes bytes, so that the door itself refuses what it cannot read."""
    if isinstance(method, Stream):
        return grpc.unary_stream_rpc_method_handler(partial(door.stream, method))
    return grpc.unary_unary_rpc_method_handler(
        partial(door.answer, method), response_serializer=_serialize
    )


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()
