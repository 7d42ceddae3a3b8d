"""Sends spans by OTLP over HTTP with OpenTelemetry's SDK; the only module that knows it.

Imported only where spans are wanted: the packages are an extra (`otel`), and cost memory.

The SDK reads its own variables: sampler, resource, and the exporter's address, headers,
certificates, time-out and compression. What it does not do here is to run along with a request.
Its span objects are made by the exporting thread, out of what has ended, with the ids that were
drawn before; its sampler is asked once for each request.

No provider is made the global one: libraries that trace by themselves (the Elasticsearch
client) would send ids of documents, which are ids of accounts.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    TraceIdRatioBased,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from chronos import __version__
from chronos.telemetry.otlp_options import OtlpOptions
from chronos.telemetry.span_queue import SpanQueue
from chronos.telemetry.spans import Kind, Span, record_to
from chronos.telemetry.traces import span_id_of, trace_id_of

FLUSH_S: Final = 2.0
"""Longest time that a stopping process gives to the spans that are left."""
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_FINE: Final = Status()
_FAILED: Final = Status(StatusCode.ERROR)
_ABOVE_ALL: Final = "g"
_KINDS: Final = {
    Kind.INTERNAL: SpanKind.INTERNAL,
    Kind.SERVER: SpanKind.SERVER,
    Kind.CLIENT: SpanKind.CLIENT,
    Kind.PRODUCER: SpanKind.PRODUCER,
    Kind.CONSUMER: SpanKind.CONSUMER,
}


class Tracing:
    """Records the spans of this process from its making to its stop.

    Args:
        options: Bounds of the queue.
        service: The service's name, unless `OTEL_SERVICE_NAME` says another.
        process: Name of this process among those of its service.
    """

    def __init__(self, options: OtlpOptions, *, service: str, process: str):
        # What fails is told by the queue, once and not for each try.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._sampler = _Sampler()
        self._exporter = OTLPSpanExporter(session=_Session())
        self._maker = _SpanMaker(_resource(service, process))
        self._queue = SpanQueue(
            self._export,
            queue_spans_max=options.queue_spans_max,
            batch_spans_max=options.batch_spans_max,
            delay_s=options.delay_s,
        )
        self.record = self._queue.put
        record_to(self)

    def samples(self, trace_id: str, *, parent_is_sampled: bool | None) -> bool:
        """Decides as the sampler does that the environment names."""
        return self._sampler.samples(trace_id, parent_is_sampled=parent_is_sampled)

    def stop(self) -> None:
        """Records no more, and sends what is left for at most `FLUSH_S`."""
        record_to(None)
        self._queue.close(within_s=FLUSH_S)
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the SDK has no type for it

    async def open(self) -> None:
        """Does nothing: a worker's resources are opened and closed in one way."""

    async def close(self) -> None:
        """Stops without holding up the loop."""
        await asyncio.to_thread(self.stop)

    def _export(self, spans: Sequence[Span]) -> bool:
        made = [self._maker.make(span) for span in spans]
        return self._exporter.export(made) is SpanExportResult.SUCCESS


class _Sampler:
    """Is the sampler of `OTEL_TRACES_SAMPLER`, asked with as little ado as it allows.

    The samplers that the environment can name decide by the caller's flag, then always alike or
    by the trace's id. So the first is looked up and the second compared, which costs a fifth of
    asking. Any other sampler, of a plug-in, is asked.
    """

    def __init__(self) -> None:
        sampler = TracerProvider(shutdown_on_exit=False).sampler
        self._rules = {flag: _rule(_chosen(sampler, flag), _parents[flag]) for flag in _parents}

    def samples(self, trace_id: str, *, parent_is_sampled: bool | None) -> bool:
        rule = self._rules[parent_is_sampled]
        return rule(trace_id) if callable(rule) else trace_id[16:] < rule


class _SpanMaker:
    """Makes the SDK's spans of ours.

    Not by its tracer, which would sample, lock and copy once more what has ended already, at
    six times the cost.
    """

    def __init__(self, resource: Resource):
        self._resource = resource
        self._scope = InstrumentationScope("chronos", __version__)

    def make(self, span: Span) -> ReadableSpan:
        shape, own = span.shape, _context(span.traceparent)
        attributes, status = shape.attributes, _FINE
        if shape.error:
            attributes, status = {**attributes, "error.type": shape.error}, _FAILED
        return ReadableSpan(
            shape.name,
            own,
            parent=_parent_of(own, span.parent, is_remote=shape.kind != Kind.CLIENT),
            resource=self._resource,
            attributes=attributes,
            links=[Link(_context(link)) for link in span.links],
            kind=_KINDS[shape.kind],
            status=status,
            start_time=span.started_ns,
            end_time=span.ended_ns,
            instrumentation_scope=self._scope,
        )


class _Session(requests.Session):
    """Reads nothing of an answer but its head: its body may be anything, and without an end."""

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        response = super().request(*arguments, **options | {"stream": True})
        response.close()
        return response


def _chosen(sampler: Sampler, flag: bool | None) -> Sampler:  # noqa: FBT001 - a key of the table
    """Gives the sampler to which one that goes by the parent leaves a decision."""
    if not isinstance(sampler, ParentBased):
        return sampler
    # The SDK shows them only in a text.
    if flag is None:
        return sampler._root  # noqa: SLF001 - see above
    if flag:
        return sampler._remote_parent_sampled  # noqa: SLF001 - see above
    return sampler._remote_parent_not_sampled  # noqa: SLF001 - see above


def _rule(sampler: Sampler, parent: Context) -> str | Callable[[str], bool]:
    """Gives the digits that the second half of a sampled id is below, or whom to ask."""
    if sampler is ALWAYS_ON:
        return _ABOVE_ALL
    if sampler is ALWAYS_OFF:
        return ""
    if type(sampler) is TraceIdRatioBased:
        return (
            f"{sampler.bound:016x}" if sampler.bound <= sampler.TRACE_ID_LIMIT else _ABOVE_ALL
        )

    def ask(trace_id: str) -> bool:
        result = sampler.should_sample(parent, int(trace_id, 16), "request", SpanKind.SERVER)
        return result.decision is Decision.RECORD_AND_SAMPLE

    return ask


def _resource(service: str, process: str) -> Resource:
    host = socket.gethostname()
    ours = Resource.get_empty().merge(
        Resource(
            {
                "service.name": service,
                "service.version": __version__,
                "service.instance.id": f"{process}@{host}/{os.getpid()}",
                "host.name": host,
                "process.pid": os.getpid(),
            }
        )
    )
    # What the operator says comes last, and wins.
    return Resource.create().merge(ours).merge(OTELResourceDetector().detect())


def _context(traceparent: str) -> SpanContext:
    return SpanContext(
        int(trace_id_of(traceparent), 16),
        int(span_id_of(traceparent), 16),
        is_remote=True,
        trace_flags=_SAMPLED,
    )


def _parent_of(own: SpanContext, parent: str, *, is_remote: bool) -> SpanContext | None:
    if not parent:
        return None
    return SpanContext(own.trace_id, int(parent, 16), is_remote=is_remote, trace_flags=_SAMPLED)


def _parent(context: SpanContext) -> Context:
    return set_span_in_context(NonRecordingSpan(context), Context())


# No sampler of the SDK looks at more of a parent than its flags.
_parents: Final = {
    None: Context(),
    True: _parent(SpanContext(1, 1, is_remote=True, trace_flags=_SAMPLED)),
    False: _parent(SpanContext(1, 1, is_remote=True)),
}
