"""What is sampled, what a span is below, and that nothing is made of the rest."""

from __future__ import annotations

import asyncio
from time import perf_counter

import pytest

from chronos.clock import SystemClock
from chronos.telemetry import span_shapes, spans
from chronos.telemetry.spans import (
    REQUESTS_MAX,
    Kind,
    Shape,
    begin,
    current,
    end_request,
    record_to,
    working,
)
from chronos.telemetry.traces import (
    is_sampled,
    is_valid_traceparent,
    new_traceparent,
    span_id_of,
    trace_id_of,
)

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{SPAN}-01"
UNSAMPLED = f"00-{TRACE}-{SPAN}-00"
SHAPE = Shape("work", Kind.INTERNAL, {})


def others(count):
    return [f"00-{number:032x}-{SPAN}-01" for number in range(1, count + 1)]


def test_without_a_recorder_a_callers_value_is_passed_on_and_nothing_recorded():
    assert begin(SAMPLED) == (SAMPLED, None)
    traceparent, caller = begin(None)
    assert caller is None
    assert not is_sampled(traceparent)
    with working([SAMPLED], lambda: pytest.fail("nobody asks for the shape")):
        assert current() == ()


def test_a_sampled_request_gets_a_span_of_its_own_below_its_caller(memory):
    traceparent, caller = begin(SAMPLED)

    assert trace_id_of(traceparent) == TRACE
    assert span_id_of(traceparent) != SPAN
    assert is_sampled(traceparent)
    assert caller == SPAN
    assert memory.asked == [(TRACE, True)]


@pytest.mark.parametrize("header", [None, "", "rubbish", f"00-{'0' * 32}-{SPAN}-01", "é" * 55])
def test_a_request_without_a_usable_value_begins_a_trace(memory, header):
    traceparent, caller = begin(header)

    assert is_valid_traceparent(traceparent)
    assert is_sampled(traceparent)
    assert caller == ""
    assert memory.asked[0][1] is None


def test_a_request_that_is_not_sampled_keeps_its_trace_and_has_no_span(memory):
    memory.rule = lambda _trace_id, _parent: False

    assert begin(UNSAMPLED) == (UNSAMPLED, None)
    traceparent, caller = begin(None)
    assert (is_sampled(traceparent), caller) == (False, None)


def test_a_flag_that_is_taken_away_goes_with_the_id_it_spoke_of(memory):
    memory.rule = lambda _trace_id, _parent: False

    traceparent, caller = begin(SAMPLED)

    assert trace_id_of(traceparent) == TRACE
    assert span_id_of(traceparent) != SPAN
    assert (is_sampled(traceparent), caller) == (False, None)


def test_shared_work_is_in_every_sampled_trace_and_linked_both_ways(memory):
    first, second, third = others(3)

    with working([first, UNSAMPLED, second, first, third], lambda: SHAPE):
        contexts = current()

    assert [trace_id_of(one.traceparent) for one in memory.spans] == [
        trace_id_of(one) for one in (first, second, third)
    ]
    assert [one.traceparent for one in memory.spans] == list(contexts)
    assert {one.parent for one in memory.spans} == {SPAN}
    assert list(memory.spans[0].links) == [first, second, third]
    assert [list(one.links) for one in memory.spans[1:]] == [[contexts[0]]] * 2
    assert len({(one.started_ns, one.ended_ns) for one in memory.spans}) == 1
    assert current() == ()


def test_work_inside_work_is_below_it_in_each_trace(memory):
    with working(others(2), lambda: SHAPE):
        outer = current()
        with working(current(), lambda: SHAPE._replace(name="inner")):
            pass

    inner = [one for one in memory.spans if one.shape.name == "inner"]
    assert [one.parent for one in inner] == [span_id_of(one) for one in outer]


def test_work_for_nobody_sampled_makes_nothing(memory):
    with working([UNSAMPLED, "", "x", "é" * 54 + "1"], lambda: pytest.fail("not asked")):
        assert current() == ()

    assert memory.spans == []
    assert memory.asked == []


def test_the_sampler_is_obeyed_behind_the_door_too(memory):
    memory.rule = lambda _trace_id, _parent: False

    with working([SAMPLED], lambda: pytest.fail("not asked")):
        pass

    assert memory.spans == []


def test_one_piece_of_work_serves_a_bounded_number_of_requests(memory):
    with working(others(REQUESTS_MAX + 5), lambda: SHAPE):
        pass

    assert len(memory.spans) == len(memory.spans[0].links) == REQUESTS_MAX


def test_what_ends_the_work_is_named_and_goes_on(memory):
    with pytest.raises(TimeoutError), working([SAMPLED], lambda: SHAPE):
        raise TimeoutError

    assert [one.shape.error for one in memory.spans] == ["TimeoutError"]
    assert current() == ()


async def test_work_of_one_task_is_not_that_of_another(memory):
    inside, look = asyncio.Event(), asyncio.Event()
    assert memory.spans == []

    async def work():
        with working([SAMPLED], lambda: SHAPE):
            inside.set()
            await look.wait()

    task = asyncio.create_task(work())
    await inside.wait()
    assert current() == ()
    look.set()
    await task


def test_a_recorder_that_is_taken_away_meanwhile_is_missed_by_nobody(memory):
    with working([SAMPLED], lambda: SHAPE):
        record_to(None)
    end_request(SAMPLED, "", SHAPE, started_s=0.0, ended_s=1.0)

    assert memory.spans == []


def test_times_are_of_the_wall_clock(memory):
    before = SystemClock().now().timestamp()
    started_s = perf_counter()

    end_request(SAMPLED, "", SHAPE, started_s=started_s - 5, ended_s=started_s)

    (span,) = memory.spans
    assert 4.999 < (span.ended_ns - span.started_ns) / 1e9 < 5.001
    assert abs(span.ended_ns / 1e9 - before) < 1


def test_a_path_is_given_by_its_pattern():
    shape = span_shapes.http_request(
        "GET", "/v1/accounts/{id}", 404, request_id="req_1", code="account_not_found"
    )

    assert shape.name == "GET /v1/accounts/{id}"
    assert shape.attributes["url.path"] == "/v1/accounts/{id}"
    assert shape.error == ""


def test_what_a_stranger_writes_is_no_name():
    shape = span_shapes.http_request(
        "DRAIN-alice", "unknown", 404, request_id="req_1", code="not_found"
    )

    assert shape.name == "HTTP"
    assert "alice" not in str(shape)


def test_only_faults_of_the_server_are_errors():
    def http(status):
        return span_shapes.http_request("GET", "/", status, request_id="r", code=None).error

    def rpc(status):
        return span_shapes.rpc_call("/s/M", status, request_id="r", code=None).error

    assert [http(status) for status in (200, 422, 503)] == ["", "", "503"]
    assert [rpc(status) for status in ("OK", "NOT_FOUND", "UNAVAILABLE")] == [
        "",
        "",
        "UNAVAILABLE",
    ]


def test_new_traces_are_of_valid_form():
    assert all(is_valid_traceparent(new_traceparent()) for _ in range(100))
    assert spans.is_on() is False
