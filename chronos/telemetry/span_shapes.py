"""The names and attributes of spans, by OpenTelemetry's semantic conventions.

A name is one of a closed set. No attribute holds an account's id, an amount, a key or a name of
a person: a path is given by its pattern, a query not at all.

Source: OpenTelemetry semantic conventions 1.44: HTTP, database (stable), messaging, RPC.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

from chronos.telemetry.spans import Kind, Shape, Value

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
_NO_ROUTE: Final = "unknown"
# By the conventions, the statuses that are a server's fault.
_RPC_FAULTS: Final = frozenset(
    {
        "UNKNOWN",
        "DEADLINE_EXCEEDED",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
    }
)


def http_request(
    method: str, route: str, status: int, *, request_id: str, code: str | None
) -> Shape:
    """Describes an answered HTTP request."""
    known = method if method in _METHODS else "HTTP"
    attributes: dict[str, Value] = {
        "http.request.method": method if method in _METHODS else "_OTHER",
        "http.response.status_code": status,
        "url.scheme": "http",
        "chronos.request_id": request_id,
    }
    if route != _NO_ROUTE:
        attributes |= {"http.route": route, "url.path": route}
    _note_problem(attributes, code)
    name = known if route == _NO_ROUTE else f"{known} {route}"
    return Shape(name, Kind.SERVER, attributes, str(status) if status >= 500 else "")


def http_call(method: str, base: str, status: int) -> Shape:
    """Describes a request to another worker; `base` has no path, which would name an account.

    Status 0: there was no answer.
    """
    parts = urlsplit(base)
    attributes: dict[str, Value] = {"http.request.method": method}
    if parts.hostname and parts.port:
        attributes |= {"server.address": parts.hostname, "server.port": parts.port}
    if status:
        attributes["http.response.status_code"] = status
    return Shape(method, Kind.CLIENT, attributes, str(status) if status >= 400 else "")


def rpc_call(method: str, status: str, *, request_id: str, code: str | None) -> Shape:
    """Describes an answered gRPC call; the method as in its path."""
    name = method.removeprefix("/")
    attributes: dict[str, Value] = {
        "rpc.system.name": "grpc",
        "rpc.method": name,
        "rpc.response.status_code": status,
        "chronos.request_id": request_id,
    }
    _note_problem(attributes, code)
    return Shape(name, Kind.SERVER, attributes, status if status in _RPC_FAULTS else "")


def append(attempts: int, phases: Mapping[str, float]) -> Shape:
    """Describes one command transaction; phases in seconds."""
    attributes: dict[str, Value] = {
        "db.system.name": "postgresql",
        "db.operation.name": "BATCH INSERT",
        "db.collection.name": "events",
        "db.operation.batch.size": attempts,
    }
    attributes |= {f"chronos.append.{name}_s": phases[name] for name in phases}
    return Shape("BATCH INSERT events", Kind.CLIENT, attributes)


def send(topics: Collection[str], records: int, *, client_id: str) -> Shape:
    """Describes records given to Kafka together."""
    attributes = _messaging("send", topics, records)
    attributes["messaging.client.id"] = client_id
    return Shape(_on("send", topics), Kind.PRODUCER, attributes)


def process(topics: Collection[str], records: int, *, agent: str, group: str) -> Shape:
    """Describes a batch of records that an agent takes."""
    attributes = _messaging("process", topics, records)
    attributes["messaging.consumer.group.name"] = group
    attributes["chronos.agent"] = agent
    return Shape(_on("process", topics), Kind.CONSUMER, attributes)


def redis_write(balances: int) -> Shape:
    """Describes balances written to Redis together."""
    return Shape(
        "BATCH EVALSHA",
        Kind.CLIENT,
        {
            "db.system.name": "redis",
            "db.operation.name": "BATCH EVALSHA",
            "db.operation.batch.size": balances,
        },
    )


def bulk(index: str, documents: int) -> Shape:
    """Describes documents written to Elasticsearch together."""
    return Shape(
        f"bulk {index}",
        Kind.CLIENT,
        {
            "db.system.name": "elasticsearch",
            "db.operation.name": "bulk",
            "db.collection.name": index,
            "db.operation.batch.size": documents,
        },
    )


def _messaging(operation: str, topics: Collection[str], records: int) -> dict[str, Value]:
    attributes: dict[str, Value] = {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.batch.message_count": records,
    }
    if len(topics) == 1:
        attributes["messaging.destination.name"] = next(iter(topics))
    return attributes


def _on(operation: str, topics: Collection[str]) -> str:
    return f"{operation} {next(iter(topics))}" if len(topics) == 1 else operation


def _note_problem(attributes: dict[str, Value], code: str | None) -> None:
    if code is not None:
        attributes["chronos.problem"] = code
