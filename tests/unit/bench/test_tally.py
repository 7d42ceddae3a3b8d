"""Percentiles by nearest rank, and troubles that are not hidden."""

from chronos.bench.answers import Answer, judge_transfer
from chronos.bench.tally import Tally, percentile_ms

BOOKED = Answer(201, b"{}")
REFUSED = Answer(409, b'{"code":"account_frozen"}')


def test_percentiles_are_values_that_were_measured():
    ordered = [n * 1_000_000 for n in range(1, 101)]

    assert [percentile_ms(ordered, p) for p in (50, 95, 99, 100)] == [50.0, 95.0, 99.0, 100.0]
    assert percentile_ms([5_000_000], 50) == 5.0
    assert percentile_ms([], 99) == 0.0


def test_only_booked_transfers_count_as_throughput():
    tally = Tally()
    for answer in [BOOKED] * 90 + [REFUSED] * 10:
        tally.answered(answer, judge_transfer(answer))
        tally.took(0, 1_000_000)

    result = tally.result(seconds=3.0, driver_cpu_s=0.5)

    assert (result.done, result.per_second) == (90, 30.0)
    assert result.statuses == {"201": 90, "409": 10}
    assert result.troubles == {"409 account_frozen": 10}
    assert result.driver_cpu_us == 5000.0


def test_what_has_no_answer_is_counted_and_is_trouble():
    tally = Tally()
    tally.gave_up(0, 7_000_000_000)
    tally.lost()

    result = tally.result(seconds=1.0, driver_cpu_s=0.0)

    assert (result.due, result.unanswered, result.max_ms) == (2, 2, 7000.0)
    assert result.troubles == {"unanswered": 2, "runs in which nothing was done": 1}


def test_groups_have_their_own_latencies():
    tally = Tally(groups=2)
    tally.took(0, 1_000_000)
    tally.took(1, 3_000_000)

    result = tally.result(seconds=1.0, driver_cpu_s=0.0)

    assert [group.p50_ms for group in result.groups] == [1.0, 3.0]
    assert (result.p50_ms, result.max_ms) == (1.0, 3.0)
