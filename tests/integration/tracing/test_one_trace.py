"""One trace id from a request to every read model, on the real servers."""

from __future__ import annotations

import asyncio
from collections import Counter

import grpc

from chronos.telemetry.otlp import FLUSH_S
from tests.integration.rpc.calling import transfer_request
from tests.integration.tracing.conftest import AMOUNT
from tests.otlp_receiver import CLIENT, CONSUMER, PRODUCER, SERVER, Receiver, hang

CALLER_SPAN = "b7ad6b7169203331"
CROWD = 40


def traceparent(number):
    return f"00-{number:032x}-{CALLER_SPAN}-01"


def hops(names, request):
    """Service, kind and name of every span of a request's trace."""
    events, changelog = names.events, names.balances_changelog
    return {
        ("chronos-api", SERVER, request),
        ("chronos-api", CLIENT, "BATCH INSERT events"),
        ("chronos-relay", PRODUCER, f"send {events}"),
        ("chronos-balances", CONSUMER, f"process {events}"),
        ("chronos-balances", PRODUCER, f"send {changelog}"),
        ("chronos-balances", CLIENT, "BATCH EVALSHA"),
        ("chronos-mirror", CONSUMER, f"process {events}"),
        ("chronos-mirror", CLIENT, f"bulk {names.entries_alias}"),
        ("chronos-mirror", CONSUMER, f"process {changelog}"),
        ("chronos-mirror", CLIENT, f"bulk {names.accounts_alias}"),
    }


def is_of_accounts(hop, names):
    service, _, name = hop
    return service == "chronos-mirror" and name.endswith(
        (names.balances_changelog, names.accounts_alias)
    )


async def arrived(receiver, expected):
    """Waits until each trace has its spans."""

    def whole(spans):
        return all(is_whole(spans, number, hops) for number, hops in expected.items())

    await asyncio.to_thread(receiver.until, whole, within_s=60)


def of_trace(spans, number):
    return [span for span in spans if span.trace_id == f"{number:032x}"]


def is_whole(spans, number, expected):
    found = {(span.service, span.kind, span.name) for span in of_trace(spans, number)}
    return expected <= found


async def test_one_trace_from_either_door_to_every_read_model(run_traced):
    with Receiver() as receiver:
        async with run_traced(receiver, TRACES_SAMPLER="parentbased_always_off") as traced:
            http = hops(traced.names, "POST /v1/transfers")
            rpc = hops(traced.names, "chronos.v1.Ledger/TransferFunds")

            await traced.transfer(traceparent=traceparent(7))
            await arrived(receiver, {7: http})
            await asyncio.to_thread(traced.ask_balance, traceparent=traceparent(9))
            answer = await asyncio.to_thread(
                traced.rpc.call,
                "TransferFunds",
                transfer_request("vault-xq", "zoe-xq", AMOUNT),
                metadata=(*traced.rpc.metadata, ("traceparent", traceparent(8))),
            )
            assert answer.status is grpc.StatusCode.OK
            await arrived(receiver, {8: rpc})
            await asyncio.gather(
                *(traced.transfer(traceparent=traceparent(100 + n)) for n in range(CROWD))
            )
            # Of an account that changes often, the table keeps the newest value of a batch, and
            # the index of accounts is filled from the table.
            most = {hop for hop in http if not is_of_accounts(hop, traced.names)}
            await arrived(receiver, {100 + n: most for n in range(CROWD)})
            ended = await traced.stop()

    assert {name: code for name, (code, _) in ended.items()} == dict.fromkeys(ended, 0)
    spans = receiver.spans
    assert_in_order(of_trace(spans, 7))
    assert [(s.service, s.kind, s.name, s.parent) for s in of_trace(spans, 9)] == [
        ("chronos-balances", SERVER, "GET /v1/accounts/{account_id}/balance", CALLER_SPAN)
    ]
    assert_shared_work_is_linked(spans)
    assert_nothing_is_told_of_anybody(spans)
    # The two accounts were opened by requests without a trace, which the sampler turns down.
    assert {span.trace_id for span in spans} == {
        f"{number:032x}" for number in (7, 8, 9, *range(100, 100 + CROWD))
    }
    instances = {(s.service, s.resource["service.instance.id"]) for s in spans}
    assert Counter(service for service, _ in instances) == {
        "chronos-api": 2,
        "chronos-relay": 1,
        "chronos-balances": 1,
        "chronos-mirror": 1,
    }


def assert_in_order(trace):
    by_id = {span.span_id: span for span in trace}
    (request,) = [span for span in trace if span.kind == SERVER]
    assert request.parent == CALLER_SPAN
    for span in trace:
        assert span.started_ns <= span.ended_ns
        if span is not request:
            parent = by_id[span.parent]
            # The clock is one machine's; a microsecond is lost where it is read twice.
            assert parent.started_ns - 5_000 <= span.started_ns
    below = {span.name: by_id[span.parent].name for span in trace if span is not request}
    assert below["BATCH INSERT events"] == request.name
    assert below["BATCH EVALSHA"].startswith("process ")
    assert {v for k, v in below.items() if k.startswith("bulk ")} == {
        name for name in below if name.startswith("process ")
    }
    (insert,) = [span for span in trace if span.name == "BATCH INSERT events"]
    assert request.started_ns <= insert.started_ns
    assert insert.ended_ns <= request.ended_ns


def assert_shared_work_is_linked(spans):
    by_id = {span.span_id: span for span in spans}
    shared = [span for span in spans if len(span.links) > 1]
    assert {span.kind for span in shared} >= {CLIENT, CONSUMER}, "a crowd shares its work"
    for span in spans:
        for trace_id, span_id in span.links:
            assert by_id[span_id].trace_id == trace_id


def assert_nothing_is_told_of_anybody(spans):
    for span in spans:
        told = f"{span.name} {span.attributes}"
        for secret in ("zoe-xq", "vault-xq", str(AMOUNT), "teller", "key-"):
            assert secret not in told
    assert len({span.name for span in spans}) <= 12


async def test_with_a_ratio_of_zero_nothing_is_sent(run_traced):
    with Receiver() as receiver:
        async with run_traced(
            receiver, TRACES_SAMPLER="parentbased_traceidratio", TRACES_SAMPLER_ARG="0"
        ) as traced:
            for _ in range(5):
                await traced.transfer()
            await traced.transfer(traceparent=traceparent(7)[:-1] + "0")
            await traced.followed(version=7)
            await traced.stop()

    assert receiver.requests == 0


async def test_a_receiver_that_hangs_slows_neither_requests_nor_the_end(run_traced):
    with Receiver(hang) as receiver:
        async with run_traced(receiver, BSP_MAX_QUEUE_SIZE="64") as traced:
            for number in range(1, 101):
                await traced.transfer(traceparent=traceparent(number))
            await traced.followed(version=101)
            dropped = await asyncio.to_thread(traced.dropped)
            ended = await traced.stop()

    assert receiver.requests > 0
    assert receiver.spans == []
    # A hundred requests are two hundred spans; what neither waits nor is on its way is counted.
    assert dropped > 0
    for name, (code, seconds) in ended.items():
        assert code == 0, name
        assert seconds < FLUSH_S + 8, name
