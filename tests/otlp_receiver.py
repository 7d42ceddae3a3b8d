"""A real receiver of OTLP over HTTP: decodes what it is sent, or behaves badly on demand."""

from __future__ import annotations

import gzip
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
"""Kinds as OTLP numbers them."""
ERROR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One span as it arrived."""

    service: str
    resource: dict[str, Any]
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent: str
    links: tuple[tuple[str, str], ...]
    """Trace and span of each."""
    attributes: dict[str, Any]
    status: int
    started_ns: int
    ended_ns: int

    @property
    def traces(self) -> set[str]:
        """Every trace that this span is of, or has a link to."""
        return {self.trace_id, *(trace for trace, _ in self.links)}


class Receiver:
    """Listens on a free port from entering to leaving.

    Args:
        behave: Is called instead of answering, if given; it may hang until `released`.
    """

    def __init__(self, behave: Callable[[Receiver, Any], None] | None = None):
        self.spans: list[Received] = []
        self.requests = 0
        self.headers: list[dict[str, str]] = []
        self.released = threading.Event()
        self._behave = behave
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def until(self, seen: Callable[[list[Received]], bool], *, within_s: float = 20.0) -> None:
        """Waits until the spans that arrived are as they should be."""
        deadline = time.monotonic() + within_s
        while not seen(list(self.spans)):
            names = Counter((span.service, span.name) for span in self.spans)
            if time.monotonic() >= deadline:
                raise TimeoutError(dict(names))
            time.sleep(0.05)

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the request
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests += 1
                receiver.headers.append(dict(self.headers))
                if receiver._behave is not None:
                    receiver._behave(receiver, self)
                    return
                assert self.path == "/v1/traces"
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.spans += _decoded(body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def hang(receiver: Receiver, _request: Any) -> None:
    """Takes a request and does not answer."""
    receiver.released.wait(60)


def _decoded(body: bytes) -> list[Received]:
    request = ExportTraceServiceRequest.FromString(body)
    return [
        _received(_plain(resource.resource.attributes), span)
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _received(resource: dict[str, Any], span: Any) -> Received:
    return Received(
        service=resource["service.name"],
        resource=resource,
        name=span.name,
        kind=span.kind,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        attributes=_plain(span.attributes),
        status=span.status.code,
        started_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes
    }
