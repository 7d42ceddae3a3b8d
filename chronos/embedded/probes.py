"""Asks a server, in its own protocol, whether it serves: an open port is not enough.

Every probe answers within `PROBE_S` seconds; it is false for whatever goes wrong on the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from urllib.parse import unquote, urlsplit

import aiohttp
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

PROBE_S = 3.0
_PROTOCOL_3_0 = 196_608
_STARTING_UP = b"C57P03\x00"


async def postgres_serves(dsn: str) -> bool:
    """Tells whether PostgreSQL would let a client log in now.

    Source: PostgreSQL manual, "Message Formats": a StartupMessage is answered by an
    authentication request, or by the error 57P03 while the server starts or recovers.
    """
    address = urlsplit(dsn)
    body = struct.pack("!I", _PROTOCOL_3_0) + b"user\0probe\0database\0postgres\0\0"
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        async with _connected(address.hostname, address.port or 5432) as (reader, writer):
            writer.write(struct.pack("!I", len(body) + 4) + body)
            kind = await reader.readexactly(1)
            size = struct.unpack("!I", await reader.readexactly(4))[0]
            rest = await reader.readexactly(min(size, 4096) - 4)
            return kind == b"R" or (kind == b"E" and _STARTING_UP not in rest)
    return False


async def redis_serves(url: str) -> bool:
    """Tells whether Redis answers a PING with our password; false while it loads its data."""
    address = urlsplit(url)
    lines = [b"PING"]
    if address.password:
        user = unquote(address.username) if address.username else "default"
        lines.insert(0, f"AUTH {user} {unquote(address.password)}".encode())
    with contextlib.suppress(OSError, TimeoutError):
        async with _connected(address.hostname, address.port or 6379) as (reader, writer):
            for line in lines:
                writer.write(line + b"\r\n")
                answer = await reader.readline()
                if not answer.startswith(b"+"):
                    return False
            return True
    return False


async def kafka_serves(bootstrap: str) -> bool:
    """Tells whether a Metadata request is answered with at least one broker."""
    if not await _is_open(bootstrap):
        return False  # The client would log an error for each try.
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=int(PROBE_S * 1000))
    try:
        async with asyncio.timeout(PROBE_S):
            await client.bootstrap()
            return bool(client.cluster.brokers())
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await client.close()


async def elasticsearch_serves(url: str) -> bool:
    """Tells whether the cluster has all its primary shards."""
    path = "/_cluster/health?wait_for_status=yellow&timeout=1s"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PROBE_S)) as session,
            session.get(url.rstrip("/") + path) as answer,
        ):
            return answer.status == 200
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


async def http_serves(url: str) -> bool:
    """Tells whether a GET is answered with 200."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PROBE_S)) as session,
            session.get(url) as answer,
        ):
            return answer.status == 200
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


@contextlib.asynccontextmanager
async def _connected(
    host: str | None, port: int
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with asyncio.timeout(PROBE_S):
        reader, writer = await asyncio.open_connection(host or "127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def _is_open(bootstrap: str) -> bool:
    host, _, port = bootstrap.split(",", maxsplit=1)[0].rpartition(":")
    with contextlib.suppress(OSError, TimeoutError, ValueError):
        async with _connected(host, int(port)):
            return True
    return False
