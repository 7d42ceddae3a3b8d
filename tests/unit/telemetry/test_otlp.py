"""Spans on their way to a real receiver, and receivers that do not behave."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanKind

from chronos import __version__
from chronos.errors import SettingFault
from chronos.telemetry.metrics import REGISTRY
from chronos.telemetry.otlp import FLUSH_S, Tracing, _parents, _rule, _Sampler
from chronos.telemetry.otlp_options import read_options
from chronos.telemetry.span_queue import SpanQueue
from chronos.telemetry.spans import Kind, Shape, Span, begin, end_request, record_to, working
from chronos.telemetry.traces import is_sampled, span_id_of, trace_id_of
from tests.otlp_receiver import CLIENT, ERROR, SERVER, Receiver, hang

ROOT = Path(__file__).resolve().parents[3]
GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SHAPE = Shape("work", Kind.CLIENT, {"db.system.name": "postgresql", "count": 3, "s": 0.5})


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    yield
    record_to(None)


def tracing(monkeypatch, url, **variables):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    for name, text in variables.items():
        monkeypatch.setenv(f"OTEL_{name}", text)
    return Tracing(read_options(os.environ), service="chronos-api", process="api-3")


def spans_counted(outcome):
    return REGISTRY.get_sample_value("chronos_trace_spans_total", {"outcome": outcome})


def a_request(number=1):
    traceparent, caller = begin(f"00-{number:032x}-b7ad6b7169203331-01")
    assert caller is not None
    now_s = time.perf_counter()
    end_request(traceparent, caller, SHAPE, started_s=now_s - 0.25, ended_s=now_s)
    return traceparent


def test_a_span_arrives_as_it_was_made(monkeypatch):
    with Receiver() as receiver:
        recording = tracing(
            monkeypatch,
            receiver.url,
            EXPORTER_OTLP_HEADERS="x-tenant=bank",
            EXPORTER_OTLP_COMPRESSION="gzip",
        )
        traceparent, caller = begin(GIVEN)
        with pytest.raises(ValueError, match="no"), working([traceparent], lambda: SHAPE):
            raise ValueError("no")
        server = SHAPE._replace(name="POST /v1/transfers", kind=Kind.SERVER)
        end_request(traceparent, caller, server, started_s=1.0, ended_s=2.0)
        recording.stop()

        work, request = receiver.spans

    assert receiver.headers[0]["x-tenant"] == "bank"
    assert (request.trace_id, request.span_id) == (
        trace_id_of(GIVEN),
        span_id_of(traceparent),
    )
    assert (request.name, request.kind, request.status) == ("POST /v1/transfers", SERVER, 0)
    assert request.parent == span_id_of(GIVEN)
    assert request.ended_ns - request.started_ns == 1_000_000_000
    assert (work.trace_id, work.parent) == (request.trace_id, request.span_id)
    assert work.links == ((request.trace_id, request.span_id),)
    assert (work.kind, work.status) == (CLIENT, ERROR)
    assert work.attributes == {**SHAPE.attributes, "error.type": "ValueError"}


def test_a_process_says_who_it_is(monkeypatch):
    with Receiver() as receiver:
        recording = tracing(monkeypatch, receiver.url, RESOURCE_ATTRIBUTES="site=vienna")
        a_request()
        recording.stop()
        (span,) = receiver.spans

    assert span.service == "chronos-api"
    assert span.resource["service.version"] == __version__
    assert span.resource["service.instance.id"].startswith("api-3@")
    assert span.resource["site"] == "vienna"
    assert span.resource["telemetry.sdk.language"] == "python"


def test_the_operators_name_of_the_service_wins(monkeypatch):
    with Receiver() as receiver:
        recording = tracing(monkeypatch, receiver.url, SERVICE_NAME="ledger")
        a_request()
        recording.stop()

    assert [span.service for span in receiver.spans] == ["ledger"]


def test_with_a_ratio_of_zero_nothing_is_sampled_and_nothing_sent(monkeypatch):
    with Receiver() as receiver:
        recording = tracing(
            monkeypatch, receiver.url, TRACES_SAMPLER="traceidratio", TRACES_SAMPLER_ARG="0"
        )
        for _ in range(100):
            traceparent, caller = begin(None)
            assert (caller, is_sampled(traceparent)) == (None, False)
        assert begin(GIVEN)[1] is None
        with working([GIVEN], lambda: pytest.fail("nobody asks")):
            pass
        recording.stop()

    assert receiver.requests == 0


def test_a_ratio_is_kept_over_many_requests_and_callers_decide_for_theirs(monkeypatch):
    with Receiver() as receiver:
        recording = tracing(
            monkeypatch,
            receiver.url,
            TRACES_SAMPLER="parentbased_traceidratio",
            TRACES_SAMPLER_ARG="0.1",
        )
        sampled = sum(begin(None)[1] is not None for _ in range(10_000))
        by_callers = [begin(GIVEN)[1], begin(GIVEN[:-1] + "0")[1]]
        recording.stop()

    assert 800 < sampled < 1200
    assert by_callers == [span_id_of(GIVEN), None]


@pytest.mark.parametrize(
    ("sampler", "argument"),
    [
        ("always_on", ""),
        ("always_off", ""),
        ("parentbased_always_on", ""),
        ("parentbased_always_off", ""),
        ("traceidratio", "0"),
        ("traceidratio", "0.3"),
        ("traceidratio", "1"),
        ("parentbased_traceidratio", "0.001"),
        ("parentbased_traceidratio", "0.5"),
    ],
)
def test_every_standard_sampler_decides_as_the_sdk_does(monkeypatch, sampler, argument):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    ours, theirs = _Sampler(), TracerProvider(shutdown_on_exit=False).sampler
    chance = random.Random(7)
    edges = [0, 1, 2**63, 2**64 - 1, 2**64, 2**128 - 1, round(0.3 * 2**64)]
    for number in [*edges, *(chance.getrandbits(128) for _ in range(2000))]:
        for flag, parent in _parents.items():
            asked = theirs.should_sample(parent, number, "request", SpanKind.SERVER)
            sampled = asked.decision is Decision.RECORD_AND_SAMPLE
            assert ours.samples(f"{number:032x}", parent_is_sampled=flag) is sampled
    assert not any(callable(rule) for rule in ours._rules.values()), "none needs asking"


def test_a_sampler_of_a_plug_in_is_asked():
    class Even(Sampler):
        def should_sample(self, _context, trace_id, *_args, **_named):
            taken = Decision.RECORD_AND_SAMPLE if trace_id % 2 == 0 else Decision.DROP
            return SamplingResult(taken)

        def get_description(self):
            return "even"

    rule = _rule(Even(), _parents[None])

    assert [rule(f"{number:032x}") for number in (1, 2, 3)] == [False, True, False]


@pytest.mark.parametrize("status", [302, 400, 500])
def test_a_receiver_that_refuses_costs_spans_and_nothing_else(monkeypatch, status):
    def refuse(_receiver, request):
        request.send_response(status)
        request.send_header("Location", "http://127.0.0.1:9/elsewhere")
        request.send_header("Content-Length", "0")
        request.end_headers()

    lost = spans_counted("failed") + spans_counted("exported")
    with Receiver(refuse) as receiver:
        recording = tracing(monkeypatch, receiver.url)
        a_request()
        recording.stop()
        assert receiver.requests == 1

    assert spans_counted("failed") + spans_counted("exported") == lost + 1


def test_an_answer_without_an_end_is_not_read(monkeypatch):
    def babble(receiver, request):
        request.send_response(200)
        request.end_headers()
        while not receiver.released.is_set():
            try:
                request.wfile.write(b"x" * 65536)
            except OSError:
                return

    with Receiver(babble) as receiver:
        recording = tracing(monkeypatch, receiver.url)
        a_request(1)
        started_s = time.monotonic()
        recording.stop()

        assert time.monotonic() - started_s < FLUSH_S + 1


def test_a_receiver_that_hangs_holds_up_neither_requests_nor_the_end(monkeypatch):
    dropped = spans_counted("dropped")
    with Receiver(hang) as receiver:
        recording = tracing(
            monkeypatch,
            receiver.url,
            BSP_MAX_QUEUE_SIZE="50",
            BSP_MAX_EXPORT_BATCH_SIZE="10",
        )
        started_s = time.monotonic()
        for number in range(1, 1001):
            a_request(number)
        took_s = time.monotonic() - started_s
        until(lambda: receiver.requests >= 1)
        recording.stop()
        ended_s = time.monotonic() - started_s - took_s

    assert took_s < 2
    assert ended_s < FLUSH_S + 5
    # What is neither waiting nor on its way is counted, and at the end all of it.
    assert spans_counted("dropped") - dropped >= 1000 - 50 - 10 - 10


def test_a_receiver_that_is_away_is_told_of_once(monkeypatch, capfd):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{listener.getsockname()[1]}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.05")
    # An exporter that was given up by another test may still wait for its receiver, and tell
    # of it when it ends: that line is not of this test.
    until(lambda: all(thread.name != "span-export" for thread in threading.enumerate()))
    capfd.readouterr()
    failed = spans_counted("failed")
    recording = tracing(monkeypatch, nowhere)
    for number in range(1, 7):
        a_request(number)
        until(lambda n=number: spans_counted("failed") == failed + n)
    recording.stop()

    written = capfd.readouterr()
    assert (written.out + written.err).count("spans_not_exported") == 1


def test_an_exporter_that_breaks_does_not_end_the_thread():
    taken: list[int] = []

    def export(spans):
        taken.append(len(spans))
        if len(taken) == 1:
            raise RuntimeError("a bug")
        return True

    queue = SpanQueue(export, queue_spans_max=10, batch_spans_max=1, delay_s=0.01)
    queue.put(a_span())
    until(lambda: len(taken) == 1)
    queue.put(a_span())
    until(lambda: len(taken) == 2)
    queue.close(within_s=5)


def test_a_closed_queue_takes_nothing_and_counts_it():
    queue = SpanQueue(lambda _spans: True, queue_spans_max=10, batch_spans_max=1, delay_s=60)
    queue.close(within_s=5)
    dropped = spans_counted("dropped")

    queue.put(a_span())

    assert spans_counted("dropped") == dropped + 1
    assert not [one for one in threading.enumerate() if one.name == "span-export"]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "TRUE"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_TRACES_SAMPLER": "always_on"},
    ],
)
def test_without_a_receiver_or_switched_off_no_spans_are_wanted(variables):
    assert read_options(variables) is None


def test_the_bounds_of_the_queue_are_the_standard_ones_or_those_given():
    options = read_options({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c/v1/traces"})

    assert options.variable == "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
    assert (options.queue_spans_max, options.batch_spans_max) == (2048, 512)
    assert options.delay_s == 5.0

    given = read_options(
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_BSP_MAX_QUEUE_SIZE": "100"}
    )
    assert (given.queue_spans_max, given.batch_spans_max) == (100, 100)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:port"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[c"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "9" * 30),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(name, text):
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", name: text}

    with pytest.raises(SettingFault) as refused:
        read_options(variables)

    assert refused.value.setting == name


@pytest.mark.parametrize("command", [["api"], ["worker", "mirror"]])
def test_a_missing_extra_ends_the_start_with_the_name_of_the_extra(command, tmp_path):
    hidden = "import sys; sys.modules['opentelemetry.sdk'] = None; "
    ended = started(hidden, command, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="http://c:4318")

    assert ended.returncode == 78
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in ended.stderr
    assert "pip install 'chronos-ledger[otel]'" in ended.stderr


def test_where_spans_are_off_nothing_of_the_extra_is_imported():
    look = (
        "import sys; from chronos.cli.tracing import start_tracing; "
        "import chronos.assembly.api; "
        "assert start_tracing('chronos-api', process='api-0') is None; "
        "import json; print(json.dumps([n for n in sys.modules if 'opentelemetry' in n]))"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    ended = subprocess.run(
        [sys.executable, "-c", look],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    assert json.loads(ended.stdout) == []


def started(before, command, folder, **variables):
    program = f"{before}from chronos.cli.main import main; main({command!r})"
    plain = {k: v for k, v in os.environ.items() if not k.startswith("CHRONOS_")}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=plain | variables | {"CHRONOS_STATE_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def a_span():
    return Span(traceparent=GIVEN, parent="", shape=SHAPE, started_ns=1, ended_ns=2)


def until(condition, within_s=20.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
