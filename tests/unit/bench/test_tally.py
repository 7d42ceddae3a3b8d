"""Percentiles by nearest rank, and a warm-up that is in no figure."""

import itertools

from chronos.bench.load import LoadPlan, transfer_requests
from chronos.bench.tally import Tally, percentile_ms


def test_percentiles_are_values_that_were_measured():
    ordered = [n * 1_000_000 for n in range(1, 101)]

    assert [percentile_ms(ordered, p) for p in (50, 95, 99, 100)] == [50.0, 95.0, 99.0, 100.0]
    assert percentile_ms([5_000_000], 50) == 5.0
    assert percentile_ms([], 99) == 0.0


def test_only_booked_transfers_count_as_throughput():
    tally = Tally()
    tally.statuses.update({201: 90, 409: 10})
    tally.latencies_ns.extend([1_000_000] * 100)

    result = tally.result(seconds=3.0, driver_cpu_s=0.5)

    assert result.per_second == 30.0
    assert result.statuses == {"201": 90, "409": 10}


def test_requests_name_two_accounts_and_a_key_of_their_own():
    plan = LoadPlan(
        host="127.0.0.1",
        port=1,
        api_key="k",
        accounts=("a", "b", "c"),
        currency="EUR",
        connections=1,
        warm_up_s=0,
        seconds=1,
        rate=None,
        seed=7,
        run="run",
    )
    first = list(itertools.islice(transfer_requests(plan), 200))

    bodies = [request.partition(b"\r\n\r\n")[2] for request in first]
    keys = {
        request.partition(b"Idempotency-Key: ")[2].partition(b"\r\n")[0] for request in first
    }
    assert len(keys) == 200
    assert first == list(itertools.islice(transfer_requests(plan), 200))
    for body in bodies:
        source, destination = body.split(b'"')[3], body.split(b'"')[7]
        assert source != destination
